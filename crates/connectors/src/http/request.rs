//! A request that a connector builds.

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Serialize;
use url::Url;

use super::api::Api;
use super::payload::{Part, Payload, Unsendable};
use super::words;
use crate::Error;

/// A request to a vendor. What is wrong with it is told when it is sent.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request<'a> {
    pub(super) api: Api<'a>,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    pub(super) is_repeatable: bool,
    pub(super) expects_json: bool,
    pub(super) attempt_timeout: Duration,
    pub(super) max_bytes: usize,
    pub(super) about: Option<(&'static str, String)>,
    pub(super) budget: &'static str,
    pub(super) spares_token: bool,
    pub(super) wrong: Option<Error>,
}

impl<'a> Request<'a> {
    pub(super) fn new(api: Api<'a>, method: Method, url: Result<Url, Error>) -> Self {
        let settings = api.upstream.http.settings();
        let (attempt_timeout, max_bytes) = (settings.attempt_timeout, settings.max_answer_bytes);
        // RFC 9110, section 9.2.2.
        let is_repeatable = method.is_idempotent();
        let (url, wrong) = match url {
            Ok(url) => (url, None),
            Err(error) => (api.root().clone(), Some(error)),
        };
        Self {
            api,
            method,
            url,
            headers: HeaderMap::new(),
            payload: Payload::None,
            is_repeatable,
            expects_json: false,
            attempt_timeout,
            max_bytes,
            about: None,
            budget: "",
            spares_token: false,
            wrong,
        }
    }

    /// Adds a parameter to the query.
    pub fn query(mut self, name: &str, value: impl Display) -> Self {
        self.url.query_pairs_mut().append_pair(name, &value.to_string());
        self
    }

    /// Adds a parameter where there is a value.
    pub fn query_opt(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a parameter once for each value.
    pub fn query_each<V: Display>(self, name: &str, values: impl IntoIterator<Item = V>) -> Self {
        values.into_iter().fold(self, |request, value| request.query(name, value))
    }

    /// Carries JSON.
    pub fn body(self, value: &impl Serialize) -> Self {
        let payload = Payload::json(value);
        self.with(payload)
    }

    /// Carries a form, urlencoded.
    pub fn form(mut self, fields: &[(&'static str, String)]) -> Self {
        self.payload = Payload::pairs(fields);
        self
    }

    /// Carries bytes of this media type.
    pub fn bytes(self, content_type: &str, bytes: impl Into<Bytes>) -> Self {
        let payload = Payload::bytes(content_type, bytes.into());
        self.with(payload)
    }

    /// Carries a form of parts (`multipart/form-data`).
    pub fn multipart(self, parts: Vec<Part>) -> Self {
        let payload = Payload::form(parts);
        self.with(payload)
    }

    /// Carries parts of which the first describes the others (`multipart/related`), as Google's uploads.
    pub fn related(self, parts: &[Part]) -> Self {
        let payload = Payload::related(parts, self.api.upstream.http.ambient());
        self.with(payload)
    }

    /// Adds a header: `If-Match`, say. The token, host and length are not the connector's to set.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(name, value);
            }
            Err(_) => self.refuse(Unsendable("a version or header must be one line of plain characters")),
        }
        self
    }

    /// Carries these headers and these bytes, whatever they are: a caller's own, of which the headers are those that may
    /// be passed on.
    pub fn passed(mut self, headers: HeaderMap, bytes: Bytes) -> Self {
        self.headers.extend(headers);
        if !bytes.is_empty() {
            self.payload = Payload::Raw(bytes);
        }
        self
    }

    /// Where it goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Says that sending it twice does no more than sending it once, though its method does not say so.
    pub fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// Says that sending it twice is not the same as once, though its method says so: where it carries the version that
    /// it changes, the second would meet a conflict with the first.
    pub fn once(mut self) -> Self {
        self.is_repeatable = false;
        self
    }

    /// Sends the key by which the vendor recognises what it has done already, and so may be sent twice.
    pub fn idempotency_key(self, name: HeaderName, key: &str) -> Self {
        self.header(name, key).repeatable()
    }

    /// What it is about, for the error where the vendor has no such thing: `message`, and the id that the caller gave.
    pub fn about(mut self, what: &'static str, id: &str) -> Self {
        self.about = Some((what, words::shown_id(id)));
        self
    }

    /// Under which of the vendor's limits it falls, where the vendor has one for each of its methods, as Slack: what is
    /// learned of one limit stops no call under another.
    pub fn budget(mut self, name: &'static str) -> Self {
        self.budget = name;
        self
    }

    /// Says that where the token is refused, that may be for what is called: it is told, and nothing is done about the token.
    /// For a caller's own requests with a token that cannot be renewed, which would be taken for dead.
    pub fn sparing_token(mut self) -> Self {
        self.spares_token = true;
        self
    }

    /// How long one attempt may take: for what the vendor needs longer for. It ends with the operation all the same.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// The most bytes of the answer that are read.
    pub fn max_bytes(mut self, most: usize) -> Self {
        self.max_bytes = most;
        self
    }

    fn with(mut self, payload: Result<Payload, Unsendable>) -> Self {
        match payload {
            Ok(payload) => self.payload = payload,
            Err(unsendable) => self.refuse(unsendable),
        }
        self
    }

    fn refuse(&mut self, Unsendable(sentence): Unsendable) {
        self.wrong.get_or_insert(Error::invalid("", sentence));
    }
}
