//! Names, resolved and judged, for the clients that connect.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name as HyperName;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower::Service;

use crate::{Error, Guard};

/// Resolves a name to those of its addresses that may be connected to.
#[derive(Debug, Clone)]
pub struct Resolver {
    guard: Guard,
    /// The port that is connected to, where it is known.
    port: Option<u16>,
}

impl Resolver {
    pub(crate) fn new(guard: Guard, port: Option<u16>) -> Self {
        Self { guard, port }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let addresses = this.guard.addresses(name.as_str(), this.port).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl Service<HyperName> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: HyperName) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.guard.addresses(name.as_str(), this.port).await?.into_iter()) })
    }
}
