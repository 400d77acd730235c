//! `jackfield events`: the event bus of a running server, at a terminal.

mod replay;
mod tail;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use model::{EventPattern, PluginId};

use crate::remote::ServerArgs;
use crate::remote::report::{self, Failure};

/// What to do with events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Show events as they happen, until it is interrupted.
    #[command(
        after_help = "Examples:\n  jackfield events tail --tenant acme\n  jackfield events tail --type order.* --type payment.succeeded --json\n  jackfield events tail --after 0 --json > events.ndjson\n\nWhere the connection breaks it goes on after the last event that it has shown. With --json each line is a CloudEvent, with its place in the log as `place`."
    )]
    Tail(TailArgs),
    /// Have deliveries that have ended made once more.
    #[command(
        after_help = "Examples:\n  jackfield events replay --subscription 01JD0V7M3R9X6W2A5T4N8QKZBC\n  jackfield events replay --plugin ledger --state delivered --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z\n\nWithout --state those that have failed for good, and were not made again since. They are made in their order, behind all that waits for the receiver, which has to take a webhook-id twice for one event."
    )]
    Replay(ReplayArgs),
}

/// Which events to show.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Events of this type, or of types by a pattern such as order.*; may be given several times.
    #[arg(long = "type", value_name = "PATTERN")]
    types: Vec<EventPattern>,
    /// Begin after this place of the log, 0 for all that it still has; now where it is left out.
    #[arg(long, value_name = "PLACE")]
    after: Option<u64>,
    /// Those of all tenants: for who runs the platform.
    #[arg(long)]
    platform: bool,
    /// Print one JSON document a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Which deliveries to make again.
#[derive(Debug, Args)]
#[group(id = "receiver", required = true, multiple = false, args = ["subscription", "plugin"])]
pub(crate) struct ReplayArgs {
    /// Those of this subscription.
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// Those to the hooks of this plugin.
    #[arg(long, value_name = "ID")]
    plugin: Option<PluginId>,
    /// Those that have ended so.
    #[arg(long, default_value = "failed", value_parser = ["failed", "delivered", "skipped"])]
    state: String,
    /// Those that were made for events from this moment on, as in 2026-11-20T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Those before this moment.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Go on where an earlier call had to stop: what it says.
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs one of the commands, and tells what came of it.
pub(crate) async fn run(command: EventsCommand) -> ExitCode {
    let (json, done) = match command {
        EventsCommand::Tail(args) => (false, tail::run(&args).await),
        EventsCommand::Replay(args) => (args.json, replay::run(&args).await),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    report::tell(&failure, json);
    ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
}
