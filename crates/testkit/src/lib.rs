//! For tests only: a running server, and real PostgreSQL, S3 and OAuth providers beside it, each on loopback and stopped
//! when dropped; and a browser without JavaScript.

mod archive;
mod backend;
mod bad_plugins;
mod browser;
mod clock;
mod emulate;
mod html;
mod node;
mod oidc_provider;
mod peer;
mod postgres;
mod s3;
mod samples;
mod server;
mod token;

pub use archive::{Archive, Entry};
pub use backend::Backend;
pub use bad_plugins::{BadPlugin, bad_plugins};
pub use browser::{Browser, Page};
pub use clock::ManualClock;
pub use emulate::Emulate;
pub use html::{Button, Form};
pub use oidc_provider::{OidcOptions, OidcProvider};
pub use peer::Asked;
pub use postgres::{Ending, Postgres};
pub use s3::S3;
pub use samples::token_samples;
pub use server::{Builder, TestServer};
pub use token::{SECRET, TokenBuilder, token};
