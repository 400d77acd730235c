//! One API over what tenants have connected: each connector turns the unified operations into calls of one vendor.

mod activity;
mod ahead;
mod answer;
mod atlassian;
pub mod calendar;
pub mod comments;
pub mod communication;
pub mod connector;
mod connectors;
pub mod containers;
pub mod content;
mod context;
mod credential;
mod dispatch;
pub mod drive;
mod error;
mod fields;
pub mod gmail;
mod google;
pub mod http;
mod item;
pub mod jira;
pub mod lexmodo;
mod page_token;
mod parameters;
pub mod project;
mod reconnect;
mod slack;

pub use connectors::{ConnectorInfo, Connectors, Done, Parts, Wanted};
pub use context::{Acting, Asker, Context, Kept};
pub use credential::Credential;
pub use error::Error;
pub use item::{Author, Item, Items, Page};
