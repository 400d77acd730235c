//! One instance of the script component, and one call at a time of it.

use std::sync::Arc;

use serde_json::json;
use tokio::runtime::Handle;
use wasmtime::{Store, Trap};

use crate::bounds::{self, Bounded as _};
use crate::error::Error;
use crate::footprint::{Footprint, Tally};
use crate::imports::{Backend, BackendPre};
use crate::meter::Meter;
use crate::source_map::{RawError, told};
use crate::state::{Crossing, Leftover, State, Unread, cut};
use crate::{Definition, Host, Invocation, Limits, Script};

/// Bytes that are told of an error of a script, which its author chooses.
const MOST_NAME: usize = 128;
const MOST_MESSAGE: usize = 2 << 10;
const MOST_STACK: usize = 8 << 10;

/// An instance, with a script loaded once [`load`](Self::load) has succeeded. What failed must not be used again.
pub(crate) struct Instance {
    store: Store<State>,
    backend: Backend,
    limits: Arc<Limits>,
}

/// Whether an instance may serve another call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Keep,
    Discard,
}

impl Instance {
    /// A fresh instance, whose computing `meter` counts.
    pub(crate) async fn new(
        program: &BackendPre<State>,
        limits: &Arc<Limits>,
        meter: &Arc<Meter>,
        footprint: Footprint,
    ) -> Result<Self, Error> {
        let state = State::new(Arc::clone(limits), Arc::clone(meter), footprint);
        let mut store = bounds::store(program.engine(), state);
        let backend = program.instantiate_async(&mut store).await;
        let backend = backend.map_err(|error| match store.data().footprint.refused() {
            Some(refused) => bounds::memory(refused, limits),
            None => Error::engine(error),
        })?;
        Ok(Self { store, backend, limits: Arc::clone(limits) })
    }

    /// From now on its memory counts for the tenant of this share, or for none.
    pub(crate) fn belong_to(&mut self, share: Option<Arc<Tally>>) {
        self.store.data_mut().footprint_mut().belong_to(share);
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.store.data().meter)
    }

    /// Bytes of memory that it has.
    pub(crate) fn bytes(&self) -> usize {
        self.store.data().footprint.bytes()
    }

    /// Runs the script, once.
    pub(crate) async fn load(&mut self, script: &Script) -> Result<(), Error> {
        let (backend, source) = (&self.backend, script.source.to_string());
        let loaded =
            self.store.run_concurrent(async move |access| backend.call_load(access, source).await).await;
        self.settled(loaded, script, Error::DoesNotLoad).map(drop)
    }

    /// What the loaded backend has.
    pub(crate) async fn define(&mut self, script: &Script) -> Result<Definition, Error> {
        let backend = &self.backend;
        let defined = self.store.run_concurrent(async move |access| backend.call_define(access).await).await;
        let json = self.settled(defined, script, Error::DoesNotLoad)?;
        serde_json::from_str(&json)
            .map_err(|_| Error::Definition("what it says of its handlers cannot be read".to_owned()))
    }

    /// Calls a function of the backend for `host`, whose operations run on `runtime`.
    pub(crate) async fn call(
        &mut self,
        script: &Script,
        invocation: Invocation,
        host: Arc<dyn Host>,
        runtime: Handle,
    ) -> (Result<String, Error>, After) {
        let state = self.store.data_mut();
        state.begin(host, runtime);
        let Invocation { target, request, context, .. } = invocation;
        let (calls, output) = (self.limits.calls_in_flight, self.limits.output);
        let how = json!({ "target": target, "calls": calls, "output": output }).to_string();
        let backend = &self.backend;
        let handled = self
            .store
            .run_concurrent(async move |access| backend.call_handle(access, how, request, context).await)
            .await;
        let leftover = self.store.data_mut().end();
        let answer = self.settled(handled, script, Error::Threw).and_then(|answer| {
            if answer.len() > output { Err(Error::OutputTooLarge(output)) } else { Ok(answer) }
        });
        let has_ended = match &answer {
            Ok(_)
            | Err(Error::Threw(_) | Error::Answer(_) | Error::NoHandler(_) | Error::OutputTooLarge(_)) => {
                leftover == Leftover::None
            }
            Err(_) => false,
        };
        // Who has met its bound of memory may go on in a broken state.
        let is_whole = has_ended && self.store.data().footprint.refused().is_none();
        (answer, if is_whole { After::Keep } else { After::Discard })
    }

    fn settled(
        &self,
        result: wasmtime::Result<wasmtime::Result<Crossing>>,
        script: &Script,
        threw: fn(Box<crate::Thrown>) -> Error,
    ) -> Result<String, Error> {
        match result.and_then(|result| result) {
            Ok(Ok(json)) => Ok(json),
            Ok(Err(raw)) => Err(self.refusal(&raw, script, threw)),
            Err(error) => Err(self.fault(&error)),
        }
    }

    /// What the component's own script says went wrong.
    fn refusal(&self, raw: &str, script: &Script, threw: fn(Box<crate::Thrown>) -> Error) -> Error {
        if let Some(refused) = self.store.data().footprint.refused() {
            return bounds::memory(refused, &self.limits);
        }
        let Ok(mut raw) = serde_json::from_str::<RawError>(raw) else {
            return Error::BrokeOff("what it threw cannot be told");
        };
        cut(&mut raw.name, MOST_NAME);
        cut(&mut raw.message, MOST_MESSAGE);
        cut(&mut raw.stack, MOST_STACK);
        match raw.kind.as_str() {
            "definition" => Error::Definition(raw.message),
            "no_handler" => Error::NoHandler(raw.message),
            "nothing" | "not_json" => Error::Answer(raw.message),
            "output" => Error::OutputTooLarge(self.limits.output),
            _ => threw(Box::new(told(raw, script))),
        }
    }

    /// Why the engine stopped it.
    fn fault(&self, error: &wasmtime::Error) -> Error {
        if error.is::<Unread>() {
            return Error::TooManyCalls;
        }
        if let Some(met) = bounds::met(error, self.store.data(), &self.limits) {
            return met;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::NoAsyncResult | Trap::AsyncDeadlock) => Error::NeverSettled,
            Some(_) => Error::BrokeOff(
                "an import of the host was given a value of another type, or the engine met an error of its own",
            ),
            None => Error::engine(error),
        }
    }
}
