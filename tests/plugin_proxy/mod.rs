//! Plugins' backends behind `/api/plugin-proxy`: a plugin's own server in the test's process, spoken to through the program.

mod callers;
mod hostile;
mod streams;
mod upstream;

use model::Role;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use testkit::{Backend, Builder, TokenBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::deployment::{ADMIN, Deployment, PLATFORM, manifest, with};
use upstream::Upstream;

const PROXY: &str = "/api/plugin-proxy/notes";

/// A server where `acme` has a plugin whose own server is in this process, below `/base`.
async fn start(backend: Backend, set: impl FnOnce(Builder) -> Builder) -> (Deployment, Upstream) {
    let upstream = Upstream::start().await;
    let deployment =
        Deployment::start_with(backend, |builder| set(builder.set("OUTBOUND_ALLOW", "127.0.0.0/8")));
    let plugin = json!({"backend": {"upstream": format!("{}/base", upstream.url)}});
    deployment.post(PLATFORM, "/plugins", &with(manifest("notes", "1.0.0"), &plugin)).await.expect(201);
    deployment.install(ADMIN, "notes").await;
    (deployment, upstream)
}

/// The token of Ann, a user of `acme`.
fn ann_token() -> String {
    let token = TokenBuilder::new()
        .claim("sub", "u-ann")
        .claim("tenantId", "acme")
        .claim("role", Role::User.as_str());
    token.claim("email", "ann@acme.example").claim("name", "Ann").sign()
}

/// Ann's request to the plugin.
fn ann(deployment: &Deployment, method: Method, path: &str) -> RequestBuilder {
    deployment.request(method, &format!("{PROXY}{path}")).bearer_auth(ann_token())
}

/// All that comes back, until the connection ends, for Ann's request with these lines after its first.
async fn raw(deployment: &Deployment, first: &str, lines: &str) -> String {
    let address = deployment.base().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("{first} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n{lines}", ann_token());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read =
        tokio::time::timeout(std::time::Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    // A connection that is cut off may end with an error; what came until then counts.
    let _ = read.expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}
