//! Connections and what their credentials are worth, without tokens.

use std::collections::BTreeMap;

use model::{TenantId, Timestamp};
use sqlx::FromRow;
use storage::{Conn, Tx, on};

use crate::Error;
use crate::catalog::ProviderId;
use crate::connection::{Account, Connection, Credential, Status};

macro_rules! columns {
    () => {
        "SELECT id, provider, user_email, label, is_default, status, status_reason, account_id, account_email, \
         account_name, variables, sites, site, client_id, authorized_at, created_at, updated_at, last_used_at \
         FROM connection WHERE tenant = $1 "
    };
}

#[derive(FromRow)]
struct ConnectionRow {
    id: String,
    provider: String,
    user_email: String,
    label: String,
    is_default: bool,
    status: String,
    status_reason: Option<String>,
    account_id: String,
    account_email: Option<String>,
    account_name: Option<String>,
    variables: String,
    sites: String,
    site: Option<String>,
    client_id: String,
    authorized_at: i64,
    created_at: i64,
    updated_at: i64,
    last_used_at: Option<i64>,
}

impl TryFrom<ConnectionRow> for Connection {
    type Error = Error;

    fn try_from(row: ConnectionRow) -> Result<Self, Error> {
        Ok(Self {
            provider: ProviderId::from_stored(row.provider),
            user_email: row.user_email,
            label: row.label,
            is_default: row.is_default,
            status: Status::from_stored(&row.status),
            status_reason: row.status_reason,
            account: Account { id: row.account_id, email: row.account_email, name: row.account_name },
            variables: serde_json::from_str(&row.variables).map_err(Error::Corrupt)?,
            sites: serde_json::from_str(&row.sites).map_err(Error::Corrupt)?,
            site: row.site,
            client_id: row.client_id,
            credentials: Vec::new(),
            authorized_at: Timestamp::from_millisecond(row.authorized_at),
            created_at: Timestamp::from_millisecond(row.created_at),
            updated_at: Timestamp::from_millisecond(row.updated_at),
            last_used_at: row.last_used_at.map(Timestamp::from_millisecond),
            id: row.id,
        })
    }
}

#[derive(FromRow)]
struct CredentialRow {
    connection_id: String,
    name: String,
    scopes: String,
    expires_at: Option<i64>,
    has_refresh_token: bool,
    dies_at: Option<i64>,
    refreshed_at: Option<i64>,
}

/// Which connections of a tenant are meant. What is empty narrows nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter<'a> {
    /// Only those that are this user's or the tenant's own, which are kept under an empty address.
    pub(crate) user_email: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) status: &'a str,
    /// Only connections with a credential that dies before this moment.
    pub(crate) dies_before: Option<Timestamp>,
    /// Those after this id.
    pub(crate) after: &'a str,
    pub(crate) limit: i64,
}

macro_rules! narrowed {
    ($user:literal) => {
        concat!(
            columns!(),
            $user,
            " AND id > $2 AND ($4 = '' OR provider = $4) AND ($5 = '' OR status = $5) \
             AND ($6 = 0 OR EXISTS (SELECT 1 FROM credential c WHERE c.tenant = connection.tenant \
             AND c.connection_id = connection.id AND c.dies_at < $6)) ORDER BY id LIMIT $7"
        )
    };
}

const LIST: &str = narrowed!("AND $3 = ''");
const LIST_OF_USER: &str = narrowed!("AND user_email IN ($3, '')");

/// Connections by id, which is by age.
pub(crate) async fn list(
    conn: &mut Conn,
    tenant: &TenantId,
    filter: &Filter<'_>,
) -> Result<Vec<Connection>, Error> {
    let rows: Vec<ConnectionRow> = on!(conn, |c| {
        // A user's own are few, and found by an index that the general condition would not be looked up in.
        sqlx::query_as(if filter.user_email.is_empty() { LIST } else { LIST_OF_USER })
            .bind(tenant.as_str())
            .bind(filter.after)
            .bind(filter.user_email)
            .bind(filter.provider)
            .bind(filter.status)
            .bind(filter.dies_before.map_or(0, Timestamp::as_millisecond))
            .bind(filter.limit)
            .fetch_all(c)
            .await
    })?;
    let mut connections: Vec<Connection> =
        rows.into_iter().map(Connection::try_from).collect::<Result<_, _>>()?;
    add_credentials(conn, tenant, filter, &mut connections).await?;
    Ok(connections)
}

