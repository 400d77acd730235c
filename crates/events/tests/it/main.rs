//! Events, subscriptions, deliveries and webhooks on both databases.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bus;
mod deliveries;
mod feed;
mod nats;
mod place;
mod publish;
mod retention;
mod rights;
mod webhooks;
