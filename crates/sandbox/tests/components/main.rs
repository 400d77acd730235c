//! Plugins' own components in a real sandbox, compiled by real processes.
//!
//! Those processes are this same program, which is why it has a `main` of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails; clippy knows tests by an attribute that these do not have"
)]

mod answers;
mod compiled;
mod hostile;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(world::COMPILER) {
        return sandbox::compile();
    }
    let groups = [answers::trials(), compiled::trials(), hostile::trials()];
    let trials: Vec<Trial> = groups.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The async functions of a module as trials.
macro_rules! trials {
    ($($name:ident,)+) => {
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$(libtest_mimic::Trial::test(
                concat!(module_path!(), "::", stringify!($name)),
                || { crate::world::block_on($name()); Ok(()) },
            ),)+]
        }
    };
}
pub(crate) use trials;
