//! Scripts of good and bad will in a real sandbox.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod answers;
mod apart;
mod context;
mod errors;
mod examine;
mod globals;
mod hostile;
mod kept;
mod lanes;
mod world;
