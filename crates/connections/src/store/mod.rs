//! The tables of this crate, and their SQL.

pub(crate) mod broken_apps;
pub(crate) mod credentials;
pub(crate) mod due_credentials;
mod schema;

pub use schema::MIGRATIONS;
