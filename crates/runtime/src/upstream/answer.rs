//! What a plugin's server answers, on its way to the caller.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use outbound::cause::{chain, report};
use registry::Deployment;
use tracing::Span;

use super::Error;
use super::gate::Entry;
use super::headers::tokens;
use super::metered::{Bounds, Break, Metered};

/// The body of an answer. What is wrong with it ends it with an error, upon which the connection to the caller is to be cut, so
/// that nobody takes it for whole; the log says why.
#[derive(Debug)]
pub struct Answer(Option<Passing>);

#[derive(Debug)]
struct Passing {
    body: Metered<Incoming>,
    /// Whether it answers a HEAD: what does not follow has a length that is not told here.
    is_head: bool,
    deployment: Arc<Deployment>,
    span: Span,
    /// The request is under way for as long as its answer is.
    _entry: Entry,
}

impl Answer {
    pub(super) fn new(
        (body, is_head): (Incoming, bool),
        bounds: Bounds,
        deployment: Arc<Deployment>,
        entry: Entry,
    ) -> Self {
        let body = Metered::new(body, bounds);
        Self(Some(Passing { body, is_head, deployment, span: Span::current(), _entry: entry }))
    }

    pub(super) fn nothing() -> Self {
        Self(None)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Break;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        let Some(passing) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut passing.body).poll_frame(cx));
        if let Some(Err(error)) = &frame {
            let (tenant, plugin) = (passing.deployment.tenant.as_str(), passing.deployment.plugin.as_str());
            passing.span.in_scope(|| {
                let cause = error.source().map(ToString::to_string);
                tracing::warn!(tenant, plugin.id = plugin, %error, cause, "the answer of a plugin's server was broken off");
            });
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|passing| passing.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Some(passing) if passing.is_head => SizeHint::default(),
            Some(passing) => passing.body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

/// Refuses an answer that others could read as being longer or shorter than it is read here.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Error> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    let is_number = |value: &http::HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths.next().is_some() || !length.is_none_or(is_number) {
        return Err(Error::Answer("must tell its answer's length once"));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        if length.is_some() {
            return Err(Error::Answer("must not tell its answer's length beside Transfer-Encoding"));
        }
        let mut codings = tokens(headers, &header::TRANSFER_ENCODING);
        let is_chunked = codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        if !is_chunked || codings.next().is_some() {
            return Err(Error::Answer("must answer with no other Transfer-Encoding than chunked"));
        }
    }
    Ok(())
}

/// What an error of the client's means. The operator is told more, in the log.
pub(super) fn meant_by(error: &legacy::Error) -> Error {
    tracing::info!(cause = report(error), "a plugin's server gave no answer");
    if let Some(outbound::Error::NotPublic(_)) = outbound::Error::found_in(error) {
        return Error::Refused;
    }
    if error.is_connect() {
        return Error::Unreachable;
    }
    let hyper = chain(error).find_map(|cause| cause.downcast_ref::<hyper::Error>());
    Error::Answer(match hyper {
        Some(error) if error.is_parse() => "has answered with what is no HTTP/1.1",
        Some(error) if error.is_incomplete_message() => "has closed the connection without an answer",
        _ => "broke off before it answered",
    })
}
