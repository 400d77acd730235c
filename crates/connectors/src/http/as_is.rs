//! Answers that are passed on as they are, refusals too.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use model::ErrorCode;
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::answer::is_json;
use super::call::{MAX_REFUSAL, Reading, Received};
use super::download::{Download, Rest};
use super::gate::Permit;
use super::request::Request;
use super::trouble::Failure;
use crate::Error;

impl Request<'_> {
    /// Sends it, and gives whatever the vendor answers: its refusals and redirects are answers as well. It is repeated as
    /// every request is, and the last refusal given. No redirect is followed.
    ///
    /// # Errors
    /// Where there is no answer, or nothing was sent; and where the token is refused, a renewed one too: that is for the
    /// connection's user, and no matter of the caller's own credential.
    pub async fn pass_on(mut self) -> Result<Download, Error> {
        let vendor = self.api.upstream.vendor;
        let patience = self.attempt_timeout;
        let Received { status, headers, body, rest } = self.receive(Reading::AsIs).await?;
        let nothing = Rest { read: body, response: None, is_broken: false, permit: None, vendor, patience };
        let rest = rest.unwrap_or(nothing);
        Ok(Download { status, headers, rest })
    }

    /// Sends `request` by the client that is for it.
    pub(super) async fn execute(
        &self,
        request: reqwest::Request,
        reading: Reading,
    ) -> Result<Response, Failure> {
        if self.api.upstream.is_guarded {
            return self.api.upstream.http.guarded().execute(request).await.map_err(Failure::guarded);
        }
        self.client(reading).execute(request).await.map_err(|error| Failure::of_client(&error))
    }

    fn client(&self, reading: Reading) -> &Client {
        let upstream = self.api.upstream;
        if reading == Reading::AsIs { upstream.http.client_as_is(self.api.base()) } else { &upstream.client }
    }

    /// As much of an answer as tells whether it is a refusal, with the rest of it unread.
    pub(super) async fn peeked(
        &self,
        (status, headers): (StatusCode, HeaderMap),
        response: Response,
        permit: Permit,
        limit: Instant,
    ) -> Result<Received, Failure> {
        let upstream = self.api.upstream;
        let may_refuse = if status.is_success() {
            upstream.vendor.refuses_with_200 && is_json(&headers)
        } else {
            !status.is_redirection()
        };
        let mut rest = Rest {
            read: Bytes::new(),
            response: Some(response),
            is_broken: false,
            permit: Some(permit),
            vendor: upstream.vendor,
            patience: self.attempt_timeout,
        };
        let json = if may_refuse { rest.peek(limit).await } else { Value::Null };
        let refusal = (status, &headers, &json);
        let failure =
            may_refuse.then(|| Failure::of_answer(upstream.vendor, refusal, upstream.http.ambient()));
        let received = Received { status, headers, body: Bytes::new(), rest: Some(rest) };
        match failure.flatten() {
            Some(Failure::Refused { trouble, status, wait, .. }) => {
                Err(Failure::Refused { trouble, status, wait, answer: Some(Box::new(received)) })
            }
            Some(failure) => Err(failure),
            None => Ok(received),
        }
    }
}

impl Rest {
    /// The JSON that it begins with and ends with, if that is short and comes in time: no more than a refusal has. What was
    /// read of it is given with the rest all the same.
    async fn peek(&mut self, limit: Instant) -> Value {
        let mut read = BytesMut::new();
        let mut is_whole = false;
        if let Some(response) = self.response.as_mut() {
            while read.len() < MAX_REFUSAL {
                match timeout_at(limit, response.chunk()).await {
                    Ok(Ok(Some(piece))) => read.extend_from_slice(&piece),
                    Ok(Ok(None)) => {
                        is_whole = true;
                        break;
                    }
                    // Who reads on will meet it.
                    Ok(Err(_)) => {
                        self.is_broken = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
        self.read = read.freeze();
        if is_whole {
            self.response = None;
            drop(self.permit.take());
        }
        if is_whole { serde_json::from_slice(&self.read).unwrap_or(Value::Null) } else { Value::Null }
    }
}

/// The code that an answer of this status would bring, were it not passed on; `None` for one that is good.
pub(crate) fn code_of(status: StatusCode) -> Option<ErrorCode> {
    match status.as_u16() {
        ..400 => None,
        404 | 410 => Some(ErrorCode::NotFound),
        409 | 412 => Some(ErrorCode::Conflict),
        429 => Some(ErrorCode::UpstreamRateLimited),
        408 | 425 | 500.. => Some(ErrorCode::UpstreamUnavailable),
        _ => Some(ErrorCode::UpstreamRejected),
    }
}
