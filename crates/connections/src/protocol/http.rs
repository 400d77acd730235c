//! The one client that providers are spoken to with, and its limits.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{ACCEPT, DATE, HeaderMap, RETRY_AFTER};
use http::{Method, StatusCode};
use model::Ambient;
use outbound::cause::{is_untrusted, report};
use outbound::{Allow, Guard};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder, Response};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::error::{CallError, Sent};

/// How long reaching a provider may take, its name's resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call may take from its beginning to the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// The most bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The longest wait that a provider may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// For how long an unused connection is kept. Shorter than the 5 seconds of Node's servers, the shortest in wide use: a
/// call on a connection that the other side is closing has an outcome that nobody knows.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Why nothing is sent where a URL cannot be used.
const UNUSABLE: CallError = CallError::Malformed("the entry's URL or headers cannot be used");

/// Whom a request may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Whatever the operator has written down.
    Anywhere,
    /// What the guard lets through: a user has named the host.
    Guarded,
}

/// The limits of calls to providers.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Authorities that are trusted besides the system's.
    pub extra_roots: Vec<Certificate>,
    /// How long reaching a provider may take; 5 seconds unless said otherwise.
    pub connect_timeout: Duration,
    /// How long a whole call may take; 10 seconds unless said otherwise.
    pub deadline: Duration,
    /// What judges the hosts that users name; without it, public addresses alone are reached there.
    pub guard: Option<Guard>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { extra_roots: Vec::new(), connect_timeout: CONNECT_TIMEOUT, deadline: DEADLINE, guard: None }
    }
}

/// Speaks HTTP with providers: no redirects, no cookies, no compression, no repetition, a hard deadline, at most 1 MiB
/// of an answer. This machine itself is never reached through a proxy. Which URLs may be plain HTTP is the catalog's to
/// say.
#[derive(Debug, Clone)]
pub struct Http {
    outward: Client,
    guarded: outbound::Client,
    loopback: Client,
    deadline: Duration,
    ambient: Ambient,
}

/// An answer that is neither a redirect nor 429 nor 5xx. Its body may hold tokens, so there is no `Debug`.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Http {
    /// A client with these limits. Fails where the system's authorities cannot be read.
    pub fn new(config: &HttpConfig, ambient: Ambient) -> Result<Self, outbound::Error> {
        let build = |builder: ClientBuilder| builder.build().map_err(|_| outbound::Error::Authorities);
        let guard = config.guard.clone().map_or_else(|| Guard::new(Allow::nothing(), Vec::new()), Ok)?;
        let guarded = guard.client(&outbound::Settings {
            connect_timeout: config.connect_timeout,
            deadline: Some(config.deadline),
            idle_timeout: IDLE_TIMEOUT,
        })?;
        Ok(Self {
            outward: build(builder(config))?,
            guarded,
            loopback: build(builder(config).no_proxy())?,
            deadline: config.deadline,
            ambient,
        })
    }

    /// The client for whatever is not on this machine.
    pub fn outward(&self) -> &Client {
        &self.outward
    }

    /// The client for hosts that users name: it reaches what the guard lets through.
    pub fn guarded(&self) -> &outbound::Client {
        &self.guarded
    }

    /// A request for JSON, to where it may go.
    pub(super) fn request(
        &self,
        method: Method,
        url: Url,
        reach: Reach,
    ) -> Result<RequestBuilder, CallError> {
        let request = match reach {
            Reach::Guarded => self.guarded.request(method, url).map_err(|_| UNUSABLE)?,
            Reach::Anywhere if is_loopback(&url) => self.loopback.request(method, url),
            Reach::Anywhere => self.outward.request(method, url),
        };
        Ok(request.header(ACCEPT, "application/json"))
    }

    /// Sends once and reads the answer, within the deadline.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Reply, CallError> {
        let deadline = Instant::now() + self.deadline;
        let response = timeout_at(deadline, request.send()).await;
        let response = response.map_err(|_| CallError::Unreachable(Sent::Maybe))?.map_err(failure)?;
        let status = response.status();
        let retry_after = retry_after(response.headers(), &self.ambient);
        if status.is_redirection() {
            return Err(CallError::Malformed("redirect"));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(CallError::RateLimited { retry_after });
        }
        if status.is_server_error() {
            return Err(CallError::Unavailable { status: status.as_u16(), retry_after });
        }
        let body = timeout_at(deadline, body(response)).await;
        match body.unwrap_or(Err(CallError::Unreachable(Sent::Maybe))) {
            Ok(body) => Ok(Reply { status, retry_after, body }),
            // That it was refused is known, even if the reason never comes.
            Err(_) if status.is_client_error() => {
                Ok(Reply { status, retry_after, body: Zeroizing::default() })
            }
            Err(error) => Err(error),
        }
    }
}

