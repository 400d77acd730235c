//! What is done with connectors: each operation finds the connection that is meant, is held against what the connector can
//! and what the connection was granted, has a deadline, and is put on record.

mod comments;
mod communication;
mod containers;
mod content;
mod items;
mod project;
mod stream;
mod turn;

pub use stream::Interrupted;
pub(crate) use turn::checked_site;
