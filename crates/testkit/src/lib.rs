//! For tests only: a running server, and real PostgreSQL, S3, OAuth providers and a Lexmodo platform beside it, each on loopback and stopped
//! when dropped; and a browser without JavaScript.

mod archive;
mod backend;
mod bad_plugins;
mod browser;
mod clock;
mod cloud_events;
mod emulate;
mod html;
mod lexmodo;
mod nats;
mod node;
mod oidc_provider;
mod peer;
mod platform;
mod postgres;
mod prism;
mod process;
mod python;
mod s3;
mod samples;
mod script;
mod server;
mod token;

pub use archive::{Archive, Entry};
pub use backend::Backend;
pub use bad_plugins::{BadPlugin, bad_plugins};
pub use browser::{Browser, Page};
pub use clock::ManualClock;
pub use cloud_events::{cloud_events_of_node, cloud_events_of_python};
pub use emulate::Emulate;
pub use html::{Button, Form};
pub use lexmodo::{Call, Certificate, LexmodoOptions, LexmodoServer};
pub use nats::Nats;
pub use oidc_provider::{OidcOptions, OidcProvider};
pub use peer::Asked;
pub use platform::{Platform, PlatformOptions};
pub use postgres::{Ending, Postgres};
pub use prism::{Contracted, Prism};
pub use python::session_tokens;
pub use s3::S3;
pub use samples::{signed_webhooks, token_samples, verified_token, verified_webhooks};
pub use server::{Builder, TestServer};
pub use token::{SECRET, TokenBuilder, token};
