//! `jackfield plugin`: what authors of plugins do at the command line.
//!
//! Results go to standard output, progress and problems to standard error. Exit codes: 0 for success, 1 for problems
//! with the plugin, the server or the disk, 2 for a wrong command line.

mod build;
mod check;
mod dev;
pub(crate) mod folder;
mod install;
mod logs;
mod new;
mod output;
mod publish;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use model::PluginId;

use crate::remote::ServerArgs;
use crate::remote::report::{self, Failure};

/// What to do with a plugin.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Make the sources of a new plugin.
    #[command(
        after_help = "Examples:\n  jackfield plugin new opening-hours\n  jackfield plugin new guest-book --backend\n  jackfield plugin new pay-later --category payment --dir plugins/pay-later"
    )]
    New(NewArgs),
    /// Check a plugin as the server would, and say all that is wrong.
    #[command(
        after_help = "Examples:\n  jackfield plugin check\n  jackfield plugin check plugins/pay-later --json\n\nWhat belongs to the plugin: every file of the folder but those whose name begins with a dot, those in folders named node_modules, and those in a folder named dist at the top. Links are not followed; one among the plugin's files is a problem."
    )]
    Check(CheckArgs),
    /// Build a plugin as the server would, into a folder.
    #[command(
        after_help = "Examples:\n  jackfield plugin build\n  jackfield plugin build plugins/pay-later --out /tmp/pay-later\n\nThe folder is replaced as a whole, once the build has succeeded, and only if nothing but an earlier build is in it."
    )]
    Build(BuildArgs),
    /// Check a plugin and publish it as a new version.
    #[command(
        after_help = "Examples:\n  jackfield plugin publish\n  JACKFIELD_TOKEN=… jackfield plugin publish plugins/pay-later --url https://plugins.example.com\n  jackfield plugin publish --tenant acme --install --if-new"
    )]
    Publish(PublishArgs),
    /// Install a published plugin for a tenant.
    #[command(
        disable_version_flag = true,
        after_help = "Examples:\n  jackfield plugin install pay-later --tenant acme\n  jackfield plugin install pay-later --version 1.2.0 --if-new\n  jackfield plugin install pay-later --upgrade"
    )]
    Install(InstallArgs),
    /// Publish and install a plugin again whenever a file of it changes, and show what its backend writes.
    #[command(
        after_help = "Examples:\n  jackfield plugin dev\n  jackfield plugin dev plugins/pay-later --tenant acme\n  jackfield plugin dev --once --json\n\nEach change becomes a version such as 1.1.0-dev.1763755200123, which is installed with consent to all that it asks for. Such versions come before the release and stay on the server, which takes 1,000 of a plugin: use a server of your own."
    )]
    Dev(DevArgs),
    /// Show what a plugin's backend has written for the tenant.
    #[command(
        after_help = "Examples:\n  jackfield plugin logs pay-later --tenant acme\n  jackfield plugin logs pay-later --follow --level warn"
    )]
    Logs(LogsArgs),
}

/// What to make.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The plugin's id: letters, digits and . _ - after a first letter or digit.
    name: PluginId,
    /// What kind of plugin it is.
    #[arg(long, default_value = "widget", value_parser = new::parse_word)]
    category: String,
    /// Where in the host page it appears. Without it, payment-methods for payments, else dashboard-widgets.
    #[arg(long, value_name = "POINT", value_parser = new::parse_word)]
    extension_point: Option<String>,
    /// With a backend: handlers on the server, and a test of them.
    #[arg(long)]
    backend: bool,
    /// The folder to make, in place of one with the plugin's id in the current folder.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The plugin's folder, which holds its plugin.json.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Print one JSON document; its `code` and `errors` are those that the server would answer with.
    #[arg(long)]
    json: bool,
}

/// What to build, and where.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The plugin's folder, which holds its plugin.json.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The folder to write, in place of dist in the plugin's folder.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What to publish, and how.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The plugin's folder, which holds its plugin.json.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Install the version for the tenant once it is published.
    #[arg(long)]
    install: bool,
    /// Take it for success that the version is published, or the plugin installed, already.
    #[arg(long)]
    if_new: bool,
    /// With --install: move an installed plugin to the version, and consent to all that it asks for.
    #[arg(long, requires = "install")]
    upgrade: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What to install.
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The plugin's id.
    id: PluginId,
    /// The version, in place of the newest that fits.
    #[arg(long)]
    version: Option<String>,
    /// Take it for success that the plugin is installed already.
    #[arg(long)]
    if_new: bool,
    /// Move an installed plugin to the version, and consent to all that it asks for.
    #[arg(long)]
    upgrade: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What to develop, and where.
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The plugin's folder, which holds its plugin.json.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Publish and install once, and end.
    #[arg(long)]
    once: bool,
    /// Print one JSON document a line: published, failed, log, ended.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Whose log to show, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The plugin's id.
    id: PluginId,
    /// Go on with what it writes from now on.
    #[arg(long, short)]
    follow: bool,
    /// Leave out what is less grave.
    #[arg(long, value_parser = ["debug", "info", "warn", "error"])]
    level: Option<String>,
    /// How many of the newest lines to begin with.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Print one JSON document a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs one of the commands, and tells what came of it.
pub(crate) async fn run(command: PluginCommand) -> ExitCode {
    let json = matches!(
        &command,
        PluginCommand::Check(CheckArgs { json: true, .. })
            | PluginCommand::Build(BuildArgs { json: true, .. })
    );
    let is_lines = matches!(&command, PluginCommand::Dev(DevArgs { json: true, .. }));
    let done = match command {
        PluginCommand::New(args) => new::run(&args),
        PluginCommand::Check(args) => check::run(&args).await,
        PluginCommand::Build(args) => build::run(&args).await,
        PluginCommand::Publish(args) => publish::run(&args).await,
        PluginCommand::Install(args) => install::run(&args).await,
        PluginCommand::Dev(args) => dev::run(&args).await,
        PluginCommand::Logs(args) => logs::run(&args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if is_lines {
                dev::tell_line(&failure);
            } else {
                report::tell(&failure, json);
            }
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
        }
    }
}
