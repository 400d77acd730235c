//! What happens in a tenant, told to whoever wants to know: events are published into the log, read from it, and delivered to
//! plugins' handlers and to endpoints elsewhere; webhooks come in from outside and are kept until a plugin has taken them.
//!
//! The log itself is `storage`'s. Everything here that must not be lost is a row that was committed before anybody was told
//! that it is taken.

pub mod delivery;
mod error;
pub mod feed;
mod plugins;
pub mod publish;
mod schema;
pub mod subscription;
pub mod webhook;

pub use error::Error;
pub use plugins::{Answer, Cause, FoundHandler, Hook, Plugins, ReceiveError, Refusal, Request, WebhookDoor};
pub use schema::{MIGRATIONS, SEALED, TENANT_DATA};
