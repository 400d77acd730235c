//! One request, answered by an instance of its own.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::future::try_join;
use http::{Request, Response, uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use wasmtime::{Store, Trap};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use super::ComponentHost;
use super::state::State;
use crate::bounds;
use crate::footprint::Footprint;
use crate::meter::Meter;
use crate::{Error, Limits};

/// What is told of a component's own words, in characters.
const TOLD: usize = 300;

/// A request, and for whom it is answered.
pub(crate) struct Call {
    /// The request. Its URI has an authority.
    pub(crate) request: Request<Bytes>,
    pub(crate) host: Arc<dyn ComponentHost>,
    /// Where the host's operations run.
    pub(crate) runtime: Handle,
    pub(crate) limits: Arc<Limits>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) footprint: Footprint,
}

/// Has a fresh instance answer, to the end: it has returned, and its answer is whole.
pub(crate) async fn serve(made: ProxyPre<State>, call: Call) -> Result<Response<Bytes>, Error> {
    let Call { request, host, runtime, limits, meter, footprint } = call;
    let state = State::new(&host, runtime, &limits, (meter, footprint));
    let mut store = bounds::store(made.engine(), state);
    let (sender, receiver) = oneshot::channel();
    let run = async {
        let done = handle(&made, &mut store, request, sender).await;
        store.data().end();
        let done = done.map_err(|error| fault(&error, store.data(), &limits));
        // Whatever of the answer the component still holds ends with it.
        drop(store);
        done
    };
    let ((), answer) = try_join(run, answer(receiver, limits.output)).await?;
    Ok(answer)
}

type Sender = oneshot::Sender<Result<Response<HyperOutgoingBody>, ErrorCode>>;

async fn handle(
    made: &ProxyPre<State>,
    store: &mut Store<State>,
    request: Request<Bytes>,
    sender: Sender,
) -> wasmtime::Result<()> {
    use wasmtime_wasi_http::WasiHttpView as _;

    let is_plain = request.uri().scheme() == Some(&uri::Scheme::HTTP);
    let scheme = if is_plain { Scheme::Http } else { Scheme::Https };
    let request = store.data_mut().http().new_incoming_request(scheme, request.map(Full::new))?;
    let answer = store.data_mut().http().new_response_outparam(sender)?;
    let proxy = made.instantiate_async(&mut *store).await?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, answer).await
}

type Receiver = oneshot::Receiver<Result<Response<HyperOutgoingBody>, ErrorCode>>;

/// The answer, once it is whole.
async fn answer(receiver: Receiver, most: usize) -> Result<Response<Bytes>, Error> {
    let answer = receiver.await.map_err(|_| {
        Error::Answer("the component returned without one: set its response-outparam".to_owned())
    })?;
    let answer = answer.map_err(|code| {
        let code: String = format!("{code:?}").chars().filter(|char| !char.is_control()).take(TOLD).collect();
        Error::Answer(format!("the component gave the error {code} in its place"))
    })?;
    let (parts, body) = answer.into_parts();
    let size = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    Ok(Response::from_parts(parts, collected(body, most, size).await?))
}

/// The bytes of a body which, with `size` bytes around it, has at most `most`.
async fn collected<B>(mut body: B, most: usize, mut size: usize) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Error::Answer(
                "its body is not as long as its Content-Length says, or was not finished".to_owned(),
            )
        })?;
        if let Ok(piece) = frame.into_data() {
            size = size.saturating_add(piece.len());
            if size > most {
                return Err(Error::OutputTooLarge(most));
            }
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(bytes.freeze())
}

/// Why the engine stopped it.
fn fault(error: &wasmtime::Error, state: &State, limits: &Limits) -> Error {
    if let Some(met) = bounds::met(error, state, limits) {
        return met;
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Error::Trapped(trap.to_string());
    }
    if error.is::<I32Exit>() {
        return Error::Trapped("it has ended itself: return from the handler".to_owned());
    }
    tracing::debug!(error = format!("{error:#}"), "a component was stopped by an interface of the host");
    Error::BrokeOff("it used an interface of the host in a way that is not meant, or held too much of it")
}
