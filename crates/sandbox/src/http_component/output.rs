//! What a component writes to its standard output and its standard error: lines of the log.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::ComponentHost;
use crate::state::cut;
use crate::{Level, Limits};

/// How much is taken in one go, in bytes.
const PIECE: usize = 64 << 10;

/// How many lines a call has logged, on whichever stream.
pub(super) type Count = Arc<AtomicUsize>;

/// A stream whose lines go to the log.
#[derive(Clone)]
pub(super) struct Output {
    shared: Arc<Shared>,
}

struct Shared {
    host: Arc<dyn ComponentHost>,
    level: Level,
    limits: Arc<Limits>,
    count: Count,
    /// The line that is not ended yet.
    line: Mutex<Vec<u8>>,
}

impl Output {
    /// A stream whose lines are of this level; `count` is shared by the streams of a call.
    pub(super) fn new(
        host: Arc<dyn ComponentHost>,
        level: Level,
        limits: &Arc<Limits>,
        count: &Count,
    ) -> Self {
        let (limits, count) = (Arc::clone(limits), Arc::clone(count));
        Self { shared: Arc::new(Shared { host, level, limits, count, line: Mutex::default() }) }
    }

    /// Logs what is left without a line's end.
    pub(super) fn end(&self) {
        let rest = std::mem::take(&mut *self.shared.line.lock().unwrap_or_else(PoisonError::into_inner));
        if !rest.is_empty() {
            self.shared.log(&rest);
        }
    }
}

impl Shared {
    fn write(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n");
            // A byte more than is shown, so that it is seen to be cut.
            let room = (self.limits.log_line + 1).saturating_sub(line.len());
            let part = text.unwrap_or(piece);
            line.extend_from_slice(part.get(..room).unwrap_or(part));
            if text.is_some() {
                let whole = std::mem::take(&mut *line);
                self.log(&whole);
            }
        }
    }

    fn log(&self, line: &[u8]) {
        let most = self.limits.log_lines;
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        if before < most {
            let mut text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
            cut(&mut text, self.limits.log_line);
            self.host.log(self.level, text);
        } else if before == most {
            let told = format!("the request logged more than {most} lines: the others are dropped");
            self.host.log(Level::Warn, told);
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.shared.write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.shared.write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;
    use crate::{RequestError, SendFuture};

    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl ComponentHost for Log {
        fn send(&self, _: Request<Bytes>, _: Option<Duration>) -> SendFuture {
            Box::pin(async { Err(RequestError::Denied) })
        }

        fn log(&self, level: Level, message: String) {
            self.0.lock().unwrap().push(format!("{level:?} {message}"));
        }
    }

    #[test]
    fn lines_are_told_from_each_other_and_bounded() {
        let log = Arc::new(Log::default());
        let limits = Arc::new(Limits { log_line: 8, log_lines: 4, ..Limits::default() });
        let count = Count::default();
        let host: Arc<dyn ComponentHost> = Arc::clone(&log) as _;
        let out = Output::new(Arc::clone(&host), Level::Info, &limits, &count);
        let err = Output::new(host, Level::Warn, &limits, &count);
        for piece in ["on", "e\r\n\ntwo thr", "ee four\nfi"] {
            out.shared.write(piece.as_bytes());
        }
        err.shared.write(b"broken");
        out.end();
        err.end();
        out.end();
        let told = log.0.lock().unwrap().join("|");
        assert_eq!(
            told,
            "Info one|Info |Info two thre…|Info fi|Warn the request logged more than 4 lines: the others are dropped"
        );
    }
}
