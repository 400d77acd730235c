//! Makes the customers service's messages, client and server from its description, without `protoc`. The server gives out
//! bytes in place of answers: what it costs would otherwise be in the clients' figures.

use tonic_prost_build::manual::{Builder, Method, Service};

const PROTO: &str = "../crates/connectors/proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let description = protox::compile([format!("{PROTO}/customers.proto")], [PROTO])?;
    tonic_prost_build::configure().build_server(false).compile_fds(description)?;
    let listing = Method::builder()
        .name("get_customer_listing")
        .route_name("GetCustomerListing")
        .input_type("crate::proto::CustomerListing")
        .output_type("bytes::Bytes")
        .codec_path("crate::serve::Encoded")
        .build();
    let service =
        Service::builder().package("lexmodo.v1.customers").name("Customers").method(listing).build();
    Builder::new().build_client(false).compile(&[service]);
    Ok(())
}
