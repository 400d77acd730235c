//! One API over what tenants have connected: each connector turns the unified operations into calls of one vendor.

mod activity;
mod ahead;
pub mod calendar;
pub mod communication;
pub mod connector;
mod connectors;
mod context;
mod credential;
pub mod drive;
mod error;
pub mod gmail;
mod google;
pub mod http;
mod item;
pub mod lexmodo;
mod page_token;
mod parameters;
mod plan;
pub mod project;
mod reconnect;
mod slack;
mod talk;
mod turn;

pub use connectors::{ConnectorInfo, Connectors, Done, Parts, Wanted};
pub use context::{Acting, Asker, Context, Kept};
pub use credential::Credential;
pub use error::Error;
pub use item::{Author, Item, Items, Page};
