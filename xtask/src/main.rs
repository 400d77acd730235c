//! Chores of this repository: `cargo xtask tidy`.

mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["tidy"] {
        return report(tidy::run());
    }
    complain("usage: cargo xtask tidy");
    ExitCode::from(2)
}

fn report(found: anyhow::Result<Vec<String>>) -> ExitCode {
    match found {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            for complaint in &complaints {
                complain(complaint);
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a command line speaks to its user")]
fn complain(text: &str) {
    eprintln!("{text}");
}
