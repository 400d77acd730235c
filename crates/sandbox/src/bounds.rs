//! What holds every instance within its bounds, of scripts and of components alike, and what it has met of them.

use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::footprint::{Footprint, Refused};
use crate::meter::{Meter, Overrun};
use crate::{Error, Limits};

/// Bytes that cross to this side in one go; beyond, the instance is stopped. More than `tools.js` of the component lets
/// through, so that scripts meet an error of their own before.
const CROSSING: usize = 13 << 20;

/// What belongs to one instance and bounds it.
pub(crate) trait Bounded: 'static {
    /// Counts its computing.
    fn meter(&self) -> &Meter;
    /// Counts its memory.
    fn footprint(&self) -> &Footprint;
    /// See [`footprint`](Self::footprint).
    fn footprint_mut(&mut self) -> &mut Footprint;
}

/// That a tool of the host was handed more than it takes.
#[derive(Debug, thiserror::Error)]
#[error("a tool was handed more than {0} bytes")]
pub(crate) struct TooLarge(pub(crate) usize);

/// A store within the bounds of `state`.
pub(crate) fn store<S: Bounded>(engine: &Engine, state: S) -> Store<S> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| state.footprint_mut());
    store.set_hostcall_fuel(CROSSING);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        context.data().meter().check()?;
        Ok(UpdateDeadline::Yield(1))
    });
    store
}

/// Which of its bounds an instance has met, if it is that for which the engine stopped it.
pub(crate) fn met(error: &wasmtime::Error, state: &impl Bounded, limits: &Limits) -> Option<Error> {
    if error.is::<Overrun>() {
        return Some(Error::CpuDeadline(limits.cpu));
    }
    if let Some(refused) = state.footprint().refused() {
        return Some(memory(refused, limits));
    }
    if let Some(TooLarge(most)) = error.downcast_ref() {
        return Some(Error::MessageTooLarge(*most));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => Some(Error::Stack),
        Some(_) => None,
        // The engine has no type for it.
        None => format!("{error:#}").contains("fuel").then_some(Error::MessageTooLarge(CROSSING)),
    }
}

/// Why there was no memory.
pub(crate) fn memory(refused: Refused, limits: &Limits) -> Error {
    match refused {
        Refused::Own => Error::Memory(limits.memory),
        Refused::Tenants => Error::Crowded,
        Refused::Everybodys => Error::Exhausted,
    }
}
