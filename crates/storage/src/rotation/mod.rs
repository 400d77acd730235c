//! Rotating keys while everything goes on: new data keys for tenants, everything sealed anew under them, the former keys
//! destroyed; and all data keys wrapped under the first master key.
//!
//! Each step is a small transaction that leaves a state in which everything opens, so a rotation may end at any point
//! and be continued. A former key is destroyed in the transaction that finds nothing left under it, after whoever sealed
//! under it has committed ([`data_key::hold_newest`]).

mod lease;
mod values;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use model::{Event, EventKind, TenantId};
use serde_json::json;

pub use lease::LEASE;

use crate::backoff::Backoff;
use crate::data_key::{self, Which};
use crate::sealer::DataKey;
use crate::{Database, Error, SealedColumn, Sealer, Tx, proof};
use lease::Lease;
use values::Value;

/// How long former data keys stay after nothing is sealed under them, for those who have read a value and not opened it
/// yet.
pub const GRACE: Duration = Duration::from_secs(10);

/// The most rows that one step changes.
const BATCH: i64 = 100;
/// The longest that one step waits.
const WAIT_STEP: Duration = Duration::from_secs(1);
/// How often a tenant's values are gone through at most, where new ones under the former key keep turning up.
const MAX_ROUNDS: u32 = 20;

/// What a rotation has done so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RotationReport {
    /// The tenant through which an interrupted rotation had come, if this one continues it.
    pub continued_after: Option<TenantId>,
    /// Whether another master key wraps data keys from now on.
    pub master_replaced: bool,
    /// Data keys that were wrapped under the first master key.
    pub rewrapped: u64,
    /// Tenants whose values were gone through.
    pub tenants: u64,
    /// Values that were sealed anew.
    pub values: u64,
    /// Former data keys that were destroyed.
    pub destroyed: u64,
    /// Where values and data keys are that do not open. They are left as they are.
    pub unreadable: BTreeSet<String>,
    /// Tenants whose former data keys stay, because something under them does not open.
    pub kept: BTreeSet<TenantId>,
}

/// A rotation in its steps.
pub struct Rotation {
    database: Database,
    sealer: Sealer,
    columns: Vec<SealedColumn>,
    tenant: Option<TenantId>,
    grace: Duration,
    lease: Lease,
    stage: Stage,
    report: RotationReport,
    /// Tenants that must be gone through once more.
    left: BTreeSet<TenantId>,
    rounds: u32,
}

#[derive(Debug, Clone)]
enum Stage {
    /// Make the first master key the one that data keys are wrapped under.
    Master,
    /// Wrap data keys under it, those after this tenant and version.
    Wrap(String, i64),
    /// Give a new key to the next tenant after this one.
    Renew(String),
    /// Seal anew: this tenant, from this column on, there after this row.
    Seal {
        tenant: TenantId,
        column: usize,
        after: Vec<String>,
        time: Time,
    },
    /// Let those come to an end who have read a value before it was sealed anew.
    Wait(Instant),
    /// Destroy the former keys of the next tenant after this one.
    Destroy(String),
    Ended,
}

/// Whether a tenant is gone through for the first time, or because values under its former key have turned up since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    First,
    Again,
}

/// What one step of sealing anew has done.
#[derive(Default)]
struct Sealing {
    rows: i64,
    sealed: u64,
    unreadable: Vec<String>,
}

impl Rotation {
    /// Begins to rotate the data key of `tenant`, or the master key and the data keys of all; or goes on where an
    /// interrupted rotation of the same has come to. `columns` must be all columns that hold sealed values.
    ///
    /// # Errors
    /// [`Error::RotationRunning`] while another process does; one that was killed holds it up for [`LEASE`].
    pub async fn begin(
        database: &Database,
        sealer: &Sealer,
        columns: &[&[SealedColumn]],
        tenant: Option<TenantId>,
    ) -> Result<Self, Error> {
        let (lease, done_through) = Lease::take(database, tenant.as_ref(), sealer.ambient()).await?;
        let continued_after = done_through.and_then(|text| text.parse().ok());
        let stage = if tenant.is_some() { Stage::Renew(String::new()) } else { Stage::Master };
        Ok(Self {
            database: database.clone(),
            sealer: sealer.clone(),
            columns: columns.concat(),
            tenant,
            grace: GRACE,
            lease,
            stage,
            report: RotationReport { continued_after, ..RotationReport::default() },
            left: BTreeSet::new(),
            rounds: 0,
        })
    }

    /// The same with another time than [`GRACE`] before former keys are destroyed.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What was done so far.
    pub fn report(&self) -> &RotationReport {
        &self.report
    }

