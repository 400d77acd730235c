//! One call of the platform's server: who asks, for how long, and how often.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connections::vault::AccessToken;
use futures::FutureExt as _;
use http::uri::PathAndQuery;
use model::{Ambient, Coded as _, ErrorCode};
use prost::Message;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use super::client::Store;
use super::codec::Undecoded;
use super::proto::ResultResponse;
use super::status::{Question, Trouble, not_found, refused, says_not_found, upstream};
use crate::Error;

/// How long the platform has for an answer, repetitions included. A call with a renewed token has it anew.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often a call is made, as long as the platform is not available.
const ATTEMPTS: u32 = 3;
/// The longest wait before the second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(200);

impl Question<'_> {
    fn method(self) -> &'static str {
        match self {
            Self::Customer(_) => "GetCustomerByID",
            Self::Listing { .. } => "GetCustomerListing",
        }
    }

    fn path(self) -> PathAndQuery {
        PathAndQuery::from_static(match self {
            Self::Customer(_) => "/lexmodo.v1.customers.Customers/GetCustomerByID",
            Self::Listing { .. } => "/lexmodo.v1.customers.Customers/GetCustomerListing",
        })
    }
}

/// What the platform answered.
pub(super) struct Answer {
    /// As far as this program knows it.
    pub(super) result: ResultResponse,
    /// As it came.
    pub(super) bytes: Bytes,
}

/// Makes calls.
#[derive(Clone)]
pub(super) struct Caller {
    grpc: Grpc<Channel>,
    /// Where the server is, for the log.
    address: Arc<str>,
    ambient: Ambient,
}

impl Caller {
    pub(super) fn new(channel: Channel, max_message_bytes: usize, address: &str, ambient: Ambient) -> Self {
        let grpc = Grpc::new(channel).max_decoding_message_size(max_message_bytes);
        Self { grpc, address: address.into(), ambient }
    }

