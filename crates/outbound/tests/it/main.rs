//! The guard with real sockets: what is connected to, whatever a URL, a name or a redirect says.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod house;
mod names;
mod pool;
mod reach;
mod redirects;
