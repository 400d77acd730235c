//! Asking a server: with deadlines, and again where the server was not reached or says that it is busy.

use std::error::Error as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::ProgressBar;
use model::Ambient;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};

use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

use crate::remote::report::{self, Failure, Problem};
use crate::remote::stream::{EVENT_STREAM, Stream};
use crate::remote::{ServerArgs, address, server_problem};

/// How long a command may wait for the server, all attempts together.
const DEADLINE: Duration = Duration::from_mins(2);
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a request is sent at most.
const ATTEMPTS: u32 = 6;
/// The pause before the second attempt, before jitter; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause, also where the server asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// The most bytes of an answer that are read.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A server, and as whom it is asked.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    ambient: Ambient,
}

/// What a server answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What somebody else than this program's user is answered.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body as text.
    pub(crate) body: String,
}

/// Why there is no answer.
enum Broken {
    /// The server was not reached, so it has done nothing.
    Connect(String),
    /// The request may have been received.
    Later(String),
}

impl Client {
    /// A client for the server that the command line names.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a URL that is no base URL, and for a token that would go over the network in the open.
    pub(crate) fn new(args: &ServerArgs) -> Result<Self, Failure> {
        let token = args.token.as_ref().filter(|token| !token.expose_secret().trim().is_empty());
        address::check(&args.url)?;
        let local = address::is_loopback(&args.url);
        if token.is_some() && args.url.scheme() != "https" && !local && !args.insecure {
            let text = "the token would be sent without TLS, readable by anybody on the way: use an https URL, or --insecure if you must";
            return Err(Failure::Usage(text.to_owned()));
        }
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            // A redirect could lead the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("jackfield/", env!("CARGO_PKG_VERSION")));
        if local {
            builder = builder.no_proxy();
        }
        let http = builder.build().context("cannot start a client")?;
        Ok(Self { http, base: args.url.clone(), headers: headers(args, token)?, ambient: Ambient::system() })
    }

    /// Sends a JSON body, and gives the JSON that is answered; shows meanwhile, on a terminal, that it does.
    ///
    /// # Errors
    /// [`Failure::Problem`] with what the server says is wrong; [`Failure::Other`] if it cannot be reached.
    pub(crate) async fn post(&self, path: &[&str], body: &Value, doing: &str) -> Result<Value, Failure> {
        let body = serde_json::to_vec(body).context("the request cannot be written as JSON")?;
        self.ask(Method::POST, path, body, doing).await
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub(crate) async fn get(&self, path: &[&str], doing: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, Vec::new(), doing).await
    }

