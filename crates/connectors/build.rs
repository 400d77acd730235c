//! Makes the messages of the customers service, and their description for comparing, without `protoc`.

use std::path::PathBuf;

use prost::Message as _;

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script by its environment where to write")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut description = protox::compile(["proto/customers.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_client(false)
        .compile_fds(description.clone())?;
    for file in &mut description.file {
        file.source_code_info = None;
    }
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    std::fs::write(folder.join("customers.bin"), description.encode_to_vec())?;
    Ok(())
}
