//! The customers of a store on the Lexmodo platform, over gRPC.

#[expect(unreachable_pub, clippy::pedantic, reason = "generated from proto/customers.proto")]
mod proto {
    //! The messages and the client, made by the build script.
    tonic::include_proto!("lexmodo.v1.customers");
}
mod customer;

pub use customer::{Customer, Page, Query};
