//! The tables of this crate, and their SQL.

pub(crate) mod activity;
pub(crate) mod apps;
pub(crate) mod connections;
pub(crate) mod flows;
mod schema;

pub use schema::MIGRATIONS;