    /// Asks for JSON, with a query.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub(crate) async fn get_where(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        doing: &str,
    ) -> Result<Value, Failure> {
        let mut url = self.address(path);
        url.query_pairs_mut().extend_pairs(query);
        self.ask_at(Method::GET, url, Vec::new(), doing).await
    }

    /// Opens a stream of server-sent events, which has no end of its own.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub(crate) async fn stream(&self, path: &[&str], query: &[(&str, String)]) -> Result<Stream, Failure> {
        let mut url = self.address(path);
        url.query_pairs_mut().extend_pairs(query);
        let request = self.http.get(url).headers(self.headers.clone()).header(ACCEPT, EVENT_STREAM).send();
        let response = tokio::time::timeout(DEADLINE, request).await;
        let response = response.map_err(|_| self.explain(Broken::Later("it took too long".to_owned())))?;
        let response = response.map_err(|error| {
            let why = reason(&error);
            self.explain(if error.is_connect() { Broken::Connect(why) } else { Broken::Later(why) })
        })?;
        if response.status().is_success() {
            return Ok(Stream::new(response));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = whole(response).await.map_err(|why| self.explain(Broken::Later(why)))?;
        // It is an error whatever it says.
        let refused = self.read(&Answer { status, headers, body });
        Err(refused.err().unwrap_or_else(|| self.explain(Broken::Later("it is no stream".to_owned()))))
    }

    /// Posts as somebody else would: with these headers alone, once, and whatever is answered.
    ///
    /// # Errors
    /// [`Failure::Other`] if it cannot be reached.
    pub(crate) async fn send_to(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Sent, Failure> {
        let mut request = self.http.post(url).timeout(DEADLINE).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.map_err(|error| {
            let why = reason(&error);
            self.explain(if error.is_connect() { Broken::Connect(why) } else { Broken::Later(why) })
        })?;
        let status = response.status().as_u16();
        let body = whole(response).await.map_err(|why| self.explain(Broken::Later(why)))?;
        Ok(Sent { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    async fn ask(&self, method: Method, path: &[&str], body: Vec<u8>, doing: &str) -> Result<Value, Failure> {
        self.ask_at(method, self.address(path), body, doing).await
    }

    async fn ask_at(&self, method: Method, url: Url, body: Vec<u8>, doing: &str) -> Result<Value, Failure> {
        let bar = spinner(doing);
        let answer = self.attempts(&method, &url, &body, &bar).await;
        bar.finish_and_clear();
        self.read(&answer?)
    }

    async fn attempts(
        &self,
        method: &Method,
        url: &Url,
        body: &[u8],
        bar: &ProgressBar,
    ) -> Result<Answer, Failure> {
        let started = Instant::now();
        let mut attempt = 1;
        loop {
            let left = DEADLINE.saturating_sub(started.elapsed());
            let outcome = self.once(method.clone(), url.clone(), body.to_vec(), left).await;
            let (why, asked) = match &outcome {
                Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                    ("the server is busy".to_owned(), retry_after(&answer.headers))
                }
                Err(Broken::Connect(why)) => (format!("{} cannot be reached: {why}", self.base), None),
                _ => return outcome.map_err(|error| self.explain(error)),
            };
            let pause = asked.unwrap_or_else(|| self.pause(attempt)).min(LONGEST_PAUSE);
            if attempt == ATTEMPTS || started.elapsed() + pause >= DEADLINE {
                return outcome.map_err(|error| self.explain(error));
            }
            bar.suspend(|| report::note(&format!("{why}; trying again")));
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn once(&self, method: Method, url: Url, body: Vec<u8>, left: Duration) -> Result<Answer, Broken> {
        let request = self.http.request(method, url).headers(self.headers.clone()).body(body).timeout(left);
        let response = request.send().await.map_err(|error| {
            let why = reason(&error);
            if error.is_connect() { Broken::Connect(why) } else { Broken::Later(why) }
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: whole(response).await.map_err(Broken::Later)? })
    }

    /// The `attempt`th pause: between half and all of a bound that doubles each time.
    fn pause(&self, attempt: u32) -> Duration {
        self.spread(FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))))
    }

    /// A random time between half of this and all of it, so that not all ask at once.
    pub(crate) fn spread(&self, longest: Duration) -> Duration {
        let half = longest / 2;
        half + self.ambient.part_of(half)
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn explain(&self, broken: Broken) -> Failure {
        let text = match broken {
            Broken::Connect(why) => {
                format!(
                    "{} cannot be reached: {why}; is the server running there, or is --url wrong?",
                    self.base
                )
            }
            Broken::Later(why) => {
                format!("{} gave no answer: {why}; it may have done what was asked all the same", self.base)
            }
        };
        Failure::Other(anyhow::anyhow!(text))
    }

    fn read(&self, answer: &Answer) -> Result<Value, Failure> {
        if answer.status.is_redirection() {
            let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
            let text = format!("{} redirects to {to}: give the address it leads to as --url", self.base);
            return Err(Failure::Other(anyhow::anyhow!(text)));
        }
        let body = serde_json::from_slice::<Value>(&answer.body).ok();
        let (status, retry_after) = (Some(answer.status.as_u16()), retry_after(&answer.headers));
        match body {
            Some(body) if answer.status.is_success() => Ok(body),
            Some(body) if body.get("code").is_some() => {
                let problem = server_problem::read(&body);
                Err(Problem { status, retry_after, ..problem }.into())
            }
            _ => {
                let detail = format!(
                    "{} answered {} without the JSON of a Jackfield server: is --url right?",
                    self.base, answer.status
                );
                Err(Problem { detail, status, retry_after, ..Problem::default() }.into())
            }
        }
    }
}

fn headers(args: &ServerArgs, token: Option<&SecretString>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let wrong = |what: &str| Failure::Usage(format!("the {what} has characters that cannot be sent"));
    if let Some(token) = token {
        let text = format!("Bearer {}", token.expose_secret().trim());
        let mut value = HeaderValue::from_str(&text).map_err(|_| wrong("token"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Some(tenant) = &args.tenant {
        let value = HeaderValue::from_str(tenant.as_str()).map_err(|_| wrong("tenant"))?;
        headers.insert("x-tenant-id", value);
    }
    Ok(headers)
}

/// The seconds of `Retry-After` (RFC 9110, section 10.2.3); a date there is not honoured.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

async fn whole(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err("the answer is longer than a Jackfield server's".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause, which is the one that says something: `connection refused`, say.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut inner = error.source();
    while let Some(next) = inner.and_then(std::error::Error::source) {
        inner = Some(next);
    }
    inner.map_or_else(|| "the connection broke".to_owned(), ToString::to_string)
}

/// Drawn on a terminal alone.
fn spinner(doing: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(report::clean(doing));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(url: &str, token: Option<&str>, insecure: bool) -> ServerArgs {
        ServerArgs { url: url.parse().unwrap(), token: token.map(Into::into), tenant: None, insecure }
    }

    #[test]
    fn a_token_leaves_the_machine_by_tls_alone() {
        for (url, refused) in [
            ("http://127.0.0.1:4000", false),
            ("https://plugins.example.com", false),
            ("http://plugins.example.com", true),
        ] {
            let client = Client::new(&args(url, Some("jf_secret"), false));
            assert_eq!(matches!(client, Err(Failure::Usage(_))), refused, "{url}");
            assert!(Client::new(&args(url, None, false)).is_ok(), "{url} without a token");
            assert!(Client::new(&args(url, Some(" "), false)).is_ok(), "{url} with an empty one");
            assert!(Client::new(&args(url, Some("jf_secret"), true)).is_ok(), "{url} where it is wanted");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let args = args("https://a.example", Some("jf_secret"), false);
        let shown = format!("{args:?} {:?}", Client::new(&args).unwrap());
        assert!(!shown.contains("jf_secret"), "{shown}");
    }

    #[test]
    fn paths_are_put_after_the_base_and_escaped() {
        for (base, full) in [
            ("https://a.example", "https://a.example/plugins/a%2F..%2Fb"),
            ("https://a.example/jackfield/", "https://a.example/jackfield/plugins/a%2F..%2Fb"),
        ] {
            let client = Client::new(&args(base, None, false)).unwrap();
            assert_eq!(client.address(&["plugins", "a/../b"]).as_str(), full);
        }
    }

    #[test]
    fn pauses_grow_and_differ() {
        let client = Client::new(&args("https://a.example", None, false)).unwrap();
        for attempt in 1..ATTEMPTS {
            let bound = FIRST_PAUSE * 2_u32.pow(attempt - 1);
            let pauses: Vec<Duration> = (0..50).map(|_| client.pause(attempt)).collect();
            assert!(pauses.iter().all(|pause| *pause >= bound / 2 && *pause <= bound), "{attempt}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{attempt}");
        }
    }
}
