//! Where everything is kept: the database (SQLite or PostgreSQL, one SQL text for both), blobs (a folder or S3),
//! the event log, and secrets sealed under a key per tenant.
//!
//! Domain crates own their tables and their SQL. This crate owns connecting, transactions, migrations, the words in
//! which the two databases differ, and the durable primitives on top.

pub mod blobs;
mod database;
mod dialect;
mod error;
mod event_log;
mod master_key;
mod migration;
mod sealer;
mod staged;
mod ticket;

pub use blobs::{BlobKey, Blobs, Folder, S3, S3Config};
pub use database::{Conn, Database, DatabaseUrl, Engine, Tx};
pub use error::Error;
pub use event_log::{LoggedEvent, events_after};
pub use master_key::MasterKey;
pub use migration::{MIGRATIONS, Migration};
pub use sealer::{Sealed, Sealer};
pub use staged::{Staging, sweep};
pub use ticket::Tickets;