/// The connection of this id.
pub(crate) async fn find(conn: &mut Conn, tenant: &TenantId, id: &str) -> Result<Option<Connection>, Error> {
    let row: Option<ConnectionRow> = on!(conn, |c| sqlx::query_as(concat!(columns!(), "AND id = $2"))
        .bind(tenant.as_str())
        .bind(id)
        .fetch_optional(c)
        .await)?;
    with_credentials(conn, tenant, row).await
}

/// The connection of a user, or of the tenant where the address is empty, that is meant where none is named: the default
/// one, else the oldest.
pub(crate) async fn find_default(
    conn: &mut Conn,
    tenant: &TenantId,
    user_email: &str,
    provider: &ProviderId,
) -> Result<Option<Connection>, Error> {
    let row: Option<ConnectionRow> = on!(conn, |c| sqlx::query_as(concat!(
        columns!(),
        "AND user_email = $2 AND provider = $3 ORDER BY is_default DESC, id LIMIT 1"
    ))
    .bind(tenant.as_str())
    .bind(user_email)
    .bind(provider.as_str())
    .fetch_optional(c)
    .await)?;
    with_credentials(conn, tenant, row).await
}

/// The connection of a user to one account.
pub(crate) async fn find_account(
    conn: &mut Conn,
    tenant: &TenantId,
    user_email: &str,
    provider: &ProviderId,
    (account_id, variables): (&str, &BTreeMap<String, String>),
) -> Result<Option<Connection>, Error> {
    let variables = serde_json::to_string(variables).map_err(Error::Corrupt)?;
    let row: Option<ConnectionRow> = on!(conn, |c| sqlx::query_as(concat!(
        columns!(),
        "AND user_email = $2 AND provider = $3 AND account_id = $4 AND variables = $5"
    ))
    .bind(tenant.as_str())
    .bind(user_email)
    .bind(provider.as_str())
    .bind(account_id)
    .bind(&variables)
    .fetch_optional(c)
    .await)?;
    with_credentials(conn, tenant, row).await
}

/// How many connections a user has, over all providers.
pub(crate) async fn count(conn: &mut Conn, tenant: &TenantId, user_email: &str) -> Result<i64, Error> {
    let (count,): (i64,) = on!(conn, |c| sqlx::query_as(
        "SELECT COUNT(*) FROM connection WHERE tenant = $1 AND user_email = $2"
    )
    .bind(tenant.as_str())
    .bind(user_email)
    .fetch_one(c)
    .await)?;
    Ok(count)
}

