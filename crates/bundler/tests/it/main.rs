//! The bundler with real worker processes; what it builds is run in Node.
//!
//! The workers are this same program, which is why it has a `main` of its own.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics; clippy knows tests by an attribute that these do not have"
)]

mod backends;
mod builds;
mod definitions;
mod diagnostics;
mod hostile;
mod pool;
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(support::WORKER) {
        return bundler::worker::main();
    }
    let groups = [
        backends::trials(),
        builds::trials(),
        definitions::trials(),
        diagnostics::trials(),
        hostile::trials(),
        pool::trials(),
    ];
    let trials: Vec<Trial> = groups.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
