//! What names resolve to.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

/// The addresses of a name, as they come.
pub type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Tells what a name resolves to. It is asked once for each connection, and what it answers is what is judged and connected
/// to.
pub trait Lookup: fmt::Debug + Send + Sync {
    /// The addresses of `name`.
    fn addresses(&self, name: &str) -> Addresses;
}

/// As the system resolves names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System;

impl Lookup for System {
    fn addresses(&self, name: &str) -> Addresses {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address: SocketAddr| address.ip()).collect())
        })
    }
}
