//! Subscriptions: who wants which events, and where they are to go.

mod schema;

pub(crate) use schema::{ROWS, SECRET, SECRET_ROWS, SUBSCRIPTIONS};
