//! `jackfield connections list`.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Args;
use connections::connection::{Connection, Status};
use connections::{Connections, Listing};
use model::TenantId;
use serde_json::{Value, json};

use super::parse_user;
use crate::cli::print;
use crate::remote::note;

/// As many as one reading may give.
const PAGE: u32 = 200;

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The tenant whose connections are meant.
    #[arg(long)]
    tenant: TenantId,
    /// Only those to this provider.
    #[arg(long)]
    provider: Option<String>,
    /// Only those that this user may use, by e-mail address: the user's own and the tenant's.
    #[arg(long, value_name = "EMAIL", value_parser = parse_user)]
    user: Option<String>,
    /// Only those in this status: active, needs_site or needs_reauth.
    #[arg(long, value_parser = parse_status)]
    status: Option<Status>,
    /// Print JSON, a line for each connection.
    #[arg(long)]
    json: bool,
}

fn parse_status(text: &str) -> Result<Status, String> {
    let all = [Status::Active, Status::NeedsSite, Status::NeedsReauth];
    let known = all.into_iter().find(|status| status.as_str() == text);
    known.ok_or_else(|| "one of active, needs_site, needs_reauth".to_owned())
}

/// Prints page by page.
pub(super) async fn run(connections: &Connections, args: &ListArgs) -> anyhow::Result<()> {
    let mut listing = Listing {
        user_email: args.user.clone(),
        provider: args.provider.clone(),
        status: args.status,
        limit: Some(PAGE),
        ..Listing::default()
    };
    let mut count = 0;
    loop {
        let page = connections.list(&args.tenant, &listing).await?;
        count += page.connections.len();
        print(&told(&page.connections, args.json)?)?;
        listing.cursor = page.next_cursor;
        if listing.cursor.is_none() {
            break;
        }
    }
    if count == 0 {
        note("there are no such connections");
    }
    Ok(())
}

fn told(page: &[Connection], is_json: bool) -> anyhow::Result<String> {
    let mut text = String::new();
    for connection in page {
        if is_json {
            writeln!(text, "{}", as_json(connection)).context("no memory")?;
            continue;
        }
        let Connection { id, provider, label, .. } = connection;
        let (status, user) = (connection.status.as_str(), connection.user().unwrap_or("(tenant)"));
        writeln!(text, "{id}  {provider:<12}  {status:<12}  {user}  {label}").context("no memory")?;
    }
    Ok(text)
}

fn as_json(connection: &Connection) -> Value {
    json!({
        "id": connection.id,
        "provider": connection.provider.as_str(),
        "user_email": connection.user(),
        "label": connection.label,
        "default": connection.is_default,
        "status": connection.status.as_str(),
        "status_reason": connection.status_reason,
        "account": connection.account,
        "scopes": connection.scopes(),
        "expires_at": connection.expires_at(),
        "authorized_at": connection.authorized_at,
        "created_at": connection.created_at,
        "last_used_at": connection.last_used_at,
    })
}
