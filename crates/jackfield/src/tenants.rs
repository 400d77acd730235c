//! `jackfield tenants`: tenants as a whole.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use model::{Ambient, TenantId};
use serde_json::json;
use storage::Deleted;

use crate::cli::{Usage, print};
use crate::keys::require_database;
use crate::parts::{open_database, tenants};
use crate::settings::Settings;

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum TenantsCommand {
    /// Delete all that a tenant has, for good.
    ///
    /// Its key is destroyed first: from then on none of its secrets opens. Take its users' and services' credentials away
    /// before, or what they do next begins a new tenant of that name. May be interrupted and run again.
    #[command(
        after_help = "Examples:\n  jackfield tenants delete acme\n  jackfield tenants delete acme --yes --json"
    )]
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The tenant.
    tenant: TenantId,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs one of the commands.
pub(crate) async fn run(settings: &Settings, command: TenantsCommand) -> anyhow::Result<()> {
    let TenantsCommand::Delete(args) = command;
    require_database(settings)?;
    if !args.yes {
        confirm(&args.tenant)?;
    }
    let ambient = Ambient::system();
    let database = open_database(settings, &ambient).await?;
    let deleted = tenants(&database, Vec::new(), &ambient).delete(&args.tenant, "operator").await;
    database.close().await;
    let deleted = deleted.context("the deletion has not ended: run it again, or a server goes on with it")?;
    let deleted = deleted.with_context(|| format!("the tenant {} has nothing here", args.tenant))?;
    print(&told(&args, &deleted)?)
}

/// Asks on a terminal for the tenant's name to be typed again.
fn confirm(tenant: &TenantId) -> anyhow::Result<()> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Usage("nobody can be asked here: add --yes to delete without".into()).into());
    }
    let question = format!(
        "This deletes all that the tenant {tenant} has, and cannot be undone.\nType its name to go on: "
    );
    std::io::stderr().write_all(question.as_bytes()).context("nobody can be asked")?;
    let mut line = String::new();
    stdin.read_line(&mut line).context("nobody can be asked")?;
    if line.trim() == tenant.as_str() {
        return Ok(());
    }
    anyhow::bail!("that is another name: nothing was deleted")
}

fn told(args: &DeleteArgs, deleted: &Deleted) -> anyhow::Result<String> {
    if args.json {
        return Ok(format!("{:#}\n", json!({"tenantId": args.tenant, "deleted": deleted})));
    }
    let mut text = format!("deleted the tenant {}\n", args.tenant);
    for (name, count) in deleted {
        writeln!(text, "{count:>8}  {name}").context("no memory")?;
    }
    Ok(text)
}
