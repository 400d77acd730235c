//! Deliveries: what receivers are yet to be given, and giving it to them.
//!
//! A *queue* is what one receiver is given, in order: of each subscription, of each plugin's handlers in a tenant, of each
//! plugin's webhooks in a tenant. What is put into one ([`enqueue`]) is a row, committed with what it comes of.

mod queue;
mod schema;

use async_trait::async_trait;
use model::TenantId;

pub(crate) use queue::touch;
pub use queue::{NewDelivery, Payload, Queue, enqueue};
pub(crate) use schema::{DELIVERIES, DELIVERY_ROWS, QUEUE_ROWS, delete, rows};

use crate::{Error, Request};

/// Where the webhooks are that were put into queues.
#[async_trait]
pub trait StoredWebhooks: Send + Sync {
    /// The webhook of this number, as its plugin is to be given it; `None` where it is no longer kept.
    ///
    /// # Errors
    /// Those of the database.
    async fn request(&self, tenant: &TenantId, seq: i64) -> Result<Option<Request>, Error>;
}
