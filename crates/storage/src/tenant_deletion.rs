//! Deleting all that a tenant has: its key first, so that nothing opens from then on, then every row, in small
//! transactions that any other process can go on with.

use std::collections::BTreeMap;
use std::fmt;

use futures::future::BoxFuture;
use model::{Ambient, Event, EventKind, TenantId};
use serde_json::json;

use crate::backoff::Backoff;
use crate::{Conn, Database, Error, Tx, data_key, on};

/// The most rows that one transaction deletes.
const BATCH: i64 = 500;
/// What the destroyed data keys are called in the report.
const DATA_KEYS: &str = "data keys";

/// A kind of rows that tenants have. Every crate lists its own in a constant `TENANT_DATA`, as it lists its migrations,
/// in an order in which they can be deleted.
#[derive(Clone, Copy)]
pub struct TenantData {
    /// What they are called in the report, in the plural.
    pub name: &'static str,
    /// Deletes at most so many of the tenant's, or a little more, and tells how many.
    pub delete: for<'a> fn(&'a mut Tx, &'a TenantId, i64) -> BoxFuture<'a, Result<u64, Error>>,
}

impl fmt::Debug for TenantData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TenantData").field(&self.name).finish()
    }
}

/// The rows that this crate has of a tenant. The log is to be the last of all lists.
pub const TENANT_DATA: &[TenantData] =
    &[TenantData { name: "events", delete: |tx, tenant, limit| Box::pin(delete_events(tx, tenant, limit)) }];

/// How many of each kind were deleted, by [`TenantData::name`].
pub type Deleted = BTreeMap<String, u64>;

/// What a step of a deletion has done, with the counts of all steps so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Some rows went.
    Deleted(Deleted),
    /// There were none left.
    Ended(Deleted),
    /// Another process went on with it, and has ended it.
    EndedElsewhere,
}

/// A deletion as it is stored.
struct Deletion {
    by: String,
    counts: Deleted,
}

/// Deletes tenants.
pub struct Tenants {
    database: Database,
    data: Vec<TenantData>,
    forget: Vec<Forget>,
    ambient: Ambient,
}

/// Drops what a part of this process remembers of a tenant.
pub type Forget = Box<dyn Fn(&TenantId) + Send + Sync>;

impl Tenants {
    /// `data` are the lists of all crates, `forget` what to call in this process once a tenant's key is destroyed.
    pub fn new(database: Database, data: &[&[TenantData]], forget: Vec<Forget>, ambient: Ambient) -> Self {
        Self { database, data: data.concat(), forget, ambient }
    }

    /// Destroys the tenant's key, then deletes all that it has. Where an earlier deletion was interrupted, this one goes
    /// on with it and reports both. `None` if there was nothing. `by` is noted in the log.
    ///
    /// It may take as long as there is to delete, at some thousand rows a second. Whoever writes for the tenant
    /// meanwhile is refused as soon as there is something to seal ([`Error::TenantDeleted`]), and what others write is
    /// deleted too, as long as it comes before the end; what comes later makes a new tenant.
    pub async fn delete(&self, tenant: &TenantId, by: &str) -> Result<Option<Deleted>, Error> {
        self.attempt(|| self.begin(tenant, by)).await?;
        self.forget_all(tenant);
        let mut so_far = Deleted::new();
        loop {
            match self.attempt(|| self.step(tenant)).await? {
                Step::Deleted(deleted) => so_far = deleted,
                Step::Ended(deleted) => break so_far = deleted,
                Step::EndedElsewhere => break,
            }
        }
        // What a request in flight has brought back meanwhile.
        self.forget_all(tenant);
        Ok(Some(so_far).filter(|deleted| !deleted.is_empty()))
    }

    /// Goes on with deletions that were interrupted, a few at a time. Returns how many it has ended.
    pub async fn finish_interrupted(&self) -> Result<usize, Error> {
        let mut conn = self.database.read().await?;
        let rows: Vec<(String, String)> = on!(conn, |c| sqlx::query_as(
            "SELECT tenant, asked_by FROM tenant_deletion ORDER BY tenant LIMIT 10"
        )
        .fetch_all(c)
        .await)?;
        drop(conn);
        for (tenant, by) in &rows {
            self.delete(&tenant.parse().map_err(|_| Error::TenantDeleted)?, by).await?;
        }
        Ok(rows.len())
    }

