//! The tables of this crate, and their SQL.

pub(crate) mod apps;
pub(crate) mod connections;
pub(crate) mod flows;
mod schema;
pub(crate) mod sessions;

pub use schema::MIGRATIONS;