    /// Asks `question` with `message`, on behalf of `store`.
    pub(super) async fn call<M>(
        &self,
        store: &Store,
        question: Question<'_>,
        message: M,
    ) -> Result<Answer, Error>
    where
        M: Message + Clone + 'static,
    {
        let method = question.method();
        let span = tracing::debug_span!(
            "lexmodo call",
            method,
            store = store.id,
            grpc.status = Empty,
            attempts = Empty
        );
        let began = Instant::now();
        let answer = self.ask(store, question, message).instrument(span).await;
        let outcome = answer.as_ref().err().map_or("ok", |error| error.code().as_str());
        metrics::counter!("jackfield_lexmodo_calls_total", "method" => method, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("jackfield_lexmodo_call_duration_seconds").record(began.elapsed().as_secs_f64());
        answer
    }

    async fn ask<M>(&self, store: &Store, question: Question<'_>, message: M) -> Result<Answer, Error>
    where
        M: Message + Clone + 'static,
    {
        let mut token = store.credential.token().await?;
        let mut answer = self.attempts(store.id, question, &message, &token).await?;
        if answer.as_ref().is_err_and(Trouble::is_unauthenticated) {
            token = store.credential.rejected(token.version).await?;
            answer = self.attempts(store.id, question, &message, &token).await?;
        }
        let secret = token.secret.expose_secret();
        let bytes = answer.map_err(|trouble| {
            self.log(store.id, question, &trouble);
            trouble.into_error(question, secret)
        })?;
        let result = ResultResponse::decode(bytes.clone()).map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the platform's answer cannot be decoded"
            );
            upstream(ErrorCode::UpstreamUnavailable, "the platform's answer cannot be decoded")
        })?;
        if result.failure {
            let refusal = if says_not_found(&result.code) { not_found } else { refused };
            return Err(refusal(&result.message, question, secret));
        }
        Ok(Answer { result, bytes })
    }

    /// Calls until there is an answer, or a trouble that does not pass, or no time.
    async fn attempts<M>(
        &self,
        store: u64,
        question: Question<'_>,
        message: &M,
        token: &AccessToken,
    ) -> Result<Result<Bytes, Trouble>, Error>
    where
        M: Message + Clone + 'static,
    {
        let authorization = authorization(token)?;
        let deadline = Instant::now() + DEADLINE;
        let mut attempt = 1;
        loop {
            let mut request = Request::new(message.clone());
            request.metadata_mut().insert("authorization", authorization.clone());
            request.metadata_mut().insert("x-client-id", store.into());
            let answer = self.attempt(request, question, deadline).await;
            let span = tracing::Span::current();
            span.record("attempts", attempt);
            span.record("grpc.status", display(answer.as_ref().err().map_or(Code::Ok, Trouble::code) as i32));
            let wait = wait(attempt, &self.ambient);
            if !answer.as_ref().is_err_and(Trouble::is_passing)
                || attempt == ATTEMPTS
                || Instant::now() + wait >= deadline
            {
                return Ok(answer);
            }
            tracing::debug!("the platform is not available: the call is made again");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt<M>(
        &self,
        mut request: Request<M>,
        question: Question<'_>,
        deadline: Instant,
    ) -> Result<Bytes, Trouble>
    where
        M: Message + 'static,
    {
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        let mut grpc = self.grpc.clone();
        let call = async {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            grpc.unary(request, question.path(), Undecoded::new()).await
        };
        // tonic panics at a grpc-status-details-bin that is no base64.
        let call = AssertUnwindSafe(call).catch_unwind();
        match tokio::time::timeout_at(deadline, call).await {
            Ok(Ok(answer)) => Ok(answer?.into_inner()),
            Ok(Err(_)) => Err(Trouble::Status(Status::internal("the answer's trailers cannot be read"))),
            Err(_) => Err(Trouble::Timeout),
        }
    }

    fn log(&self, store: u64, question: Question<'_>, trouble: &Trouble) {
        let method = question.method();
        match trouble {
            Trouble::Connection { cause, report } => tracing::warn!(
                method,
                store,
                address = &*self.address,
                cause = ?cause,
                error = report,
                "the platform's server at LEXMODO_GRPC_ADDRESS cannot be reached"
            ),
            Trouble::TooLarge => {
                tracing::warn!(
                    method,
                    store,
                    "the platform's answer is longer than LEXMODO_MAX_MESSAGE_SIZE allows"
                );
            }
            Trouble::Timeout => tracing::warn!(method, store, "the platform did not answer in time"),
            Trouble::Status(status) => {
                let code = status.code() as i32;
                tracing::debug!(method, store, grpc.status = code, "the platform refused a call");
            }
        }
    }
}

/// How long to wait after `attempt`, from 1: between the half and the whole of a time that doubles with each.
fn wait(attempt: u32, ambient: &Ambient) -> Duration {
    let half = FIRST_WAIT.saturating_mul(1 << (attempt - 1)) / 2;
    half + ambient.part_of(half)
}

fn authorization(token: &AccessToken) -> Result<MetadataValue<Ascii>, Error> {
    let value = MetadataValue::try_from(format!("Bearer {}", token.secret.expose_secret()));
    let mut value = value.map_err(|_| {
        let detail = "the store's token holds what no header can carry: the store must be connected again";
        upstream(ErrorCode::ReauthorizationRequired, detail)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(secret: &str) -> AccessToken {
        AccessToken { secret: secret.to_owned().into(), expires_at: None, scopes: Vec::new(), version: 1 }
    }

    #[test]
    fn the_token_is_sent_and_never_shown() {
        let value = authorization(&token("hidden")).unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer hidden");
        assert!(value.is_sensitive() && !format!("{value:?}").contains("hidden"));
        assert!(authorization(&token("two\nlines")).is_err());
    }

    #[test]
    fn waits_double_and_differ() {
        let waits = |attempt| (0..100).map(move |_| wait(attempt, &Ambient::system()).as_millis());
        assert!(waits(1).all(|wait| (100..=200).contains(&wait)));
        assert!(waits(2).all(|wait| (200..=400).contains(&wait)));
        assert!(waits(1).collect::<std::collections::HashSet<_>>().len() > 10);
    }
}
