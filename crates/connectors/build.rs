//! Makes the messages and the client of the customers service from its description, without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let description = protox::compile(["proto/customers.proto"], ["proto"])?;
    tonic_prost_build::configure().build_server(false).compile_fds(description)?;
    Ok(())
}
