//! The tables of this crate, and their SQL.

mod schema;

pub use schema::MIGRATIONS;
