//! What belongs to one instance of a component: nothing of the machine, and a way out that the host guards.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use super::output::{Count, Output};
use super::{ComponentHost, RequestError};
use crate::bounds::Bounded;
use crate::footprint::{Footprint, Lender, Loan};
use crate::meter::Meter;
use crate::{Level, Limits};

/// Resources that a component may hold at once. What they are on this side is not in its own memory, so it is bounded by this,
/// the next two, and the bytes of answers.
const MOST_RESOURCES: usize = 1_024;

/// Bytes of the fields of one message, as they are in memory.
const MOST_FIELDS: usize = 64 << 10;

/// Bytes of a body that wait on this side.
const PIECE: usize = 64 << 10;

/// Random bytes in one go.
const MOST_RANDOM: u64 = 1 << 20;

/// The most bytes of a body that is sent to another server.
const MOST_SENT: usize = 1 << 20;

/// The most bytes that other servers may answer to the requests of one call.
const MOST_RECEIVED: usize = 16 << 20;

/// What belongs to one instance.
pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    outgoing: Outgoing,
    outputs: [Output; 2],
    meter: Arc<Meter>,
    footprint: Footprint,
}

impl State {
    /// For one request, whose host calls run on `runtime`.
    pub(super) fn new(
        host: &Arc<dyn ComponentHost>,
        runtime: Handle,
        limits: &Arc<Limits>,
        (meter, footprint): (Arc<Meter>, Footprint),
    ) -> Self {
        let count = Count::default();
        let output = |level| Output::new(Arc::clone(host), level, limits, &count);
        let outputs = [output(Level::Info), output(Level::Warn)];
        let [out, err] = outputs.clone();
        // No folder, no variable, no argument, no address: clocks, randomness and the log.
        let wasi = WasiCtx::builder()
            .stdout(out)
            .stderr(err)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(MOST_RANDOM)
            .build();
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MOST_FIELDS);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_RESOURCES);
        let outgoing = Outgoing {
            host: Arc::clone(host),
            runtime,
            at_once: Arc::new(Semaphore::new(limits.calls_in_flight)),
            received: Arc::default(),
            lender: footprint.lender(),
            loans: Arc::default(),
        };
        Self { wasi, http, table, outgoing, outputs, meter, footprint }
    }

    /// Ends the call: what it has left in its outputs is logged.
    pub(super) fn end(&self) {
        self.outputs.iter().for_each(Output::end);
    }
}

impl Bounded for State {
    fn meter(&self) -> &Meter {
        &self.meter
    }

    fn footprint(&self) -> &Footprint {
        &self.footprint
    }

    fn footprint_mut(&mut self) -> &mut Footprint {
        &mut self.footprint
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outgoing }
    }
}

/// The way to other servers.
struct Outgoing {
    host: Arc<dyn ComponentHost>,
    /// Where requests are sent: where the call was made, not where it is computed.
    runtime: Handle,
    at_once: Arc<Semaphore>,
    /// Bytes that came back so far.
    received: Arc<AtomicUsize>,
    lender: Lender,
    /// What came back counts as memory until the call ends: the component says when it reads it.
    loans: Arc<Mutex<Vec<Loan>>>,
}

/// What `wasi:http` wants of a request that is sent: the answer, and what goes on behind it, which is nothing.
type Answered =
    Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), HttpError>> + Send>), HttpError>;

impl WasiHttpHooks for Outgoing {
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Answered> + Send> {
        let (host, runtime) = (Arc::clone(&self.host), self.runtime.clone());
        let (at_once, received) = (Arc::clone(&self.at_once), Arc::clone(&self.received));
        let (lender, loans) = (self.lender.clone(), Arc::clone(&self.loans));
        Box::new(async move {
            let _place = at_once.try_acquire().map_err(|_| HttpError::ConnectionLimitReached)?;
            let (parts, body) = request.into_parts();
            let body = Limited::new(body, MOST_SENT).collect().await;
            let body = body.map_err(|_| HttpError::HttpRequestBodySize(Some(MOST_SENT as u64)))?.to_bytes();
            let sent = host.send(Request::from_parts(parts, body), timeout(options));
            let answer = AbortOnDropHandle::new(runtime.spawn(sent)).await;
            let answer = answer.map_err(|_| HttpError::InternalError(None))?.map_err(told)?;
            let so_far = received.fetch_add(answer.body().len(), Ordering::Relaxed);
            if so_far.saturating_add(answer.body().len()) > MOST_RECEIVED {
                return Err(HttpError::HttpResponseBodySize(Some(MOST_RECEIVED as u64)));
            }
            let loan = lender.lend(answer.body().len()).ok_or(HttpError::InternalError(None))?;
            loans.lock().unwrap_or_else(PoisonError::into_inner).push(loan);
            let answer = answer.map(|bytes: Bytes| Full::new(bytes).map_err(HttpError::from).boxed_unsync());
            Ok((answer, Box::new(async { Ok(()) }) as _))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        PIECE
    }
}

/// How long a request may take, as far as the component says.
fn timeout(options: Option<RequestOptions>) -> Option<Duration> {
    let options = options?;
    let first = options.first_byte_timeout?;
    Some(options.connect_timeout.unwrap_or_default().saturating_add(first))
}

fn told(error: RequestError) -> HttpError {
    match error {
        RequestError::Denied => HttpError::HttpRequestDenied,
        RequestError::TimedOut => HttpError::HttpResponseTimeout,
        RequestError::Unreachable => HttpError::DestinationUnavailable,
        RequestError::AnswerTooLarge => HttpError::HttpResponseBodySize(None),
        RequestError::Failed => HttpError::InternalError(None),
    }
}
