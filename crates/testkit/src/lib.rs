//! For tests only: a running server, and real PostgreSQL and S3 beside it, each on loopback in a temporary folder and
//! stopped when dropped.

mod archive;
mod backend;
mod bad_plugins;
mod clock;
mod postgres;
mod s3;
mod samples;
mod server;
mod token;

pub use archive::{Archive, Entry};
pub use backend::Backend;
pub use bad_plugins::{BadPlugin, bad_plugins};
pub use clock::ManualClock;
pub use postgres::{Ending, Postgres};
pub use s3::S3;
pub use samples::token_samples;
pub use server::{Builder, TestServer};
pub use token::{SECRET, TokenBuilder, token};
