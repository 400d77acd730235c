//! The parts of a request that may carry a credential.

use std::borrow::Cow;
use std::fmt;

use crate::{Error, MAX_CREDENTIAL_BYTES};

/// The cookies in which NextAuth v4 and Auth.js v5 keep a session, in the order in which they are tried.
///
/// The `__Secure-` form comes first: only a page served over TLS can have set it.
pub(crate) const SESSION_COOKIES: [&str; 4] = [
    "__Secure-authjs.session-token",
    "authjs.session-token",
    "__Secure-next-auth.session-token",
    "next-auth.session-token",
];

/// The most chunks (`.0`, `.1` …) that a session cookie may have; the libraries cut at 3,933 bytes.
const MAX_CHUNKS: usize = 8;

/// Where a request carries its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// In the `Authorization` header: the caller put it there on purpose.
    Authorization,
    /// In a cookie, which a browser sends by itself: a request that changes something must also prove its origin.
    Cookie,
    /// In the query, where the platform that frames this server's pages puts it.
    Query,
}

/// What a request brings to show who makes it.
#[derive(Clone, Default)]
pub struct Credentials<'a> {
    authorization: Option<&'a str>,
    cookies: Vec<(&'a str, &'a str)>,
    store_session: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    /// The value of the `Authorization` header and the values of all `Cookie` headers (RFC 6265, section 4.2.1), of
    /// which only the session cookies are kept.
    ///
    /// A request with more than one `Authorization` header must be refused before it gets here.
    pub fn new(authorization: Option<&'a str>, cookie_headers: impl IntoIterator<Item = &'a str>) -> Self {
        let cookies = cookie_headers
            .into_iter()
            .flat_map(|header| header.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, value)| {
                !value.is_empty() && SESSION_COOKIES.iter().any(|known| name.starts_with(known))
            })
            .collect();
        Self { authorization, cookies, store_session: None }
    }

    /// The same, with the platform's session token that the query holds.
    #[must_use]
    pub fn with_store_session(mut self, token: Option<&'a str>) -> Self {
        self.store_session = token;
        self
    }

    /// Where the credential is that decides; `None` where there is none. `Authorization` goes before cookies, and these
    /// before the query.
    pub fn carrier(&self) -> Option<Carrier> {
        if self.authorization.is_some() {
            Some(Carrier::Authorization)
        } else if self.sessions().next().is_some() {
            Some(Carrier::Cookie)
        } else {
            self.store_session.map(|_| Carrier::Query)
        }
    }

    /// The token of the `Authorization` header. The scheme is matched without regard to case (RFC 9110, section 11.1).
    pub(crate) fn bearer(&self) -> Option<Result<&'a str, Error>> {
        let header = self.authorization?;
        let token = match header.trim().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Some(Err(Error::Scheme)),
        };
        Some(check_length(token).map(|()| token))
    }

    /// The platform's session token.
    pub(crate) fn store_session(&self) -> Option<&'a str> {
        self.store_session
    }

    /// The sessions found in cookies, each with the name of its cookie, which is the salt of an Auth.js session.
    ///
    /// A browser may carry several: those of an older version of the library stay until they expire.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (&'static str, Result<Cow<'a, str>, Error>)> + '_ {
        SESSION_COOKIES.into_iter().flat_map(|name| {
            let whole =
                self.cookie(name).map(|value| (name, check_length(value).map(|()| Cow::Borrowed(value))));
            let joined = self.chunks(name).map(|value| (name, value.map(Cow::Owned)));
            whole.into_iter().chain(joined)
        })
    }

    fn cookie(&self, name: &str) -> Option<&'a str> {
        self.cookies.iter().find(|(given, _)| *given == name).map(|(_, value)| *value)
    }

    /// The value of a chunked cookie, put together from `.0` upwards.
    fn chunks(&self, name: &str) -> Option<Result<String, Error>> {
        let mut value = self.chunk(name, 0)?.to_owned();
        for index in 1.. {
            let Some(chunk) = self.chunk(name, index) else { break };
            value.push_str(chunk);
            if index >= MAX_CHUNKS || value.len() > MAX_CREDENTIAL_BYTES {
                return Some(Err(Error::TooLong { max: MAX_CREDENTIAL_BYTES }));
            }
        }
        Some(check_length(&value).map(|()| value))
    }

    fn chunk(&self, name: &str, index: usize) -> Option<&'a str> {
        let is_chunk = |given: &str| {
            let suffix = given.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
            suffix.is_some_and(|digits| !digits.starts_with('+') && digits.parse() == Ok(index))
        };
        self.cookies.iter().find(|(given, _)| is_chunk(given)).map(|(_, value)| *value)
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("carrier", &self.carrier()).finish_non_exhaustive()
    }
}

fn check_length(token: &str) -> Result<(), Error> {
    if token.len() > MAX_CREDENTIAL_BYTES {
        Err(Error::TooLong { max: MAX_CREDENTIAL_BYTES })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(headers: &[&str]) -> Vec<(&'static str, Option<String>)> {
        let credentials = Credentials::new(None, headers.iter().copied());
        credentials.sessions().map(|(name, value)| (name, value.ok().map(Cow::into_owned))).collect()
    }

    #[test]
    fn chunks_are_joined_by_number_whatever_their_order() {
        let header =
            "theme=dark; authjs.session-token.1=B; authjs.session-token.0=A; authjs.session-token.2=C";
        assert_eq!(sessions(&[header]), [("authjs.session-token", Some("ABC".into()))]);
    }

    #[test]
    fn chunks_without_a_first_one_are_no_session() {
        assert_eq!(sessions(&["authjs.session-token.1=B"]), []);
        assert_eq!(
            sessions(&["authjs.session-token.x=B; authjs.session-token-other=C; authjs.session-token="]),
            []
        );
    }

    #[test]
    fn too_many_chunks_are_refused() {
        let header = (0..40).map(|n| format!("next-auth.session-token.{n}=x")).collect::<Vec<_>>().join("; ");
        assert_eq!(sessions(&[&header]), [("next-auth.session-token", None)]);
    }

    #[test]
    fn several_headers_and_several_libraries_are_seen() {
        let found = sessions(&["next-auth.session-token=old", "__Secure-authjs.session-token=new"]);
        assert_eq!(
            found.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            [SESSION_COOKIES[0], SESSION_COOKIES[3]]
        );
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        let token = |header| Credentials::new(Some(header), []).bearer().unwrap().ok();
        assert_eq!(token("bEARER  abc "), Some("abc"));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token("abc"), None);
        assert!(Credentials::new(None, []).bearer().is_none());
    }

    #[test]
    fn nothing_of_a_credential_is_printed() {
        let printed =
            format!("{:?}", Credentials::new(Some("Bearer hush"), ["next-auth.session-token=hush"]));
        assert!(!printed.contains("hush"));
        let printed = format!("{:?}", Credentials::default().with_store_session(Some("hush")));
        assert!(printed.contains("Query") && !printed.contains("hush"), "{printed}");
    }
}
