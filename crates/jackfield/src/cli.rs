//! The command line.
//!
//! Exit codes: 0 for success, 1 for failure, 2 for a wrong command line or wrong settings.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::connections::ConnectionsCommand;
use crate::events::EventsCommand;
use crate::keys::KeysCommand;
use crate::lexmodo::LexmodoCommand;
use crate::plugin::PluginCommand;
use crate::settings::{self, Loaded, Places, SettingsError};
use crate::tenants::TenantsCommand;
use crate::webhooks::WebhooksCommand;
use crate::{connections, events, keys, lexmodo, logging, parts, plugin, serve, tenants, webhooks};

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 2 wrong command line or settings.";

/// Plugins for a SaaS product: registry, marketplace, bundles.
#[derive(Debug, Parser)]
#[command(name = "jackfield", version, after_help = EXIT_CODES, propagate_version = true)]
struct Cli {
    /// The settings file of serve, keys, tenants, connections, lexmodo and settings, in place of jackfield.toml in the
    /// current folder.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    #[command(
        after_help = "Examples:\n  jackfield serve\n  jackfield serve --dev\n  HOST=0.0.0.0 DATABASE_URL=postgres://… jackfield serve\n\nStops on SIGTERM or SIGINT once the requests in flight are answered; a second signal stops it at once."
    )]
    Serve(ServeArgs),
    /// Make, list and revoke API keys; replace the keys that seal secrets.
    #[command(
        subcommand,
        after_help = "Example:\n  jackfield keys create --name deploy --tenant acme --role admin"
    )]
    Keys(KeysCommand),
    /// Delete tenants.
    #[command(subcommand, after_help = "Example:\n  jackfield tenants delete acme")]
    Tenants(TenantsCommand),
    /// List and revoke the accounts that users have connected.
    #[command(
        subcommand,
        after_help = "Examples:\n  jackfield connections list --tenant acme\n  jackfield connections revoke --provider slack --before 2026-11-20T08:00:00Z"
    )]
    Connections(ConnectionsCommand),
    /// Work with stores of the Lexmodo platform.
    #[command(
        subcommand,
        after_help = "Example:\n  jackfield lexmodo customers --store 42 --json > customers.ndjson"
    )]
    Lexmodo(LexmodoCommand),
    /// Follow events, and have deliveries made again.
    #[command(
        subcommand,
        after_help = "Examples:\n  jackfield events tail --tenant acme --type order.*\n  jackfield events replay --plugin ledger"
    )]
    Events(EventsCommand),
    /// Make, check, build, publish and install plugins.
    #[command(
        subcommand,
        after_help = "Examples:\n  jackfield plugin new opening-hours\n  jackfield plugin check opening-hours\n  jackfield plugin publish opening-hours --install"
    )]
    Plugin(PluginCommand),
    /// Send webhooks, to try a plugin out.
    #[command(
        subcommand,
        after_help = "Example:\n  jackfield webhooks send payment-card --tenant acme --data '{\"id\": \"evt_1\"}'"
    )]
    Webhooks(WebhooksCommand),
    /// Print the settings in force, secrets masked.
    #[command(
        after_help = "Examples:\n  jackfield settings\n  jackfield settings --default-file > jackfield.toml"
    )]
    Settings(SettingsArgs),
    /// Print the OpenAPI document of the HTTP surface.
    #[command(after_help = "Example:\n  jackfield openapi > openapi.json")]
    Openapi,
    /// Build bundles as a worker of the server; of no use by hand.
    #[command(name = parts::BUNDLER_WORKER, hide = true)]
    BundlerWorker,
    /// Compile a component for the server; of no use by hand.
    #[command(name = parts::COMPONENT_COMPILER, hide = true)]
    ComponentCompiler,
}

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Requests without a credential act as the platform's administrator. Listens on loopback addresses only.
    #[arg(long)]
    pub(crate) dev: bool,
    /// The address to listen on, in place of HOST.
    #[arg(long, value_name = "ADDRESS", value_parser = settings::parse_argument::<IpAddr>)]
    pub(crate) host: Option<IpAddr>,
    /// The port to listen on, in place of PORT; 0 takes any free one.
    #[arg(long, value_parser = settings::parse_argument::<u16>)]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Args)]
struct SettingsArgs {
    /// Print a settings file with every setting commented out at its default.
    #[arg(long, conflicts_with = "markdown")]
    default_file: bool,
    /// Print the page of the documentation.
    #[arg(long)]
    markdown: bool,
}

/// A command line that cannot be followed as it is.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Runs the command that the command line names.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            let is_usage =
                error.is::<SettingsError>() || error.is::<serve::NotLoopback>() || error.is::<Usage>();
            let code = if is_usage { 2 } else { 1 };
            // Nothing is left to tell it to if standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {}", told(&error));
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::BundlerWorker => return Ok(bundler::worker::main()),
        Command::ComponentCompiler => return Ok(sandbox::compile()),
        Command::Serve(args) => {
            let loaded = load(cli.config.as_deref())?;
            let _flush = logging::start(&loaded.settings)?;
            runtime()?.block_on(serve::run(loaded, &args))?;
        }
        Command::Keys(command) => {
            let loaded = load(cli.config.as_deref())?;
            runtime()?.block_on(keys::run(&loaded.settings, command))?;
        }
        Command::Tenants(command) => {
            let loaded = load(cli.config.as_deref())?;
            runtime()?.block_on(tenants::run(&loaded.settings, command))?;
        }
        Command::Connections(command) => {
            let loaded = load(cli.config.as_deref())?;
            return runtime()?.block_on(connections::run(loaded, command));
        }
        Command::Lexmodo(command) => {
            let loaded = load(cli.config.as_deref())?;
            return runtime()?.block_on(lexmodo::run(loaded, command));
        }
        Command::Events(command) => return Ok(runtime()?.block_on(events::run(command))),
        Command::Plugin(command) => return Ok(runtime()?.block_on(plugin::run(command))),
        Command::Webhooks(command) => return Ok(runtime()?.block_on(webhooks::run(command))),
        Command::Settings(args) if args.default_file => print(&settings::default_file())?,
        Command::Settings(args) if args.markdown => print(&settings::markdown())?,
        Command::Settings(_) => print(&settings::show(&load(cli.config.as_deref())?.values))?,
        Command::Openapi => print(&api::openapi::document())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The error with its causes, each told once: some libraries repeat the cause in their own text.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn load(file: Option<&Path>) -> Result<Loaded, SettingsError> {
    // What is no Unicode is no value of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    settings::load(environment, Places { file, folder: Path::new(".") })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime cannot start")
}

/// Prints to standard output; a reader that went away is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("cannot print"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_cause_that_its_error_repeats_is_told_once() {
        let error =
            anyhow::anyhow!("no such file").context("cannot connect: no such file").context("no database");
        assert_eq!(told(&error), "no database: cannot connect: no such file");
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
    }
}
