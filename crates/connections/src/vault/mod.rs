//! Tokens: sealed in the database, opened in memory for as long as they are used, refreshed ahead of their end.

mod redeem;

pub use redeem::{Grant, Redeem};