    /// Destroys the tenant's key. From here on nothing of it opens, whatever else happens.
    pub async fn begin(&self, tenant: &TenantId, by: &str) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        on!(tx, |c| sqlx::query(
            "INSERT INTO tenant_deletion (tenant, asked_by, counts) VALUES ($1, $2, '{}') \
             ON CONFLICT (tenant) DO NOTHING"
        )
        .bind(tenant.as_str())
        .bind(by)
        .execute(c)
        .await
        .map(drop))?;
        // Another deletion may have ended this very moment; the first step will find that out.
        if let Some(mut deletion) = hold(&mut tx, tenant).await? {
            destroy_keys(&mut tx, tenant, &mut deletion.counts).await?;
            note(&mut tx, tenant, &deletion.counts).await?;
        }
        tx.commit().await
    }

    /// Deletes some rows; or ends the deletion once there are none.
    pub async fn step(&self, tenant: &TenantId) -> Result<Step, Error> {
        let mut tx = self.database.begin().await?;
        let Some(Deletion { by, mut counts }) = hold(&mut tx, tenant).await? else {
            return Ok(Step::EndedElsewhere);
        };
        // A transaction that began before may have made a key again.
        let mut count = destroy_keys(&mut tx, tenant, &mut counts).await?;
        for data in &self.data {
            let left = BATCH.saturating_sub(i64::try_from(count).unwrap_or(BATCH));
            if left <= 0 {
                break;
            }
            let rows = (data.delete)(&mut tx, tenant, left).await?;
            count += rows;
            add(&mut counts, data.name, rows);
        }
        if count > 0 {
            note(&mut tx, tenant, &counts).await?;
            tx.commit().await?;
            return Ok(Step::Deleted(counts));
        }
        end(&mut tx, tenant).await?;
        if !counts.is_empty() {
            let (kind, data) = (EventKind::TenantDeleted, json!({"deleted": counts, "by": by}));
            tx.record(Event { tenant: None, kind, subject: tenant.to_string(), data });
        }
        tx.commit().await?;
        Ok(Step::Ended(counts))
    }

    fn forget_all(&self, tenant: &TenantId) {
        for forget in &self.forget {
            forget(tenant);
        }
    }

    /// Tries again where another transaction stood in the way.
    async fn attempt<T, F>(&self, step: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut backoff = Backoff::new(&self.ambient);
        loop {
            match step().await {
                Err(error) => backoff.wait(error).await?,
                done => return done,
            }
        }
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").field("data", &self.data).finish_non_exhaustive()
    }
}

/// Refuses to seal for a tenant whose key is destroyed and whose rows are not all gone yet.
pub(crate) async fn refuse(conn: &mut Conn, tenant: &TenantId) -> Result<(), Error> {
    let row: Option<(String,)> =
        on!(conn, |c| sqlx::query_as("SELECT tenant FROM tenant_deletion WHERE tenant = $1")
            .bind(tenant.as_str())
            .fetch_optional(c)
            .await)?;
    if row.is_some() { Err(Error::TenantDeleted) } else { Ok(()) }
}

/// The deletion, of which no other step runs until this transaction ends.
async fn hold(tx: &mut Tx, tenant: &TenantId) -> Result<Option<Deletion>, Error> {
    let row: Option<(String, String)> = on!(tx, |c| sqlx::query_as(
        "UPDATE tenant_deletion SET tenant = tenant WHERE tenant = $1 RETURNING asked_by, counts"
    )
    .bind(tenant.as_str())
    .fetch_optional(c)
    .await)?;
    // Only this module writes the counts; were they damaged, the deletion would still have to go on.
    Ok(row.map(|(by, counts)| Deletion { by, counts: serde_json::from_str(&counts).unwrap_or_default() }))
}

async fn note(tx: &mut Tx, tenant: &TenantId, deleted: &Deleted) -> Result<(), Error> {
    on!(tx, |c| sqlx::query("UPDATE tenant_deletion SET counts = $2 WHERE tenant = $1")
        .bind(tenant.as_str())
        .bind(json!(deleted).to_string())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

async fn end(tx: &mut Tx, tenant: &TenantId) -> Result<(), Error> {
    for sql in ["DELETE FROM key_rotation WHERE scope = $1", "DELETE FROM tenant_deletion WHERE tenant = $1"]
    {
        on!(tx, |c| sqlx::query(sql).bind(tenant.as_str()).execute(c).await.map(drop))?;
    }
    Ok(())
}

async fn destroy_keys(tx: &mut Tx, tenant: &TenantId, deleted: &mut Deleted) -> Result<u64, Error> {
    let destroyed = data_key::delete_all(tx, tenant).await?;
    add(deleted, DATA_KEYS, destroyed);
    Ok(destroyed)
}

fn add(deleted: &mut Deleted, name: &str, count: u64) {
    if count > 0 {
        *deleted.entry(name.to_owned()).or_default() += count;
    }
}

async fn delete_events(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<u64, Error> {
    Ok(on!(tx, |c| sqlx::query(
        "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE tenant = $1 ORDER BY seq LIMIT $2)"
    )
    .bind(tenant.as_str())
    .bind(limit)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?)
}
