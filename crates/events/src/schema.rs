//! What the parts of this crate keep, collected: their tables, what deleting a tenant deletes, and what is sealed.

use storage::{Migration, SealedColumn, TenantData};

use crate::webhook::schema as webhook;
use crate::{delivery, feed, subscription};

/// The tables of this crate.
pub const MIGRATIONS: &[Migration] = &[
    feed::TABLES,
    feed::RELAY,
    webhook::WEBHOOKS,
    delivery::DELIVERIES,
    subscription::SUBSCRIPTIONS,
    delivery::PAUSES,
    delivery::EVENTS_BY_ID,
];

/// The rows that this crate has of a tenant, in an order in which they can be deleted.
pub const TENANT_DATA: &[TenantData] = &[
    webhook::WEBHOOK_ROWS,
    webhook::ADDRESS_ROWS,
    delivery::DELIVERY_ROWS,
    delivery::QUEUE_ROWS,
    subscription::SECRET_ROWS,
    subscription::ROWS,
    feed::POLICY_ROWS,
];

/// The columns of this crate that hold sealed values.
pub const SEALED: &[SealedColumn] = &[subscription::SECRET, webhook::TOKEN];
