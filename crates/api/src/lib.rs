//! The HTTP surface: routes, extractors, and errors as problem+json. It knows no SQL and no provider's name; each
//! handler extracts, asks one domain, and answers.

mod access;
pub mod address;
mod api_keys;
mod app;
mod browser_cookie;
mod bundles;
mod connect;
mod event_stream;
mod events;
pub mod extract;
pub mod health;
mod jwks;
mod layers;
mod lexmodo;
mod marketplace;
mod ndjson;
pub mod openapi;
pub mod origins;
mod plugin_proxy;
mod plugins;
pub mod problem;
pub mod rate_limit;
mod request_metrics;
pub mod return_to;
mod router;
mod service;
mod subscriptions;
mod tenants;
mod unified;
mod webhooks;

pub use access::RequestContext;
pub use address::PeerAddress;
pub use app::{App, Options, Parts};
pub use lexmodo::LexmodoPlugin;
pub use plugin_proxy::Ending;
pub use problem::Problem;
pub use router::router;
pub use unified::ForPlugins;
