//! This plugin's app at the Lexmodo platform: the platform as an entry of the catalog, what is told of the app at start,
//! and `jackfield lexmodo`.

mod customers;

use std::process::ExitCode;

use anyhow::Context as _;
use api::LexmodoPlugin;
use clap::Subcommand;
use connections::catalog::{Catalog, Owner, PlatformEntry};
use secrecy::ExposeSecret as _;
use toml::{Table, Value};
use url::Url;

use crate::connections::Opened;
use crate::parts;
use crate::settings::{Lexmodo, Loaded};

use customers::CustomersArgs;

/// What to do at the platform.
#[derive(Debug, Subcommand)]
pub(crate) enum LexmodoCommand {
    /// List the customers of a store whose admin has connected it.
    ///
    /// Works on the database, whether servers run or not, with the store's own connection; the record of activity tells of
    /// it. What was printed before an error is what came until then.
    #[command(
        after_help = "Examples:\n  jackfield lexmodo customers --store 42\n  jackfield lexmodo customers --store 42 --rule lee --json > customers.ndjson\n\nExit codes: 0 all of them were printed, 1 not all, 2 wrong command line or settings."
    )]
    Customers(CustomersArgs),
}

/// Runs one of the commands.
pub(crate) async fn run(loaded: Loaded, command: LexmodoCommand) -> anyhow::Result<ExitCode> {
    let opened = Opened::open(loaded).await?;
    let connectors = parts::connectors(
        &opened.settings,
        (&opened.sealer, &opened.connections),
        None,
        &parts::guard(&opened.settings)?,
        &opened.ambient,
    )?;
    let outcome = match command {
        LexmodoCommand::Customers(args) => customers::run(&connectors, args).await,
    };
    opened.close().await;
    outcome
}

/// The platform's name in the catalog, and of its connector.
pub(crate) const PROVIDER: &str = "lexmodo";

/// Which setting each key of the entry comes from.
const SETTINGS: &[(&str, &str)] = &[
    ("authorization_params", "PLUGIN_CODE"),
    ("authorization_url", "AUTHORIZE_URL"),
    ("client_id", "APP_CLIENT_ID"),
    ("client_secret", "APP_SECRET"),
    ("default_scopes", "PLUGIN_SCOPE"),
    ("redirect_uri", "REDIRECT_URI"),
    ("token_url", "TOKEN_URL"),
];

/// The platform as an entry of the catalog. A connection is the store's, whoever of its admins made it.
pub(crate) fn entry(app: &Lexmodo) -> PlatformEntry<'static> {
    let texts = [
        ("name", "Lexmodo"),
        ("owner", "tenant"),
        ("authorization_url", app.authorize_url.as_str()),
        ("token_url", app.token_url.as_str()),
        ("token_auth", "client_secret_basic"),
        ("client_id", &app.client_id),
        ("client_secret", app.secret.expose_secret()),
    ];
    let mut table = table_of(texts);
    table.insert(
        "authorization_params".to_owned(),
        // Without the first there is no refresh token.
        table_of([("access_type", "offline"), ("plugin_code", &app.plugin_code)]).into(),
    );
    let scopes = app.scopes.iter().cloned().map(Value::String);
    table.insert("default_scopes".to_owned(), Value::Array(scopes.collect()));
    table.insert("rotation".to_owned(), Table::from_iter([("rotates".to_owned(), true.into())]).into());
    if let Some(url) = &app.redirect_uri {
        table.insert("redirect_uri".to_owned(), url.as_str().into());
    }
    PlatformEntry { id: PROVIDER, table, settings: SETTINGS }
}

/// What an operator's own file makes of the entry that the plugin's page could not work with: a sentence for each.
pub(crate) fn problems(catalog: &Catalog) -> Vec<String> {
    let Some(provider) = catalog.get(PROVIDER) else { return Vec::new() };
    let rules = [
        (provider.owner == Owner::Tenant, "owner must be \"tenant\": a connection is the store's"),
        (
            provider.variables.values().all(|variable| variable.default.is_some()),
            "variables must each have a default: a store's admin is asked for none",
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, sentence)| format!("[providers.{PROVIDER}] {sentence}")).collect()
}

fn table_of<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Table {
    texts.into_iter().map(|(key, text)| (key.to_owned(), text.into())).collect()
}

/// The catalog in which browsers come back from the platform to `/callback` of this server, unless REDIRECT_URI says
/// otherwise.
pub(crate) fn returning_here(catalog: Catalog, public_url: &Url) -> anyhow::Result<Catalog> {
    let base = public_url.as_str().trim_end_matches('/');
    let url = Url::parse(&format!("{base}/callback")).context("the server's own address is no URL")?;
    Ok(catalog.returning_to(PROVIDER, url))
}

/// The plugin whose page the platform's admin shows.
pub(crate) fn plugin(app: Lexmodo) -> LexmodoPlugin {
    LexmodoPlugin {
        issuer: app.issuer.url,
        plugin_code: app.plugin_code,
        plugin_name: app.plugin_name,
        plugin_type: app.plugin_type,
        reads_customers: app.grpc_address.is_some(),
    }
}

/// Tells in the log what this server is at the platform.
pub(crate) fn tell(app: &Lexmodo) {
    tracing::info!(
        plugin.code = app.plugin_code,
        plugin.kind = app.plugin_type,
        plugin.name = app.plugin_name,
        platform = app.issuer.text,
        grpc.address = app.grpc_address.as_ref().map(Url::as_str),
        grpc.descriptor_set = app.descriptor_set.as_ref().map(|path| path.display().to_string()),
        grpc.max_message_bytes = app.max_message_bytes,
        "this is a plugin of the Lexmodo platform"
    );
}
