//! Accounts of tenants' users at other providers: the catalog of providers, the OAuth flows, and the vault that keeps
//! tokens sealed and fresh. Tokens never leave through an answer, a log or an error.

pub mod catalog;
pub mod connection;
pub mod protocol;
mod store;
pub mod vault;

pub use store::MIGRATIONS;
