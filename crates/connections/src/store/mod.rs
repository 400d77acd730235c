//! The tables of this crate, and their SQL.

pub(crate) mod activity;
pub(crate) mod apps;
pub(crate) mod broken_apps;
pub(crate) mod connections;
pub(crate) mod credentials;
pub(crate) mod due_credentials;
pub(crate) mod flows;
pub(crate) mod revocation_runs;
mod schema;
pub(crate) mod sealed;
pub(crate) mod sessions;
mod tenant_data;

pub use schema::MIGRATIONS;
pub use sealed::SEALED;
pub use tenant_data::TENANT_DATA;
