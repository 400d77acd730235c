//! Lines of the log on their way out, many with one write: whoever writes one waits for no disk and no reader of a pipe.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for company.
const GATHERED: Duration = Duration::from_millis(20);

/// The most bytes that wait. What comes while nobody takes them is dropped, and counted.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A cheap handle on what waits to be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    dropped: u64,
    is_over: bool,
}

/// Writes what waits, the rest when it is dropped.
#[derive(Debug)]
pub(crate) struct Flush {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl Lines {
    /// Lines that a thread of its own writes to `out`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn to(out: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let lines = Self::default();
        let of_thread = lines.clone();
        let thread = thread::Builder::new().name("log".into()).spawn(move || of_thread.write_all_to(out))?;
        Ok((lines.clone(), Flush { lines, thread: Some(thread) }))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all_to(&self, mut out: impl Write) {
        let mut taken = Vec::new();
        while let Some(dropped) = self.take(&mut taken) {
            // There is nowhere to tell it if the log cannot be written.
            let _ = out.write_all(&taken);
            if dropped > 0 {
                let _ = writeln!(
                    out,
                    r#"{{"level":"WARN","message":"{dropped} lines of the log were dropped: it was not read"}}"#
                );
            }
            let _ = out.flush();
            taken.clear();
        }
    }

    /// Moves what waits into `taken`, once there is something, and gives how many lines were dropped; `None` at the end.
    fn take(&self, taken: &mut Vec<u8>) -> Option<u64> {
        let is_idle = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.is_over;
        let waiting =
            self.0.changed.wait_while(self.waiting(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let is_open = |waiting: &mut Waiting| !waiting.is_over;
        let gathered = self.0.changed.wait_timeout_while(waiting, GATHERED, is_open);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes.is_empty() {
            return None;
        }
        std::mem::swap(&mut waiting.bytes, taken);
        Some(std::mem::take(&mut waiting.dropped))
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.waiting();
        if waiting.bytes.len() + line.len() > MOST_BYTES {
            waiting.dropped += 1;
            return Ok(line.len());
        }
        let is_first = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        drop(waiting);
        if is_first {
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.lines.waiting().is_over = true;
        self.lines.0.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Hands over each write, and waits until it was taken.
    struct Handed(SyncSender<Vec<u8>>);

    impl Write for Handed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn handed() -> (Lines, Flush, Receiver<Vec<u8>>) {
        let (sender, receiver) = sync_channel(0);
        let (lines, flush) = Lines::to(Handed(sender)).unwrap();
        (lines, flush, receiver)
    }

    fn all(writes: &Receiver<Vec<u8>>) -> String {
        String::from_utf8(writes.iter().flatten().collect()).unwrap()
    }

    #[test]
    fn lines_come_in_order_and_none_is_left_at_the_end() {
        let (lines, flush, writes) = handed();
        let expected: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
        for line in &expected {
            (&lines).write_all(line.as_bytes()).unwrap();
        }
        let ended = thread::spawn(move || drop(flush));
        assert_eq!(all(&writes), expected.concat());
        ended.join().unwrap();
    }

    #[test]
    fn whoever_writes_waits_for_no_reader_and_what_is_too_much_is_counted() {
        let (lines, flush, writes) = handed();
        (&lines).write_all(b"first\n").unwrap();
        // The thread is now held by this write, which nobody takes.
        while !lines.waiting().bytes.is_empty() {
            thread::yield_now();
        }
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..6 {
            (&lines).write_all(&line).unwrap();
        }
        let ended = thread::spawn(move || drop(flush));
        let told = all(&writes);
        assert_eq!(told.matches('x').count(), 4 * 1024 * 1024);
        assert!(
            told.starts_with("first\n") && told.contains("2 lines of the log were dropped"),
            "{}",
            told.len()
        );
        ended.join().unwrap();
    }
}
