//! The customers service for `bench/run`: a server that costs next to nothing, and a plain client to be measured beside.

#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to go on with")]
#![expect(clippy::print_stdout, reason = "its result is its output")]

mod list;
#[path = "../meter.rs"]
mod meter;
mod serve;

use clap::Parser;

/// The messages, the client and the server, made by the build script.
#[expect(
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes,
    clippy::pedantic,
    reason = "generated from crates/connectors/proto/customers.proto"
)]
mod proto {
    tonic::include_proto!("lexmodo.v1.customers");
    tonic::include_proto!("lexmodo.v1.customers.Customers");
}

#[derive(Parser)]
enum Command {
    /// Serves a store's customers on a free port of loopback, and prints `{"port": …}` when it does.
    Serve {
        /// How many customers the store has.
        #[arg(long)]
        customers: usize,
    },
    /// Reads a whole listing with tonic, page by page, over and over, and prints what that took.
    List(list::Arguments),
}

// One thread: the faster way where a client has one core and one thing to do.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    match Command::parse() {
        Command::Serve { customers } => serve::run(customers).await,
        Command::List(arguments) => println!("{}", list::run(&arguments).await),
    }
}
