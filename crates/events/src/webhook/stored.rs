//! Webhooks that are kept, for whoever delivers them.

use async_trait::async_trait;
use bytes::Bytes;
use model::TenantId;
use storage::Database;

use super::store::webhooks;
use crate::{Error, Request, delivery};

/// Reads webhooks that are kept.
#[derive(Debug, Clone)]
pub struct StoredWebhooks {
    database: Database,
}

impl StoredWebhooks {
    /// Those of `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl delivery::StoredWebhooks for StoredWebhooks {
    async fn request(&self, tenant: &TenantId, seq: i64) -> Result<Option<Request>, Error> {
        let mut conn = self.database.read().await?;
        let row = webhooks::request(&mut conn, tenant, seq).await?;
        Ok(row.map(|row| Request {
            method: row.method,
            path: row.path,
            query: row.query,
            headers: pairs(&row.headers),
            body: Bytes::from(row.body),
        }))
    }
}

/// Headers as they are kept. What is damaged is none.
pub(super) fn pairs(headers: &str) -> Vec<(String, String)> {
    serde_json::from_str(headers).unwrap_or_default()
}
