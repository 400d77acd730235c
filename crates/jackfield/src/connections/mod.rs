//! `jackfield connections`: the accounts that users have connected, seen and revoked by who runs the server.

mod list;
mod report;
mod revoke;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use connections::Connections;
use model::Ambient;
use storage::{Database, Sealer};

use crate::keys::require_database;
use crate::parts;
use crate::settings::{Loaded, Settings};

use list::ListArgs;
use revoke::RevokeArgs;

/// How long what is still being done may take once the command has its answer.
const SETTLE_DEADLINE: Duration = Duration::from_secs(12);

/// What to do with connections.
#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionsCommand {
    /// List the connections of a tenant, oldest first.
    #[command(
        after_help = "Examples:\n  jackfield connections list --tenant acme\n  jackfield connections list --tenant acme --status needs_reauth --json"
    )]
    List(ListArgs),
    /// Revoke many connections, as after a breach: at their providers, and here in any case.
    ///
    /// Works on the database, whether servers run or not. Running servers keep opened tokens in memory for 30 seconds at
    /// most. May be interrupted, or killed, and run again: with the same filter it goes on where it was, for 24 hours.
    /// Connections that are made or renewed after it has begun are left alone.
    #[command(
        after_help = "Examples:\n  jackfield connections revoke --provider slack --before 2026-11-20T08:00:00Z\n  jackfield connections revoke --tenant acme --user ann@example.com --yes\n  jackfield connections revoke --all --rate 20 --yes --json\n\nExit codes: 0 all of them are deleted here, 1 some are not, or it was interrupted, 2 wrong command line or settings."
    )]
    Revoke(RevokeArgs),
}

/// Runs one of the commands.
pub(crate) async fn run(loaded: Loaded, command: ConnectionsCommand) -> anyhow::Result<ExitCode> {
    let opened = Opened::open(loaded).await?;
    let connections = &opened.connections;
    let outcome = match command {
        ConnectionsCommand::List(args) => list::run(connections, &args).await.map(|()| ExitCode::SUCCESS),
        ConnectionsCommand::Revoke(args) => revoke::run(connections, args).await,
    };
    opened.close().await;
    outcome
}

/// The broker on the database of the settings, for a command.
pub(crate) struct Opened {
    pub(crate) settings: Settings,
    pub(crate) sealer: Sealer,
    pub(crate) connections: Connections,
    pub(crate) ambient: Ambient,
    database: Database,
}

impl Opened {
    /// Fails where there is no database yet.
    pub(crate) async fn open(loaded: Loaded) -> anyhow::Result<Self> {
        let settings = loaded.settings;
        require_database(&settings)?;
        let ambient = Ambient::system();
        let database = parts::open_database(&settings, &ambient).await?;
        let sealer = parts::sealer(&settings, &database, &ambient).await?;
        let public_url = settings.public_url(SocketAddr::new(settings.host, settings.port))?;
        let connections = parts::connections(
            &settings,
            (&database, &sealer),
            loaded.catalog,
            &parts::guard(&settings)?,
            &public_url,
            &ambient,
        )
        .context("the broker cannot be made")?;
        Ok(Self { settings, sealer, connections, ambient, database })
    }

    /// Ends what is still being done, within a while.
    pub(crate) async fn close(self) {
        self.connections.vault().settle(SETTLE_DEADLINE).await;
        self.connections.activity().close().await;
        self.database.close().await;
    }
}

/// Reads the argument of `--user`.
fn parse_user(text: &str) -> Result<String, String> {
    connections::user_email(text).map_err(|_| "an e-mail address".to_owned())
}
