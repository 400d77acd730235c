//! Which of a tenant's plugins want to be told of which events.

use model::{EventPattern, TenantId};

use crate::store::deployments;
use crate::{Deployment, Error, Registry, deployment};

impl Registry {
    /// What `tenant` has installed and switched on, as [`Registry::deployment`] has it, but read anew. What cannot be read is left
    /// out, and logged.
    pub async fn running(&self, tenant: &TenantId) -> Result<Vec<Deployment>, Error> {
        let mut conn = self.database.read().await?;
        let rows = deployments::enabled(&mut conn, tenant).await?;
        drop(conn);
        let read = rows.into_iter().filter_map(|row| {
            let id = row.plugin_id.clone();
            let read = deployment::deployment(tenant, row, false);
            let read = read.inspect_err(|error| {
                let error = error as &dyn std::error::Error;
                tracing::error!(error, %tenant, plugin.id = id, "an installation cannot be read, and is told of no event");
            });
            read.ok()
        });
        Ok(read.collect())
    }

    /// The events that `tenant`'s users may see: what its plugins listen to, with an admin's consent.
    pub async fn listened(&self, tenant: &TenantId) -> Result<Vec<EventPattern>, Error> {
        let running = self.running(tenant).await?;
        let patterns = running.iter().flat_map(|deployment| &deployment.grants.events);
        let mut patterns: Vec<EventPattern> = patterns.filter_map(|text| text.parse().ok()).collect();
        patterns.sort_unstable();
        patterns.dedup();
        Ok(patterns)
    }
}
