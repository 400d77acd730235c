//! Where everything is kept: the database (SQLite or PostgreSQL, one SQL text for both), blobs (a folder or S3),
//! the event log, and secrets sealed under a key per tenant.
//!
//! Domain crates own their tables and their SQL. This crate owns connecting, transactions, migrations, the words in
//! which the two databases differ, and the durable primitives on top.

mod backoff;
mod batches;
pub mod blobs;
mod data_key;
mod database;
mod dialect;
mod error;
mod event_log;
mod group;
mod key_file;
mod listen;
mod log_page;
mod log_reader;
mod master_key;
mod master_keys;
mod migration;
mod proof;
mod rotation;
mod sealed;
mod sealer;
mod staged;
mod tenant_deletion;
mod ticket;

pub use batches::batches;
pub use blobs::{BlobKey, Blobs, Folder, S3, S3Config};
pub use database::{Conn, Database, DatabaseUrl, Engine, Tx};
pub use error::Error;
pub use event_log::{LoggedEvent, events_after, events_at};
pub use group::{Group, GroupBounds, WriteTogether};
pub use log_page::{LogPage, Wanted, events_between, last_event, log_page};
pub use log_reader::{Batch, LogReader, Look, Next, Seen};
pub use master_key::MasterKey;
pub use master_keys::MasterKeys;
pub use migration::{MIGRATIONS, Migration};
pub use rotation::{GRACE, LEASE, Rotation, RotationReport};
pub use sealed::{Sealed, SealedColumn};
pub use sealer::Sealer;
pub use staged::{Staging, discard, sweep};
pub use tenant_deletion::{Deleted, Forget, Step, TENANT_DATA, TenantData, Tenants};
pub use ticket::Tickets;
