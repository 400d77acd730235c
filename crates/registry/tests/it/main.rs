//! The registry on both databases, with real builds; what a sandbox would say of a backend is given.
//!
//! The bundler's workers are this same program, which is why it has a `main` of its own.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails panics; clippy knows tests by an attribute that these do not have"
)]

mod departing;
mod deploying;
mod house;
mod listening;
mod publishing;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(house::WORKER) {
        return bundler::worker::main();
    }
    let groups = [departing::trials(), deploying::trials(), listening::trials(), publishing::trials()];
    let trials: Vec<Trial> = groups.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
