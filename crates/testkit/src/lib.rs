//! For tests only: a running server, and real PostgreSQL and S3 beside it, each on loopback in a temporary folder and
//! stopped when dropped.

mod postgres;
mod s3;
mod server;
mod token;

pub use postgres::Postgres;
pub use s3::S3;
pub use server::{Builder, TestServer};
pub use token::{SECRET, TokenBuilder, token};
