//! Headers that are nobody's to set.

/// Headers that a request gets from what sends it: they belong to the connection, or are made from the request itself
/// (RFC 9110, sections 7.2, 7.6.1, 8.6 and 10.1.1). In lower case, in order.
pub const NOT_SETTABLE: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
