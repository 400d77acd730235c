//! `jackfield webhooks`: webhooks as their senders make them, at a terminal.

mod send;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use model::PluginId;
use secrecy::SecretString;

use crate::remote::ServerArgs;
use crate::remote::report::{self, Failure};

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    /// Send a plugin a signed webhook, as the service that it works with would.
    #[command(
        after_help = "Examples:\n  JACKFIELD_WEBHOOK_SECRET=whsec_… jackfield webhooks send payment-card --tenant acme --data '{\"id\": \"evt_1\"}'\n  jackfield webhooks send deployments --file push.json --id 72d3162e-cc78-11e3-81ab-4c9367dc0958\n\nThe server tells the plugin's address and scheme. The secret is the one in the plugin's configuration, which the server shows to nobody. A scheme that is described in the manifest needs --manifest."
    )]
    Send(SendArgs),
}

/// What to send.
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The plugin's id.
    plugin: PluginId,
    /// The body; of JSON where --content-type says nothing else.
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    data: Option<String>,
    /// A file that holds the body, - for standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    file: Option<PathBuf>,
    /// What tells it from others: sent again under the same, it is not taken again. Random where it is left out. Only for schemes whose
    /// id is a header (github, jira, shopify, standard): others have it in the body, as stripe in /id.
    #[arg(long)]
    id: Option<String>,
    /// The media type of the body.
    #[arg(long, default_value = "application/json")]
    content_type: String,
    /// The secret to sign with. Other users of the machine can see the command line: prefer the environment.
    #[arg(long, env = "JACKFIELD_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<SecretString>,
    /// The plugin's plugin.json, for the scheme that it describes.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the command, and tells what came of it.
pub(crate) async fn run(command: WebhooksCommand) -> ExitCode {
    let WebhooksCommand::Send(args) = command;
    let Err(failure) = send::run(&args).await else { return ExitCode::SUCCESS };
    report::tell(&failure, args.json);
    ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
}
