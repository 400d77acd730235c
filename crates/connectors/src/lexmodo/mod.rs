//! The customers of a store on the Lexmodo platform, over gRPC.

#[expect(unreachable_pub, clippy::pedantic, reason = "generated from proto/customers.proto")]
mod proto {
    //! The messages, made by the build script.
    tonic::include_proto!("lexmodo.v1.customers");
}
mod call;
mod channel;
mod client;
mod codec;
mod connector;
mod customer;
mod listing;
mod query;
mod raw;
mod status;
mod stores;
mod transport;

pub use channel::{Config, ConfigError};
pub use client::{Customers, Store};
pub use customer::{Customer, Page, Query};
pub use stores::{Listed, Stores};

pub(crate) use connector::LexmodoConnector;