/// Writes a connection, new or as it has become; its credentials are the vault's.
pub(crate) async fn put(tx: &mut Tx, tenant: &TenantId, connection: &Connection) -> Result<(), Error> {
    let variables = serde_json::to_string(&connection.variables).map_err(Error::Corrupt)?;
    let sites = serde_json::to_string(&connection.sites).map_err(Error::Corrupt)?;
    on!(tx, |c| {
        sqlx::query(
        "INSERT INTO connection (tenant, id, provider, user_email, label, is_default, status, status_reason, \
         account_id, account_email, account_name, variables, sites, site, client_id, authorized_at, created_at, \
         updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
         ON CONFLICT (tenant, id) DO UPDATE SET label = excluded.label, is_default = excluded.is_default, \
         status = excluded.status, status_reason = excluded.status_reason, account_email = excluded.account_email, \
         account_name = excluded.account_name, sites = excluded.sites, site = excluded.site, \
         client_id = excluded.client_id, authorized_at = excluded.authorized_at, updated_at = excluded.updated_at"
    )
    .bind(tenant.as_str())
    .bind(&connection.id)
    .bind(connection.provider.as_str())
    .bind(&connection.user_email)
    .bind(&connection.label)
    .bind(connection.is_default)
    .bind(connection.status.as_str())
    .bind(&connection.status_reason)
    .bind(&connection.account.id)
    .bind(&connection.account.email)
    .bind(&connection.account.name)
    .bind(&variables)
    .bind(&sites)
    .bind(&connection.site)
    .bind(&connection.client_id)
    .bind(connection.authorized_at.as_millisecond())
    .bind(connection.created_at.as_millisecond())
    .bind(connection.updated_at.as_millisecond())
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Keeps others from changing a user's connections to a provider until this transaction ends. Whoever changes a connection
/// after having read it begins with this, and with the connections before their credentials: two such could otherwise
/// wait for each other, or write what the other has changed.
pub(crate) async fn lock_of_user(
    tx: &mut Tx,
    tenant: &TenantId,
    user_email: &str,
    provider: &ProviderId,
) -> Result<(), Error> {
    on!(tx, |c| {
        sqlx::query(
        "UPDATE connection SET updated_at = updated_at WHERE tenant = $1 AND user_email = $2 AND provider = $3"
    )
    .bind(tenant.as_str())
    .bind(user_email)
    .bind(provider.as_str())
    .execute(c)
    .await
    .map(drop)
    })?;
    Ok(())
}

/// Makes `connection` the one that is meant where none is named, and no other of the same user and provider, which are
/// locked.
pub(crate) async fn make_default(
    tx: &mut Tx,
    tenant: &TenantId,
    connection: &Connection,
) -> Result<(), Error> {
    // In two steps: there may be one default at any moment.
    for sql in [
        "UPDATE connection SET is_default = FALSE \
         WHERE tenant = $1 AND user_email = $2 AND provider = $3 AND id <> $4 AND is_default",
        "UPDATE connection SET is_default = TRUE \
         WHERE tenant = $1 AND user_email = $2 AND provider = $3 AND id = $4",
    ] {
        on!(tx, |c| sqlx::query(sql)
            .bind(tenant.as_str())
            .bind(&connection.user_email)
            .bind(connection.provider.as_str())
            .bind(&connection.id)
            .execute(c)
            .await
            .map(drop))?;
    }
    Ok(())
}

/// Deletes a connection with its credentials. Whether there was one.
pub(crate) async fn delete(tx: &mut Tx, tenant: &TenantId, id: &str) -> Result<bool, Error> {
    on!(tx, |c| sqlx::query("DELETE FROM credential WHERE tenant = $1 AND connection_id = $2")
        .bind(tenant.as_str())
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    let deleted = on!(tx, |c| sqlx::query("DELETE FROM connection WHERE tenant = $1 AND id = $2")
        .bind(tenant.as_str())
        .bind(id)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(deleted > 0)
}

async fn with_credentials(
    conn: &mut Conn,
    tenant: &TenantId,
    row: Option<ConnectionRow>,
) -> Result<Option<Connection>, Error> {
    let Some(row) = row else { return Ok(None) };
    let mut connections = [Connection::try_from(row)?];
    add_credentials(conn, tenant, &Filter::default(), &mut connections).await?;
    let [connection] = connections;
    Ok(Some(connection))
}

/// Reads the credentials of `connections`, which are in the order of their ids and what `filter` has let through. Those
/// of others that lie between are not read: a tenant may have any number.
async fn add_credentials(
    conn: &mut Conn,
    tenant: &TenantId,
    filter: &Filter<'_>,
    connections: &mut [Connection],
) -> Result<(), Error> {
    let (Some(first), Some(last)) = (connections.first(), connections.last()) else { return Ok(()) };
    let rows: Vec<CredentialRow> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT k.connection_id, k.name, k.scopes, k.expires_at, k.sealed_refresh IS NOT NULL AS has_refresh_token, \
         k.dies_at, k.refreshed_at FROM connection c \
         JOIN credential k ON k.tenant = c.tenant AND k.connection_id = c.id \
         WHERE c.tenant = $1 AND c.id BETWEEN $2 AND $3 AND ($4 = '' OR c.user_email IN ($4, '')) \
         AND ($5 = '' OR c.provider = $5) AND ($6 = '' OR c.status = $6) \
         AND ($7 = 0 OR EXISTS (SELECT 1 FROM credential d WHERE d.tenant = c.tenant AND d.connection_id = c.id \
         AND d.dies_at < $7)) ORDER BY k.connection_id, k.name"
    )
    .bind(tenant.as_str())
    .bind(&first.id)
    .bind(&last.id)
    .bind(filter.user_email)
    .bind(filter.provider)
    .bind(filter.status)
    .bind(filter.dies_before.map_or(0, Timestamp::as_millisecond))
    .fetch_all(c)
    .await
    })?;
    for row in rows {
        let Ok(index) = connections.binary_search_by(|each| each.id.cmp(&row.connection_id)) else {
            continue;
        };
        let Some(connection) = connections.get_mut(index) else { continue };
        connection.credentials.push(Credential {
            name: row.name,
            scopes: serde_json::from_str(&row.scopes).map_err(Error::Corrupt)?,
            expires_at: row.expires_at.map(Timestamp::from_millisecond),
            has_refresh_token: row.has_refresh_token,
            dies_at: row.dies_at.map(Timestamp::from_millisecond),
            refreshed_at: row.refreshed_at.map(Timestamp::from_millisecond),
        });
    }
    Ok(())
}
