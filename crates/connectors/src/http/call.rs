//! Sending a request: the attempts, and what each is preceded and followed by.

use std::time::Duration;

use bytes::Bytes;
use connections::vault::{self, AccessToken};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use model::Coded as _;
use reqwest::Response;
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::answer::{Answer, is_json};
use super::as_is::code_of;
use super::circuit::Failed;
use super::download::{Download, Rest};
use super::gate::Permit;
use super::line::LineKey;
use super::request::Request;
use super::trouble::{Circumstances, Failure};
use super::vendor::Trouble;
use super::wait;
use crate::Error;

/// How often a request is sent at most, not counting one with a renewed token.
const ATTEMPTS: u32 = 3;

/// The longest wait before the second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(300);

/// The most bytes of a refusal that are read.
pub(super) const MAX_REFUSAL: usize = 64 * 1024;

/// What an attempt came to.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// What was left unread, where that was wanted.
    pub(super) rest: Option<Rest>,
}

/// How much of the answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Whole,
    HeadersOnly,
    /// No more than tells whether it is a refusal, and refusals are answers like others.
    AsIs,
}

impl Request<'_> {
    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// Those of [`Trouble`]; [`Error::Token`] where there is no token; what was wrong with the request.
    pub async fn send(mut self) -> Result<Answer, Error> {
        let vendor = self.api.upstream.vendor;
        let Received { status, headers, body, .. } = self.receive(Reading::Whole).await?;
        Ok(Answer { status, headers, body, vendor })
    }

    /// Sends it and reads the JSON of the answer.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`Error::Upstream`] for what is no JSON or not what the vendor documents.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        self.answer().await?.json()
    }

    /// Sends it and reads the whole answer, which is to be JSON.
    pub(crate) async fn answer(mut self) -> Result<Answer, Error> {
        self.expects_json = true;
        self.send().await
    }

    /// Sends it and reads the JSON of the answer, whatever is in it.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub async fn value(self) -> Result<Value, Error> {
        self.json().await
    }

    /// Sends it; the answer says nothing that matters.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn done(self) -> Result<(), Error> {
        self.send().await.map(drop)
    }

    /// Sends it and leaves the reading of the answer to the caller.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn download(mut self) -> Result<Download, Error> {
        let vendor = self.api.upstream.vendor;
        let Received { status, headers, rest, .. } = self.receive(Reading::HeadersOnly).await?;
        let rest = rest.ok_or_else(|| super::trouble::malformed(vendor, "it sent nothing to download"))?;
        Ok(Download { status, headers, rest })
    }

    pub(super) async fn receive(&mut self, reading: Reading) -> Result<Received, Error> {
        if let Some(error) = self.wrong.take() {
            return Err(error);
        }
        let upstream = self.api.upstream;
        let vendor = upstream.vendor.id;
        let span = tracing::debug_span!(
            "upstream call",
            vendor,
            host = &*upstream.host.name,
            method = %self.method,
            http.status = Empty,
            attempts = Empty,
        );
        let began = std::time::Instant::now();
        let received = self.attempts(reading).instrument(span).await;
        let code = match &received {
            Ok(received) => code_of(received.status),
            Err(error) => Some(error.code()),
        };
        let outcome = code.map_or("ok", model::ErrorCode::as_str);
        metrics::counter!("jackfield_upstream_calls_total", "vendor" => vendor, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("jackfield_upstream_call_duration_seconds", "vendor" => vendor)
            .record(began.elapsed().as_secs_f64());
        received
    }

    /// Sends it until there is an answer, or a trouble that does not pass, or no time.
    async fn attempts(&self, reading: Reading) -> Result<Received, Error> {
        let credential = &self.api.context.credential;
        let mut token = self.token(credential.token()).await?;
        let (mut attempt, mut is_renewed, mut was_perhaps_done) = (1, false, false);
        loop {
            let failure = match self.attempt(&token, reading, attempt).await {
                Ok(received) => return Ok(received),
                Err(failure) => failure,
            };
            if was_perhaps_done && self.method == Method::DELETE && failure.is_not_found() {
                return Ok(Received::nothing_there());
            }
            if failure.is_token_refused() && !is_renewed && !self.spares_token {
                is_renewed = true;
                drop(failure);
                token = self.token(credential.rejected(token.version)).await?;
                continue;
            }
            let Some(wait) = self.wait(&failure, attempt) else {
                return failure
                    .into_answer()
                    .map_err(|failure| failure.into_error(self.circumstances(&token)));
            };
            was_perhaps_done |= failure.may_have_been_done();
            // Its answer counts as a call under way.
            drop(failure);
            tracing::debug!(attempt, "a call is made again");
            metrics::counter!("jackfield_upstream_repeats_total", "vendor" => self.api.upstream.vendor.id)
                .increment(1);
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// The token, within the time that there is.
    async fn token<T>(&self, token: impl Future<Output = Result<T, vault::Error>>) -> Result<T, Error> {
        let Ok(token) = timeout_at(self.api.deadline, token).await else {
            let detail = "its token could not be renewed in time";
            return Err(super::trouble::upstream(
                self.api.upstream.vendor,
                model::ErrorCode::UpstreamTimeout,
                detail,
            ));
        };
        token.map_err(|error| {
            let reconnect = self.api.context.reconnect(&[]);
            Error::Token { reconnect, error }
        })
    }

    /// How long to wait before it is sent again, if it may be and there is time: what the vendor says, or between the half
    /// and the whole of a time that doubles with each attempt.
    fn wait(&self, failure: &Failure, attempt: u32) -> Option<Duration> {
        if attempt >= ATTEMPTS || !failure.may_be_repeated(self.is_repeatable) {
            return None;
        }
        let half = FIRST_WAIT.saturating_mul(1 << (attempt - 1)) / 2;
        let wait = half + self.api.upstream.http.ambient().part_of(half);
        let wait = failure.told_wait().map_or(wait, |told| told.max(wait));
        (Instant::now() + wait < self.api.deadline).then_some(wait)
    }

    fn circumstances<'a>(&'a self, token: &'a AccessToken) -> Circumstances<'a> {
        Circumstances {
            vendor: self.api.upstream.vendor,
            context: self.api.context,
            about: self.about.as_ref(),
            is_repeatable: self.is_repeatable,
            token: token.secret.expose_secret(),
        }
    }

    /// Sends it once, if it may be sent now, and notes what that says of vendor and connection.
    async fn attempt(
        &self,
        token: &AccessToken,
        reading: Reading,
        attempt: u32,
    ) -> Result<Received, Failure> {
        let (upstream, context) = (self.api.upstream, self.api.context);
        let (host, ambient) = (&upstream.host, upstream.http.ambient());
        let line = upstream.http.line(LineKey {
            host: host.name.clone(),
            connection: context.connection.id.clone(),
            budget: self.budget,
        });
        // Who has waited already has waited for the end of this pause.
        let is_paused = |now| if attempt == 1 { line.pause(now) } else { None };
        if let Some(wait) = is_paused(ambient.now()) {
            return Err(Failure::Spent(wait));
        }
        let gate = if reading == Reading::Whole { &host.gate } else { &host.readers };
        let turn = gate.enter(&context.tenant, &context.connection.id);
        let permit = timeout_at(self.api.deadline, turn).await.map_err(|_| Failure::Busy)?;
        let permit = permit.map_err(|_| Failure::Busy)?;
        let request = self.prepared(token)?;
        let now = ambient.now();
        if let Some(wait) = is_paused(now) {
            return Err(Failure::Spent(wait));
        }
        let passes = [
            line.circuit.admit(now).map_err(Failure::Resting)?,
            host.circuit.admit(now).map_err(Failure::Resting)?,
        ];
        let mut result = self.exchange(request, reading, permit).await;
        let span = tracing::Span::current();
        span.record("attempts", attempt);
        match result.as_ref().err().and_then(|failure| failure.is_vendors(self.attempt_timeout)) {
            Some(is_unreachable) => {
                let failed = Failed { tenant: &context.tenant, is_unreachable };
                for pass in passes {
                    pass.bad(failed, ambient.now());
                }
            }
            // An answer that says no is one. What was cut short here says nothing of the vendor.
            None if !matches!(result, Err(Failure::TimedOut(_))) => {
                passes.into_iter().for_each(super::circuit::Pass::good);
            }
            None => {}
        }
        match &mut result {
            Ok(received) => {
                span.record("http.status", received.status.as_u16());
                line.went_through(wait::spent(&received.headers, ambient), ambient.now());
            }
            Err(Failure::Refused { trouble: Trouble::RateLimited(_), wait, status, .. }) => {
                span.record("http.status", status.as_u16());
                *wait = Some(line.refused(*wait, ambient));
            }
            Err(_) => {}
        }
        result
    }

    async fn exchange(
        &self,
        request: reqwest::Request,
        reading: Reading,
        permit: Permit,
    ) -> Result<Received, Failure> {
        let now = Instant::now();
        let time = self.attempt_timeout.min(self.api.deadline.saturating_duration_since(now));
        let limit = now + time;
        let response = timeout_at(limit, self.execute(request, reading)).await;
        let mut response = response.map_err(|_| Failure::TimedOut(time))??;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        if reading == Reading::AsIs {
            return self.peeked((status, headers), response, permit, limit).await;
        }
        let is_good = status.is_success() || status == StatusCode::NOT_MODIFIED;
        let (vendor, ambient) = (self.api.upstream.vendor, self.api.upstream.http.ambient());
        if is_good && reading == Reading::HeadersOnly {
            let (read, response, patience) = (Bytes::new(), Some(response), self.attempt_timeout);
            let (permit, is_broken) = (Some(permit), false);
            let rest = Some(Rest { read, response, is_broken, permit, vendor, patience });
            return Ok(Received { status, headers, body: Bytes::new(), rest });
        }
        let most = if is_good { self.max_bytes } else { MAX_REFUSAL };
        let body = timeout_at(limit, read(response, most)).await.unwrap_or(Err(Failure::TimedOut(time)));
        // That it was refused is known, even if the reason never comes.
        let body = if is_good { body? } else { body.unwrap_or_default() };
        drop(permit);
        if !is_good || (vendor.refuses_with_200 && is_json(&headers)) {
            let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
            if let Some(failure) = Failure::of_answer(vendor, (status, &headers, &json), ambient) {
                return Err(failure);
            }
        }
        let is_other =
            self.expects_json && headers.contains_key(http::header::CONTENT_TYPE) && !is_json(&headers);
        if is_other {
            return Err(Failure::Malformed("its answer is not the JSON that was asked for"));
        }
        Ok(Received { status, headers, body, rest: None })
    }

    fn prepared(&self, token: &AccessToken) -> Result<reqwest::Request, Failure> {
        let unusable = || Failure::Malformed("the connection's token cannot be sent in a header");
        let bearer = format!("Bearer {}", token.secret.expose_secret());
        let mut authorization = HeaderValue::from_str(&bearer).map_err(|_| unusable())?;
        authorization.set_sensitive(true);
        let upstream = self.api.upstream;
        let mut request = upstream.client.request(self.method.clone(), self.url.clone());
        for (name, value) in upstream.vendor.headers {
            request = request.header(*name, *value);
        }
        let accepts_itself = upstream.vendor.headers.iter().any(|(name, _)| *name == "accept");
        if self.expects_json && !accepts_itself {
            request = request.header(ACCEPT, "application/json");
        }
        let request =
            self.payload.put_into(request).and_then(|request| request.headers(self.headers.clone()).build());
        let mut request = request.map_err(|_| Failure::Malformed("the request cannot be sent as it is"))?;
        request.headers_mut().insert(AUTHORIZATION, authorization);
        Ok(request)
    }
}

impl Received {
    fn nothing_there() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Bytes::new(), rest: None }
    }
}

async fn read(mut response: Response, most: usize) -> Result<Bytes, Failure> {
    let told = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    // It is only what the vendor says.
    let mut body = Vec::with_capacity(told.min(most).min(MAX_REFUSAL));
    while let Some(piece) = response.chunk().await.map_err(|_| Failure::Broken)? {
        if body.len() + piece.len() > most {
            return Err(Failure::Malformed("its answer is larger than is read: ask for less at once"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}
