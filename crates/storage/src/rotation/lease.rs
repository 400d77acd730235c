//! Who rotates: one process at a time, and what it has done already, in a row that outlives it.

use std::time::Duration;

use model::{Ambient, TenantId, new_id};

use crate::{Database, Error, Tx, on};

/// How long a process that has stopped, or was killed, keeps others from going on. Renewed with each step.
pub const LEASE: Duration = Duration::from_secs(20);

/// The right to rotate, until it is let go or runs out.
pub(super) struct Lease {
    /// The tenant; empty for all.
    scope: String,
    holder: String,
    ambient: Ambient,
}

impl Lease {
    /// Takes the lease. Returns with it the tenant through which an interrupted rotation has come; `None` where there
    /// is nothing to continue.
    pub(super) async fn take(
        database: &Database,
        tenant: Option<&TenantId>,
        ambient: &Ambient,
    ) -> Result<(Self, Option<String>), Error> {
        let lease = Self {
            scope: tenant.map_or_else(String::new, TenantId::to_string),
            holder: new_id(ambient),
            ambient: ambient.clone(),
        };
        let now = ambient.now();
        let mut tx = database.begin().await?;
        let row: Option<(String, String)> = on!(tx, |c| {
            sqlx::query_as(
                "INSERT INTO key_rotation (scope, holder, lease_until, done_through) VALUES ($1, $2, $3, '') \
             ON CONFLICT (scope) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until \
             WHERE key_rotation.lease_until < $4 RETURNING done_through, holder",
            )
            .bind(&lease.scope)
            .bind(&lease.holder)
            .bind(now.plus(LEASE).as_millisecond())
            .bind(now.as_millisecond())
            .fetch_optional(c)
            .await
        })?;
        let (done_through, _) = row.ok_or(Error::RotationRunning)?;
        tx.commit().await?;
        Ok((lease, (!done_through.is_empty()).then_some(done_through)))
    }

    /// Holds on to the lease in a transaction that changes something under it.
    pub(super) async fn renew(&self, tx: &mut Tx) -> Result<(), Error> {
        let renewed = on!(tx, |c| sqlx::query(
            "UPDATE key_rotation SET lease_until = $3 WHERE scope = $1 AND holder = $2"
        )
        .bind(&self.scope)
        .bind(&self.holder)
        .bind(self.ambient.now().plus(LEASE).as_millisecond())
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
        if renewed == 1 { Ok(()) } else { Err(Error::RotationTaken) }
    }

    /// Notes that everything up to `tenant` is sealed anew.
    pub(super) async fn note(&self, tx: &mut Tx, tenant: &str) -> Result<(), Error> {
        on!(tx, |c| sqlx::query("UPDATE key_rotation SET done_through = $2 WHERE scope = $1")
            .bind(&self.scope)
            .bind(tenant)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Ends the rotation: the next one begins anew.
    pub(super) async fn end(&self, tx: &mut Tx) -> Result<(), Error> {
        on!(tx, |c| sqlx::query("DELETE FROM key_rotation WHERE scope = $1 AND holder = $2")
            .bind(&self.scope)
            .bind(&self.holder)
            .execute(c)
            .await
            .map(drop))?;
        Ok(())
    }

    /// Lets another process go on at once, as far as the database can be told.
    pub(super) async fn release(&self, database: &Database) -> Result<(), Error> {
        let mut tx = database.begin().await?;
        on!(tx, |c| sqlx::query("UPDATE key_rotation SET lease_until = 0 WHERE scope = $1 AND holder = $2")
            .bind(&self.scope)
            .bind(&self.holder)
            .execute(c)
            .await
            .map(drop))?;
        tx.commit().await
    }
}