fn builder(config: &HttpConfig) -> ClientBuilder {
    Client::builder()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("jackfield/", env!("CARGO_PKG_VERSION")))
        .tls_certs_merge(config.extra_roots.iter().cloned())
}

/// Whether `url` is on this machine, by its literal address or the reserved name (RFC 6761, section 6.3).
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn failure(error: reqwest::Error) -> CallError {
    // The address without path and query, which may tell more than where it is.
    let server = error.url().map(|url| url.origin().ascii_serialization());
    let error = error.without_url();
    let cause = report(&error);
    if is_untrusted(&error) {
        tracing::warn!(
            server.address = server,
            cause,
            "a provider's certificate is not trusted: if a private authority has signed it, name that authority in \
             EXTRA_CA_FILE"
        );
    } else {
        tracing::warn!(server.address = server, cause, "a provider could not be reached");
    }
    if error.is_builder() {
        // The catalog lets no such entry through; discovery may tell such an address.
        UNUSABLE
    } else if error.is_connect() {
        CallError::Unreachable(Sent::No)
    } else {
        CallError::Unreachable(Sent::Maybe)
    }
}

async fn body(mut response: Response) -> Result<Zeroizing<Vec<u8>>, CallError> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|_| CallError::Unreachable(Sent::Maybe))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(CallError::Malformed("too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// `Retry-After` in either form (RFC 9110, section 10.2.3), at most an hour. A date is measured by the provider's own
/// clock where the answer tells it, so that neither clock has to be right.
pub fn retry_after(headers: &HeaderMap, ambient: &Ambient) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large to be read is a long wait all the same.
        text.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        until.duration_since(present(headers, ambient)).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn present(headers: &HeaderMap, ambient: &Ambient) -> SystemTime {
    let theirs = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    theirs.unwrap_or_else(|| {
        UNIX_EPOCH + Duration::from_millis(ambient.now().as_millisecond().try_into().unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wait(retry: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry).unwrap());
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).unwrap());
        }
        retry_after(&headers, &Ambient::system()).map(|wait| wait.as_secs())
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        assert_eq!(wait("0", None), Some(0));
        assert_eq!(wait(" 17 ", None), Some(17));
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT", date), Some(60));
        assert_eq!(wait("Sunday, 06-Nov-94 08:50:37 GMT", date), Some(60));
        assert_eq!(wait("Sun Nov  6 08:50:37 1994", date), Some(60));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT", None), Some(0), "by our clock it is long past");
    }

    #[test]
    fn retry_after_is_bounded_and_nonsense_is_none() {
        for long in ["3601", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(wait(long, None), Some(3600), "{long}");
        }
        for nonsense in ["", "-1", "1.5", "soon", "1 minute", "+5", "0x10"] {
            assert_eq!(wait(nonsense, None), None, "{nonsense}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for (url, expected) in [
            ("http://127.0.0.1:1/", true),
            ("http://127.8.9.10/", true),
            ("http://[::1]:1/", true),
            ("http://localhost/", true),
            ("http://tenant.localhost/", true),
            ("http://0x7f.1/", true),
            ("http://localhost.example/", false),
            ("http://127.0.0.1.example/", false),
            ("http://10.0.0.1/", false),
            ("http://127.0.0.1@example.com/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
