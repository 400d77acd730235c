//! What a component may ask of the world beyond what WASI computes.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};

use crate::Level;

/// What becomes of [`ComponentHost::send`].
pub type SendFuture = BoxFuture<'static, Result<Response<Bytes>, RequestError>>;

/// Why a component's request has no answer. The component is told as much of it as `wasi:http` has words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// It is none that this plugin may make.
    Denied,
    /// The other server took too long.
    TimedOut,
    /// The other server cannot be reached, or broke off.
    Unreachable,
    /// The answer is larger than what is read.
    AnswerTooLarge,
    /// The host failed.
    Failed,
}

/// What a component may do for one request beside computing. Every permission is enforced by it.
pub trait ComponentHost: Send + Sync + 'static {
    /// Sends a request to another server, and gives up after `timeout` if there is one. Why a request is refused is for the host
    /// to tell the plugin's author, by the log.
    fn send(&self, request: Request<Bytes>, timeout: Option<Duration>) -> SendFuture;

    /// Takes a line of the log. Must not block.
    fn log(&self, level: Level, message: String);
}