    /// How many tenants are still to be gone through.
    pub async fn tenants_ahead(&self) -> Result<u64, Error> {
        if self.tenant.is_some() {
            return Ok(1);
        }
        let after = self.report.continued_after.as_ref().map_or("", TenantId::as_str);
        let mut conn = self.database.read().await?;
        let count = data_key::count_tenants(&mut conn, after).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Does the next step, within some seconds. `false` once there is none.
    ///
    /// # Errors
    /// [`Error::RotationTaken`] if another process has gone on with it. After any other the step may be tried again.
    pub async fn step(&mut self) -> Result<bool, Error> {
        self.stage = match self.stage.clone() {
            Stage::Master => self.replace_master().await?,
            Stage::Wrap(tenant, version) => self.wrap((&tenant, version)).await?,
            Stage::Renew(after) => self.renew(&after).await?,
            Stage::Seal { tenant, column, after, time } => self.seal(tenant, column, after, time).await?,
            Stage::Wait(since) => self.wait(since).await?,
            Stage::Destroy(after) => self.destroy(&after).await?,
            Stage::Ended => Stage::Ended,
        };
        Ok(!matches!(self.stage, Stage::Ended))
    }

    /// [`Rotation::step`], tried again for some seconds where another transaction stands in the way or the database is
    /// away.
    pub async fn advance(&mut self) -> Result<bool, Error> {
        let ambient = self.sealer.ambient().clone();
        let mut backoff = Backoff::new(&ambient);
        loop {
            match self.step().await {
                Err(error @ Error::RotationTaken) => return Err(error),
                Err(error) => backoff.wait(error).await?,
                done => return done,
            }
        }
    }

    /// Lets another process go on at once with what this one has not done.
    pub async fn release(self) -> Result<RotationReport, Error> {
        self.lease.release(&self.database).await?;
        Ok(self.report)
    }

    /// A transaction that only the holder of the lease can have.
    async fn begin_step(&self) -> Result<Tx, Error> {
        let mut tx = self.database.begin().await?;
        self.lease.renew(&mut tx).await?;
        Ok(tx)
    }

    async fn replace_master(&mut self) -> Result<Stage, Error> {
        let mut tx = self.begin_step().await?;
        let master = self.sealer.masters().primary()?;
        let replaced = proof::replace(&mut tx, &self.sealer, &master).await?;
        if replaced {
            let data = json!({"masterKey": master.id()});
            tx.record(Event {
                tenant: None,
                kind: EventKind::KeysRotated,
                subject: "master_key".into(),
                data,
            });
        }
        tx.commit().await?;
        self.report.master_replaced |= replaced;
        Ok(Stage::Wrap(String::new(), 0))
    }

    async fn wrap(&mut self, after: (&str, i64)) -> Result<Stage, Error> {
        let mut tx = self.begin_step().await?;
        let master = self.sealer.masters().primary()?;
        let rows = data_key::not_under(&mut tx, master.id(), after, BATCH).await?;
        let (mut wrapped, mut unreadable) = (0, Vec::new());
        for row in &rows {
            match self.sealer.rewrap(&mut tx, row, &master).await {
                Ok(changed) => wrapped += u64::from(changed),
                Err(Error::Unsealable) => {
                    unreadable.push(format!("tenant_key (tenant {}, version {})", row.tenant, row.version));
                }
                Err(error) => return Err(error),
            }
        }
        tx.commit().await?;
        self.report.rewrapped += wrapped;
        self.report.unreadable.extend(unreadable);
        let continued = self.report.continued_after.as_ref();
        Ok(match rows.last() {
            Some(last) => Stage::Wrap(last.tenant.clone(), last.version),
            None => Stage::Renew(continued.map_or_else(String::new, TenantId::to_string)),
        })
    }

    async fn renew(&mut self, after: &str) -> Result<Stage, Error> {
        let mut tx = self.begin_step().await?;
        let next = match &self.tenant {
            Some(tenant) => (after != tenant.as_str()).then(|| tenant.to_string()),
            None => data_key::next_tenant(&mut tx, after, Which::All).await?,
        };
        let Some(tenant) = next else {
            tx.commit().await?;
            return Ok(Stage::Wait(Instant::now()));
        };
        let Ok(tenant) = tenant.parse::<TenantId>() else { return Ok(Stage::Renew(tenant)) };
        let Some(newest) = data_key::hold_newest(&mut tx, &tenant).await? else {
            // It has none, or was deleted a moment ago.
            tx.commit().await?;
            return Ok(Stage::Renew(tenant.to_string()));
        };
        // With two, an earlier rotation has not ended; its key is new enough.
        if data_key::count(&mut tx, tenant.as_str()).await? == 1 {
            self.sealer.create_successor(&mut tx, &tenant, newest.version).await?;
        }
        tx.commit().await?;
        Ok(Stage::Seal { tenant, column: 0, after: Vec::new(), time: Time::First })
    }

    async fn seal(
        &mut self,
        tenant: TenantId,
        column: usize,
        mut after: Vec<String>,
        time: Time,
    ) -> Result<Stage, Error> {
        let mut tx = self.begin_step().await?;
        let Some(row) = data_key::hold_newest(&mut tx, &tenant).await? else {
            return self.sealed(tx, &tenant, time, Sealing::default()).await;
        };
        let newest = self.sealer.unwrap(&tenant, &row).await?;
        let mut done = Sealing::default();
        for (number, place) in self.columns.iter().enumerate().skip(column) {
            let left = BATCH.saturating_sub(done.rows);
            let batch = values::lock_others(&mut tx, place, &tenant, newest.version, &after, left).await?;
            for value in &batch {
                match self.seal_one(&mut tx, place, &tenant, value, &newest).await {
                    Ok(changed) => done.sealed += u64::from(changed),
                    Err(Error::Unsealable) => {
                        done.unreadable.push(format!("{} of tenant {tenant}", place.place(&value.keys)));
                    }
                    Err(error) => return Err(error),
                }
            }
            done.rows = done.rows.saturating_add(i64::try_from(batch.len()).unwrap_or(BATCH));
            after = batch.last().map(|last| last.keys.clone()).unwrap_or_default();
            if done.rows >= BATCH {
                tx.commit().await?;
                self.account(&tenant, done);
                // A table without further keys has one row of the tenant.
                let column = if after.is_empty() { number + 1 } else { number };
                return Ok(Stage::Seal { tenant, column, after, time });
            }
            after.clear();
        }
        self.sealed(tx, &tenant, time, done).await
    }

    fn account(&mut self, tenant: &TenantId, done: Sealing) {
        self.report.values += done.sealed;
        if !done.unreadable.is_empty() {
            self.report.kept.insert(tenant.clone());
            self.report.unreadable.extend(done.unreadable);
        }
    }

    async fn seal_one(
        &self,
        tx: &mut Tx,
        column: &SealedColumn,
        tenant: &TenantId,
        value: &Value,
        newest: &DataKey,
    ) -> Result<bool, Error> {
        let purpose = column.purpose(&value.keys);
        let opened = self.sealer.unseal(tx, tenant, &purpose, &value.sealed).await?;
        let opened = secrecy::ExposeSecret::expose_secret(&opened);
        let fresh = self.sealer.seal_under(newest, tenant, &purpose, opened)?;
        values::replace(tx, column, tenant, value, &fresh).await
    }

    /// A tenant has been gone through.
    async fn sealed(
        &mut self,
        mut tx: Tx,
        tenant: &TenantId,
        time: Time,
        done: Sealing,
    ) -> Result<Stage, Error> {
        if time == Time::First {
            self.lease.note(&mut tx, tenant.as_str()).await?;
        }
        tx.commit().await?;
        self.account(tenant, done);
        Ok(match time {
            Time::First => {
                self.report.tenants += 1;
                Stage::Renew(tenant.to_string())
            }
            Time::Again => self.next_left(),
        })
    }

    fn next_left(&mut self) -> Stage {
        match self.left.pop_first() {
            Some(tenant) => Stage::Seal { tenant, column: 0, after: Vec::new(), time: Time::Again },
            None => Stage::Wait(Instant::now()),
        }
    }

    async fn wait(&mut self, since: Instant) -> Result<Stage, Error> {
        let mut tx = self.begin_step().await?;
        let is_needed = self.next_rotating(&mut tx, "").await?.is_some();
        tx.commit().await?;
        let left = self.grace.saturating_sub(since.elapsed());
        if !is_needed || left.is_zero() {
            return Ok(Stage::Destroy(String::new()));
        }
        tokio::time::sleep(left.min(WAIT_STEP)).await;
        Ok(Stage::Wait(since))
    }

    async fn destroy(&mut self, after: &str) -> Result<Stage, Error> {
        let mut tx = self.begin_step().await?;
        let Some(tenant) = self.next_rotating(&mut tx, after).await? else {
            if !self.left.is_empty() {
                self.rounds += 1;
                return Ok(self.next_left());
            }
            self.lease.end(&mut tx).await?;
            tx.commit().await?;
            return Ok(Stage::Ended);
        };
        let next = Stage::Destroy(tenant.clone());
        let Ok(tenant) = tenant.parse::<TenantId>() else { return Ok(next) };
        let Some(newest) = data_key::hold_newest(&mut tx, &tenant).await? else { return Ok(next) };
        // Waits for those who have sealed under a former key; what they wrote is seen from here on.
        let destroyed = data_key::delete_before(&mut tx, &tenant, newest.version).await?;
        for column in &self.columns {
            if values::has_others(&mut tx, column, &tenant, newest.version).await? {
                drop(tx);
                self.keep_for_now(tenant);
                return Ok(next);
            }
        }
        let (kind, data) = (EventKind::KeysRotated, json!({"destroyed": destroyed}));
        tx.record(Event { tenant: Some(tenant), kind, subject: "data_key".into(), data });
        tx.commit().await?;
        self.report.destroyed += destroyed;
        Ok(next)
    }

    /// Something is left under a former key of the tenant: it is sealed anew, unless it does not open.
    fn keep_for_now(&mut self, tenant: TenantId) {
        if self.rounds >= MAX_ROUNDS {
            self.report.kept.insert(tenant);
        } else if !self.report.kept.contains(&tenant) {
            self.left.insert(tenant);
        }
    }

    async fn next_rotating(&self, tx: &mut Tx, after: &str) -> Result<Option<String>, Error> {
        match &self.tenant {
            None => data_key::next_tenant(tx, after, Which::Rotating).await,
            Some(tenant) => {
                let is_next = after.is_empty() && data_key::count(tx, tenant.as_str()).await? > 1;
                Ok(is_next.then(|| tenant.to_string()))
            }
        }
    }
}
