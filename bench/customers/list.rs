//! A tonic client that reads a listing and does nothing else with it, or writes it as lines of JSON to nowhere.

use std::fs::File;
use std::io::Write as _;

use clap::Args;
use serde::Serialize;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::meter::{self, Meter};
use crate::proto::customers_client::CustomersClient;
use crate::proto::{CustomerInfo, CustomerListing};

/// What to read, and how often.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The server: `http://HOST:PORT`.
    #[arg(long)]
    address: String,
    /// The access token.
    #[arg(long)]
    token: String,
    /// The number of the store.
    #[arg(long)]
    store: u64,
    /// How many customers to a page.
    #[arg(long, default_value_t = 100)]
    page_size: u32,
    /// How often to read the listing. The first time begins before the connection.
    #[arg(long, default_value_t = 1)]
    times: usize,
    /// Write each customer as a line of JSON to /dev/null.
    #[arg(long)]
    ndjson: bool,
}

/// One reading of the whole listing.
#[derive(Serialize)]
struct Listing {
    customers: usize,
    pages: usize,
    seconds: f64,
    cpu_seconds: f64,
}

/// A customer as Jackfield writes it.
#[derive(Serialize)]
struct Line<'a> {
    customer_id: &'a str,
    customer_first_name: Option<&'a str>,
    customer_last_name: Option<&'a str>,
    customer_email: Option<&'a str>,
    customer_phone_number: Option<&'a str>,
    customer_full_name: Option<&'a str>,
}

/// Gives `{"listings": [{"customers", "pages", "seconds", "cpu_seconds"}], "max_rss_kib"}`.
pub(crate) async fn run(arguments: &Arguments) -> serde_json::Value {
    let mut sink = arguments.ndjson.then(|| File::create("/dev/null").expect("/dev/null"));
    let mut meter = Meter::start();
    let endpoint = Channel::from_shared(arguments.address.clone()).expect("an address");
    let mut client = CustomersClient::new(endpoint.connect().await.expect("a connection"));
    let mut listings = Vec::new();
    for _ in 0..arguments.times {
        let (customers, pages) = listing(arguments, &mut client, sink.as_mut()).await;
        let (time, cpu) = meter.read();
        listings.push(Listing {
            customers,
            pages,
            seconds: time.as_secs_f64(),
            cpu_seconds: cpu.as_secs_f64(),
        });
        meter = Meter::start();
    }
    serde_json::json!({ "listings": listings, "max_rss_kib": meter::max_rss_kib() })
}

/// Reads all pages and keeps none. Gives how many customers and pages there were.
async fn listing(
    arguments: &Arguments,
    client: &mut CustomersClient<Channel>,
    mut sink: Option<&mut File>,
) -> (usize, usize) {
    let authorization = format!("Bearer {}", arguments.token).parse().expect("a token for a header");
    let (mut customers, mut pages, mut pit) = (0, 0, String::new());
    loop {
        let page = page(arguments, client, &authorization, pit).await;
        pages += 1;
        customers += page.customer_listing.iter().filter(|customer| !customer.customer_id.is_empty()).count();
        if let Some(sink) = &mut sink {
            sink.write_all(&lines(&page.customer_listing)).expect("nowhere is never full");
        }
        pit = page.pit;
        if pit.is_empty() || page.customer_listing.is_empty() {
            return (customers, pages);
        }
    }
}

async fn page(
    arguments: &Arguments,
    client: &mut CustomersClient<Channel>,
    authorization: &MetadataValue<Ascii>,
    pit: String,
) -> CustomerListing {
    let mut request = Request::new(CustomerListing {
        display_result: arguments.page_size,
        pit,
        ..CustomerListing::default()
    });
    request.metadata_mut().insert("authorization", authorization.clone());
    request.metadata_mut().insert("x-client-id", arguments.store.into());
    let answer = client.get_customer_listing(request).await.expect("an answer").into_inner();
    assert!(!answer.failure, "{}", answer.message);
    answer.customers_listing.expect("a listing")
}

fn lines(customers: &[CustomerInfo]) -> Vec<u8> {
    let mut lines = Vec::new();
    for customer in customers {
        let line = Line {
            customer_id: &customer.customer_id,
            customer_first_name: customer.customer_first_name.as_deref(),
            customer_last_name: customer.customer_last_name.as_deref(),
            customer_email: customer.customer_email.as_deref(),
            customer_phone_number: customer.customer_phone_number.as_deref(),
            customer_full_name: customer.customer_full_name.as_deref(),
        };
        serde_json::to_writer(&mut lines, &line).expect("a line of JSON");
        lines.push(b'\n');
    }
    lines
}
