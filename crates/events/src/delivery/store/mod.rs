//! The SQL of deliveries.

pub(crate) mod events;
pub(crate) mod list;
pub(crate) mod queues;
pub(crate) mod rows;
