//! A client of the customers service, and its messages, by hand: CONTRACT's numbers, read from nowhere else.

use std::time::Duration;

use testkit::LexmodoServer;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct IdRequest {
    #[prost(string, tag = "1")]
    pub(crate) customer_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Listing {
    #[prost(uint32, tag = "3")]
    pub(crate) total_result: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) display_result: u32,
    #[prost(message, repeated, tag = "5")]
    pub(crate) customers: Vec<Customer>,
    #[prost(string, tag = "6")]
    pub(crate) rule_id: String,
    #[prost(string, tag = "7")]
    pub(crate) rule_query: String,
    #[prost(string, tag = "9")]
    pub(crate) pit: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Customer {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, optional, tag = "5")]
    pub(crate) email: Option<String>,
    #[prost(message, optional, tag = "8")]
    pub(crate) phone_number: Option<String>,
    #[prost(message, optional, tag = "14")]
    pub(crate) full_name: Option<String>,
    #[prost(message, optional, tag = "30")]
    pub(crate) company: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Answer {
    #[prost(bool, tag = "1")]
    pub(crate) success: bool,
    #[prost(bool, tag = "2")]
    pub(crate) failure: bool,
    #[prost(string, tag = "4")]
    pub(crate) message: String,
    #[prost(message, optional, tag = "5")]
    pub(crate) customer: Option<Customer>,
    #[prost(message, optional, tag = "7")]
    pub(crate) listing: Option<Listing>,
}

/// A client with one token, for one store.
pub(crate) struct Client {
    channel: Channel,
    authorization: String,
    store: u64,
}

impl Client {
    /// Connects lazily; `authority` is PEM, for a server with TLS.
    pub(crate) fn new(server: &LexmodoServer, authority: Option<&str>, token: &str, store: u64) -> Self {
        let mut endpoint = Endpoint::new(server.address()).unwrap().timeout(Duration::from_secs(5));
        if let Some(pem) = authority {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint.tls_config(tls).unwrap();
        }
        Self { channel: endpoint.connect_lazy(), authorization: format!("Bearer {token}"), store }
    }

    pub(crate) async fn customer(&self, id: &str) -> Result<Answer, Status> {
        self.call("GetCustomerByID", IdRequest { customer_id: id.to_owned() }).await
    }

    pub(crate) async fn page(&self, size: u32, pit: &str) -> Result<Answer, Status> {
        self.listing(Listing { display_result: size, pit: pit.to_owned(), ..Listing::default() }).await
    }

    pub(crate) async fn listing(&self, request: Listing) -> Result<Answer, Status> {
        self.call("GetCustomerListing", request).await
    }

    /// Follows the PITs to the end, or for as many pages; gives the ids and the PITs.
    pub(crate) async fn pages(&self, size: u32, most: usize) -> Result<(Vec<String>, Vec<String>), Status> {
        let (mut ids, mut pits) = (Vec::new(), vec![String::new()]);
        for _ in 0..most {
            let page = self.page(size, pits.last().unwrap()).await?.listing.unwrap();
            ids.extend(page.customers.into_iter().map(|customer| customer.id));
            pits.push(page.pit);
            if pits.last().unwrap().is_empty() {
                break;
            }
        }
        Ok((ids, pits.split_off(1)))
    }

    async fn call<M: prost::Message + 'static>(&self, method: &str, message: M) -> Result<Answer, Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.parse().unwrap());
        request.metadata_mut().insert("x-client-id", self.store.into());
        let path = format!("/lexmodo.v1.customers.Customers/{method}").parse().unwrap();
        Ok(client.unary(request, path, ProstCodec::<M, Answer>::default()).await?.into_inner())
    }
}
