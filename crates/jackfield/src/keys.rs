//! `jackfield keys`: API keys, made at the command line by who runs the server. Sealing keys are in `rotate`.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use identity::{ApiKey, ApiKeys, Maker, NewApiKey};
use model::{Ambient, Role, Scope, TenantId, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use storage::DatabaseUrl;

use crate::cli::print;
use crate::parts::open_database;
use crate::remote::note;
use crate::rotate::{self, RotateArgs};
use crate::settings::Settings;

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it. It cannot be printed again.
    #[command(
        after_help = "Examples:\n  jackfield keys create --name deploy --tenant acme --role admin\n  jackfield keys create --name backend --platform --role admin --json"
    )]
    Create(CreateArgs),
    /// List keys, newest first.
    #[command(after_help = "Example:\n  jackfield keys list --tenant acme")]
    List(ListArgs),
    /// Revoke a key: it is refused from the next request on.
    #[command(after_help = "Example:\n  jackfield keys revoke 01JD3ZK8X8N4V0Q7R5T2W9Y6AB")]
    Revoke(RevokeArgs),
    /// Replace the keys that seal tenants' secrets, while servers go on.
    ///
    /// Makes a new data key for each tenant, seals everything anew under it, and destroys the former key. Data keys are
    /// wrapped under ENCRYPTION_KEY in place of a key of ENCRYPTION_KEYS_ACCEPTED. May be interrupted and run again.
    #[command(
        after_help = "Examples:\n  jackfield keys rotate\n  jackfield keys rotate --tenant acme\n  jackfield keys rotate --master"
    )]
    Rotate(RotateArgs),
}

/// Where a key holds.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ScopeArgs {
    /// The tenant that the key holds in.
    #[arg(long)]
    tenant: Option<TenantId>,
    /// A key that holds in every tenant; a request names the one it means in x-tenant-id.
    #[arg(long)]
    platform: bool,
}

impl From<ScopeArgs> for Scope {
    fn from(args: ScopeArgs) -> Self {
        args.tenant.map_or(Self::Platform, Self::Tenant)
    }
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What the key is for.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    scope: ScopeArgs,
    /// What the key may do: user, admin, owner, or platform_admin for a key of the platform.
    #[arg(long, default_value = "user")]
    role: Role,
    /// From when on the key is refused, as in 2027-01-01T00:00:00Z. Without it, it lives until it is revoked.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    expires: Option<Timestamp>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The key's id, as `keys list` prints it.
    id: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Reads a time in RFC 3339.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, String> {
    let time = text.parse::<jiff::Timestamp>();
    time.map(|time| Timestamp::from_millisecond(time.as_millisecond()))
        .map_err(|_| "a time in RFC 3339, such as 2027-01-01T00:00:00Z".to_owned())
}

/// Runs one of the commands.
pub(crate) async fn run(settings: &Settings, command: KeysCommand) -> anyhow::Result<()> {
    note_which_database(settings, &command)?;
    let ambient = Ambient::system();
    let database = open_database(settings, &ambient).await?;
    let keys = ApiKeys::new(database.clone(), ambient.clone());
    let text = match command {
        KeysCommand::Create(args) => create(&keys, args).await,
        KeysCommand::List(args) => list(&keys, args).await,
        KeysCommand::Revoke(args) => revoke(&keys, args).await,
        KeysCommand::Rotate(args) => rotate::run(settings, &database, &ambient, args).await,
    };
    database.close().await;
    print(&text?)
}

/// Says so where there is no database yet: the command may run in another folder than the server does.
fn note_which_database(settings: &Settings, command: &KeysCommand) -> anyhow::Result<()> {
    if !matches!(command, KeysCommand::Create(_)) {
        return require_database(settings);
    }
    if let DatabaseUrl::Sqlite(path) = settings.database()?
        && !path.exists()
    {
        let path = path.display();
        note(&format!(
            "there was no database at {path}; it is made now, for a server with the same settings"
        ));
    }
    Ok(())
}

/// Refuses to make a database where the command is about what is in one.
pub(crate) fn require_database(settings: &Settings) -> anyhow::Result<()> {
    match settings.database()? {
        DatabaseUrl::Sqlite(path) if !path.exists() => anyhow::bail!(
            "there is no database at {}: run this with the server's settings, in its folder or with its DATA_DIR, \
             DATABASE_PATH or DATABASE_URL",
            path.display()
        ),
        _ => Ok(()),
    }
}

async fn create(keys: &ApiKeys, args: CreateArgs) -> anyhow::Result<String> {
    let new =
        NewApiKey { scope: args.scope.into(), role: args.role, name: args.name, expires_at: args.expires };
    let (key, secret) = keys.create(new, Maker::Operator).await.map_err(explained)?;
    if args.json {
        let mut body = as_json(&key);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("secret".to_owned(), secret.expose_secret().into());
        }
        return Ok(format!("{body:#}\n"));
    }
    Ok(format!("{}\n", secret.expose_secret()))
}

async fn list(keys: &ApiKeys, args: ListArgs) -> anyhow::Result<String> {
    let found = keys.list(&args.scope.into()).await?;
    if args.json {
        let body: Value = found.iter().map(as_json).collect();
        return Ok(format!("{body:#}\n"));
    }
    if found.is_empty() {
        note("there are no keys");
    }
    let mut text = String::new();
    for key in &found {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(time), _) => format!("revoked {time}"),
            (None, Some(time)) => format!("until {time}"),
            (None, None) => "until revoked".to_owned(),
        };
        writeln!(text, "{}  {:<14}  {}  ({state})", key.id, key.role.as_str(), key.name)
            .context("no memory")?;
    }
    Ok(text)
}

async fn revoke(keys: &ApiKeys, args: RevokeArgs) -> anyhow::Result<String> {
    let key = keys.revoke(&Scope::Platform, &args.id).await?;
    Ok(if args.json {
        format!("{:#}\n", as_json(&key))
    } else {
        format!("revoked {} ({})\n", key.id, key.name)
    })
}

/// The error with all that is wrong with the description of a key.
fn explained(error: identity::Error) -> anyhow::Error {
    let details = model::Coded::violations(&error);
    let details =
        details.iter().map(|each| format!("{}: {}", each.pointer.trim_start_matches('/'), each.detail));
    let details: Vec<String> = details.collect();
    if details.is_empty() { error.into() } else { anyhow::anyhow!("{error}: {}", details.join("; ")) }
}

fn as_json(key: &ApiKey) -> Value {
    let tenant = match &key.scope {
        Scope::Tenant(tenant) => Some(tenant.as_str()),
        Scope::Platform => None,
    };
    json!({
        "id": key.id,
        "name": key.name,
        "role": key.role.as_str(),
        "tenantId": tenant,
        "createdBy": key.created_by,
        "createdAt": key.created_at,
        "lastUsedAt": key.last_used_at,
        "expiresAt": key.expires_at,
        "revokedAt": key.revoked_at,
    })
}
