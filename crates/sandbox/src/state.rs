//! What belongs to one instance: its bounds, and the call that it serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::bounds::Bounded;
use crate::footprint::Footprint;
use crate::meter::Meter;
use crate::{Host, Level, Limits};

/// Host calls whose answers may lie unread. Beyond, the instance is stopped: a script of good will awaits them.
const MOST_UNREAD: usize = 1_024;

/// What a script is told that holds very much at once, or has come when others do.
const NO_ROOM: &str =
    "there is no memory left for what this hands over: await other calls first, or try again later";

/// The answer that crosses to a script.
pub(crate) type Crossing = Result<String, String>;

/// That a script left very many host calls unread.
#[derive(Debug, thiserror::Error)]
#[error("too many host calls are left unread")]
pub(crate) struct Unread;

/// The call that an instance serves.
struct Current {
    host: Arc<dyn Host>,
    /// Where host calls run: where the call was made, not where it is computed.
    runtime: Handle,
    lines: usize,
}

/// What belongs to one instance.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) meter: Arc<Meter>,
    pub(crate) footprint: Footprint,
    limits: Arc<Limits>,
    current: Option<Current>,
    /// The script has changed what its next call would find in the language itself.
    is_tainted: bool,
    /// Host calls that are not answered, or whose answer was not read.
    unread: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    timers: Arc<AtomicUsize>,
}

/// One more of something, until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }

    /// One more, unless there are `most`.
    fn within(count: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let counted = Self::new(count);
        (count.load(Ordering::Relaxed) <= most).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    pub(crate) fn new(limits: Arc<Limits>, meter: Arc<Meter>, footprint: Footprint) -> Self {
        Self {
            // Nothing: no folder, no variable, no socket, and output that goes nowhere.
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            meter,
            footprint,
            limits,
            current: None,
            is_tainted: false,
            unread: Arc::default(),
            calls: Arc::default(),
            timers: Arc::default(),
        }
    }

    /// From now on, what the script asks for is asked of `host`.
    pub(crate) fn begin(&mut self, host: Arc<dyn Host>, runtime: Handle) {
        self.current = Some(Current { host, runtime, lines: 0 });
    }

    /// Ends the call; whether it left something that the next one would find.
    pub(crate) fn end(&mut self) -> Leftover {
        self.current = None;
        let is_clean = self.unread.load(Ordering::Relaxed) == 0 && !self.is_tainted;
        if is_clean { Leftover::None } else { Leftover::Some }
    }

    /// Notes that no other call may be served.
    pub(crate) fn taint(&mut self) {
        self.is_tainted = true;
    }

    pub(crate) fn log(&mut self, level: &str, mut message: String) {
        let Some(current) = &mut self.current else { return };
        let level = match level {
            "debug" => Level::Debug,
            "warn" => Level::Warn,
            "error" => Level::Error,
            _ => Level::Info,
        };
        current.lines += 1;
        if current.lines <= self.limits.log_lines {
            cut(&mut message, self.limits.log_line);
            current.host.log(level, message);
        } else if current.lines == self.limits.log_lines + 1 {
            let most = self.limits.log_lines;
            current
                .host
                .log(Level::Warn, format!("the call logged more than {most} lines: the others are dropped"));
        }
    }

    /// The future of a host call.
    ///
    /// # Errors
    /// The instance must stop.
    pub(crate) fn call(
        &mut self,
        operation: String,
        argument: String,
    ) -> Result<BoxFuture<'static, Crossing>, Unread> {
        let unread = Counted::within(&self.unread, MOST_UNREAD).ok_or(Unread)?;
        let future = self.ask(operation, argument);
        Ok(Box::pin(async move {
            let _unread = unread;
            future?.await
        }))
    }

    fn ask(&mut self, operation: String, argument: String) -> Result<BoxFuture<'static, Crossing>, String> {
        let Some(current) = &self.current else {
            return Err("there is no call to do this for: host calls are made by handlers".to_owned());
        };
        let most = self.limits.calls_in_flight;
        let counted = Counted::within(&self.calls, most)
            .ok_or_else(|| format!("at most {most} host calls are made at once: await some of them"))?;
        let longest = self.limits.host_message;
        if argument.len() > longest || operation.len() > 128 {
            return Err(format!("what is handed over has at most {longest} bytes: hand over less"));
        }
        let host = Arc::clone(&current.host);
        let lender = self.footprint.lender();
        let asked = lender.lend(argument.len()).ok_or_else(|| NO_ROOM.to_owned())?;
        // What is done, and what comes of it until the script reads that, is counted as memory.
        let call = current.runtime.spawn(async move {
            let answer = host.call(&operation, argument).await?;
            drop(asked);
            if answer.len() > longest {
                return Err(format!("the answer has more than {longest} bytes: ask for less"));
            }
            let loan = lender.lend(answer.len()).ok_or_else(|| NO_ROOM.to_owned())?;
            Ok((answer, loan))
        });
        let call = AbortOnDropHandle::new(call);
        Ok(Box::pin(async move {
            let _counted = counted;
            let (answer, _loan) = call.await.map_err(|_| "the host failed to do this".to_owned())??;
            Ok(answer)
        }))
    }

    /// The future of a pause.
    ///
    /// # Errors
    /// The instance must stop.
    pub(crate) fn sleep(&mut self, milliseconds: u32) -> Result<BoxFuture<'static, Crossing>, Unread> {
        let unread = Counted::within(&self.unread, MOST_UNREAD).ok_or(Unread)?;
        let most = self.limits.timers;
        let counted = Counted::within(&self.timers, most)
            .ok_or_else(|| format!("there are at most {most} timers at once: clear some of them"));
        let is_called = self.current.is_some();
        Ok(Box::pin(async move {
            let (_unread, _counted) = (unread, counted?);
            if !is_called {
                return Err("there is no call to wait for: timers are set by handlers".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(u64::from(milliseconds.max(1)))).await;
            Ok("null".to_owned())
        }))
    }
}

/// Whether an ended call left host calls or timers under way, or a language that it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftover {
    None,
    Some,
}

/// Cuts at a character's end.
pub(crate) fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let mut text = "a€b".to_owned();
        cut(&mut text, 3);
        assert_eq!(text, "a…");
        cut(&mut text, 4);
        assert_eq!(text, "a…");
    }
}
