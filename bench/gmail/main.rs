//! Gmail for `bench/run`: a server that costs next to nothing, a pooled client to be measured beside, and a caller of what
//! is measured.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to go on with")]
#![expect(clippy::print_stdout, reason = "its result is its output")]

mod ask;
mod batch;
mod list;
mod mail;
#[path = "../meter.rs"]
mod meter;
mod serve;

use clap::Parser;

#[derive(Parser)]
enum Command {
    /// Serves a mailbox on a free port of loopback, and prints `{"port", "message_bytes"}` when it does.
    Serve(serve::Arguments),
    /// Lists a page of messages with a pooled client, and prints what that took.
    List(list::Arguments),
    /// Asks for an address over and over, and prints what that took.
    Ask(ask::Arguments),
}

// One thread: the faster way where a program has one core.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    match Command::parse() {
        Command::Serve(arguments) => serve::run(&arguments).await,
        Command::List(arguments) => println!("{}", list::run(arguments).await),
        Command::Ask(arguments) => println!("{}", ask::run(arguments).await),
    }
}
