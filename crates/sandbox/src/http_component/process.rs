//! Processes that compile, as the server sees them.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::compiler::REFUSED;
use crate::Error;

/// How long compiling may take on a busy machine. Its computing has a bound of its own.
const LONGEST: Duration = Duration::from_mins(1);

/// The most bytes of compiled code.
const MOST_CODE: u64 = 128 << 20;

/// What is read of a process's last words, in bytes.
const LAST_WORDS: u64 = 4_096;

/// What is told of them to an author, in characters.
const TOLD: usize = 500;

/// SIGABRT, SIGSEGV and SIGXCPU (signal(7)): memory or stack that was refused, and computing.
const ABORTED: i32 = 6;
const FAULTED: i32 = 11;
const PROCESSOR_TIME: i32 = 24;
const KILLED: i32 = 9;

/// How to start a process that compiles: a program that runs [`compile`](crate::compile).
#[derive(Debug, Clone)]
pub struct CompilerCommand {
    program: PathBuf,
    args: Vec<OsString>,
}

impl CompilerCommand {
    /// The program at `program`, with `args`.
    pub fn new(program: impl Into<PathBuf>, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { program: program.into(), args: args.into_iter().map(Into::into).collect() }
    }

    /// The program that is running, with `args`. On Linux also where its file has been replaced meanwhile.
    pub fn this_program(args: impl IntoIterator<Item = impl Into<OsString>>) -> io::Result<Self> {
        let program = if cfg!(target_os = "linux") {
            PathBuf::from("/proc/self/exe")
        } else {
            std::env::current_exe()?
        };
        Ok(Self::new(program, args))
    }
}

/// Has a process compile `component`, and gives the code. The process ends when this is dropped.
///
/// # Errors
/// [`Error::Component`] where the component is why, [`Error::Internal`] otherwise.
pub(super) async fn compile(command: &CompilerCommand, component: &[u8]) -> Result<Vec<u8>, Error> {
    let work = async {
        let mut child = start(command)?;
        exchange(&mut child, component).await
    };
    let done = timeout(LONGEST, work).await.map_err(|_| Error::Component(TOO_LONG.to_owned()))?;
    let (status, code, words) =
        done.map_err(|error| Error::internal(format!("the compiler of components: {error}")))?;
    if status.success() {
        if code.len() as u64 > MOST_CODE {
            return Err(Error::Component(format!("it is more than {} MiB once compiled", MOST_CODE >> 20)));
        }
        return Ok(code);
    }
    Err(died(status, &String::from_utf8_lossy(&words)))
}

fn start(command: &CompilerCommand) -> io::Result<Child> {
    Command::new(&command.program)
        .args(&command.args)
        .env_clear()
        .env("MALLOC_ARENA_MAX", "2")
        .env("RAYON_NUM_THREADS", "2")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

async fn exchange(child: &mut Child, component: &[u8]) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut input), Some(output), Some(errors)) = pipes else {
        return Err(io::Error::other("a process without pipes"));
    };
    let send = async move {
        // One that has died does not read, and says why by its end.
        let _ = input.write_all(component).await;
        let _ = input.shutdown().await;
    };
    let ((), code, words) = tokio::join!(send, read(output, MOST_CODE + 1), read(errors, LAST_WORDS));
    Ok((child.wait().await?, code?, words?))
}

async fn read(from: impl AsyncRead + Unpin, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

const TOO_LONG: &str = "it takes too long to compile: put less into it";

fn died(status: ExitStatus, words: &str) -> Error {
    if status.code() == Some(REFUSED.into()) {
        return Error::Component(format!("it is not valid: {}", said(words)));
    }
    match status.signal() {
        Some(PROCESSOR_TIME | KILLED) => Error::Component(TOO_LONG.to_owned()),
        Some(ABORTED | FAULTED) => {
            Error::Component("it needs more memory to compile than there is: put less into it".to_owned())
        }
        _ => Error::internal(format!("the compiler of components ended with {status}: {}", said(words))),
    }
}

/// As much as is told of what a process has said.
fn said(words: &str) -> String {
    let words: Vec<&str> = words.split_whitespace().collect();
    words.join(" ").chars().filter(|char| !char.is_control()).take(TOLD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_whether_the_component_is_why_a_process_died() {
        for (raw, words, told) in [
            (3 << 8, "type mismatch:\n expected i32", "it is not valid: type mismatch: expected i32"),
            (24, "", "too long"),
            (9, "", "too long"),
            (6, "memory allocation failed", "more memory"),
            (11, "", "more memory"),
        ] {
            let error = died(ExitStatus::from_raw(raw), words);
            assert!(matches!(&error, Error::Component(sentence) if sentence.contains(told)), "{error:?}");
        }
        assert!(matches!(died(ExitStatus::from_raw(1 << 8), "x"), Error::Internal(_)));
    }
}
