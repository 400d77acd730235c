//! What handlers ask for, on both databases and over real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod bench;
mod connections;
mod events;
mod http;
mod installed;
mod lifecycle;
mod log;
mod orphans;
mod place;
mod platform;
mod secrets;
mod storage;
mod upstream;
