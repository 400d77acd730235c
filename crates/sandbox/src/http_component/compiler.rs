//! The process that compiles one component: WebAssembly on its standard input, code for this machine on its standard output.
//!
//! Compiling what somebody else wrote takes as much time and memory as that somebody likes, and cannot be stopped, so it is done
//! where the kernel bounds it. Such a process is expected to die.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wasmtime::Engine;

use super::MOST_BYTES;
use crate::engine;

/// How a process ends that has found the component wrong. Why is on its standard error.
pub(super) const REFUSED: u8 = 3;

/// What one process may use: seconds of computing, and bytes of address space.
const PROCESSOR_TIME: u64 = 10;
const ADDRESS_SPACE: u64 = 2 << 30;

/// Compiles the component on the standard input. The program that contains a [`Sandbox`](crate::Sandbox) runs this in a hidden
/// subcommand; it is of no use by hand.
pub fn main() -> ExitCode {
    let (code, told) = match run() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failed::Refused(error)) => (REFUSED, format!("{error:#}")),
        Err(Failed::Broken(error)) => (1, error.to_string()),
    };
    // The server reads this.
    let _ = writeln!(io::stderr(), "{told}");
    ExitCode::from(code)
}

enum Failed {
    Refused(wasmtime::Error),
    Broken(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

fn run() -> Result<(), Failed> {
    restrict(Resource::Core, 0)?;
    restrict(Resource::Fsize, 0)?;
    restrict(Resource::Nofile, 0)?;
    restrict(Resource::As, ADDRESS_SPACE)?;
    restrict(Resource::Cpu, PROCESSOR_TIME)?;
    // Who calls a plugin goes before who publishes one.
    rustix::process::nice(10).map_err(io::Error::from)?;
    let mut bytes = Vec::new();
    io::stdin().lock().take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the component is too large").into());
    }
    let engine = Engine::new(&engine::code()).map_err(io::Error::other)?;
    let code = engine.precompile_component(&bytes).map_err(Failed::Refused)?;
    let mut output = io::stdout().lock();
    output.write_all(&code)?;
    Ok(output.flush()?)
}

/// Lowers a limit of this process for good (setrlimit(2)).
fn restrict(resource: Resource, value: u64) -> io::Result<()> {
    let lowest = getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    setrlimit(resource, Rlimit { current: Some(lowest), maximum: Some(lowest) })?;
    Ok(())
}
