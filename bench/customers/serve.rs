//! A server whose pages are encoded once: after that, an answer costs a lookup and a copy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::{BufMut as _, Bytes};
use prost::Message as _;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::server::{Server, TcpIncoming};
use tonic::{Request, Response, Status, async_trait};
use tonic_prost::ProstCodec;

use crate::proto::customers_server::{Customers, CustomersServer};
use crate::proto::{CustomerInfo, CustomerListing, ResultResponse};

/// Of an answer where no page size was asked for.
const DEFAULT_SIZE: u32 = 25;

/// Serves `customers` customers until the process is ended.
pub(crate) async fn run(customers: usize) {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a port of loopback");
    let incoming = incoming.with_nodelay(Some(true));
    let port = incoming.local_addr().expect("its address").port();
    println!("{}", serde_json::json!({ "port": port }));
    let store = Store { customers, pages: Mutex::default() };
    let served = Server::builder().serve_with_incoming(CustomersServer::new(store), incoming).await;
    served.expect("a server of gRPC");
}

/// The customers, and for each page size their pages. A PIT is the index of the page that comes next.
struct Store {
    customers: usize,
    pages: Mutex<HashMap<u32, Arc<[Bytes]>>>,
}

impl Store {
    fn pages(&self, size: u32) -> Arc<[Bytes]> {
        let mut pages = self.pages.lock().expect("nobody panics with it");
        Arc::clone(pages.entry(size).or_insert_with(|| encoded(self.customers, size)))
    }
}

#[async_trait]
impl Customers for Store {
    async fn get_customer_listing(
        &self,
        request: Request<CustomerListing>,
    ) -> Result<Response<Bytes>, Status> {
        for name in ["authorization", "x-client-id"] {
            if !request.metadata().contains_key(name) {
                return Err(Status::unauthenticated(format!("{name} is missing")));
            }
        }
        let CustomerListing { display_result, pit, .. } = request.into_inner();
        let pages = self.pages(if display_result == 0 { DEFAULT_SIZE } else { display_result });
        let index = if pit.is_empty() { Some(0) } else { pit.parse().ok() };
        let page = index.and_then(|index: usize| pages.get(index));
        page.cloned().map(Response::new).ok_or_else(|| Status::not_found("point in time expired"))
    }
}

fn encoded(customers: usize, size: u32) -> Arc<[Bytes]> {
    let per_page = usize::try_from(size).expect("a page size");
    let all: Vec<_> = (1..=customers).map(customer).collect();
    let count = all.len().div_ceil(per_page);
    let page = |(index, page): (usize, &[CustomerInfo])| ResultResponse {
        success: true,
        customers_listing: Some(CustomerListing {
            page_num: u32::try_from(index + 1).expect("a page's number"),
            total_result: u32::try_from(customers).expect("a total"),
            display_result: size,
            customer_listing: page.to_vec(),
            pit: if index + 1 < count { (index + 1).to_string() } else { String::new() },
            ..CustomerListing::default()
        }),
        ..ResultResponse::default()
    };
    all.chunks(per_page).enumerate().map(page).map(|page| page.encode_to_vec().into()).collect()
}

/// Every fifth customer has no phone number, every seventh no e-mail address.
fn customer(number: usize) -> CustomerInfo {
    CustomerInfo {
        customer_id: format!("7-{number:06}"),
        customer_first_name: Some("Zoë".to_owned()),
        customer_last_name: Some("Archer".to_owned()),
        customer_email: (number % 7 != 0).then(|| format!("customer-{number}@store-7.example")),
        customer_phone_number: (number % 5 != 0).then(|| format!("+1 555 7 {number:07}")),
        customer_full_name: Some("Zoë Archer".to_owned()),
    }
}

/// Reads requests, and sends answers that are encoded already.
#[derive(Default)]
pub(crate) struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = CustomerListing;
    type Encoder = Self;
    type Decoder = Requests;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Requests {
        Requests(ProstCodec::<CustomerListing, CustomerListing>::default().decoder())
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, page: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(page);
        Ok(())
    }
}

/// The usual decoder.
pub(crate) struct Requests(<ProstCodec<CustomerListing, CustomerListing> as Codec>::Decoder);

impl Decoder for Requests {
    type Item = CustomerListing;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<CustomerListing>, Status> {
        self.0.decode(buffer)
    }
}
