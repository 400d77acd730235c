//! Very many requests to one plugin at once, while another tenant works.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use model::Role;
use serde_json::json;
use testkit::{Backend, TokenBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{data, install};
use crate::deployment::{ADMIN, Deployment, on_both_backends};

on_both_backends!(ten_thousand_requests_at_once_are_nobody_elses_matter);

const REQUESTS: usize = 10_000;

/// One flood at a time: each has almost as many connections as a process may.
static FLOOD: Mutex<()> = Mutex::const_new(());

/// How long the machine may take for all of them.
const DEADLINE: Duration = Duration::from_mins(2);

/// Lets this process have so many connections (setrlimit(2)).
fn allow_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    assert!(
        maximum.is_none_or(|files| files > REQUESTS as u64 + 500),
        "raise the limit of open files: {maximum:?}"
    );
}

/// Sends the request on a connection of its own and gives the status and code of the answer.
async fn ask(mut stream: TcpStream, request: String) -> (u16, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body: serde_json::Value =
        serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer:?}"));
    if status == 429 || status == 503 {
        assert!(head.contains("retry-after: "), "{answer}");
    }
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

async fn ten_thousand_requests_at_once_are_nobody_elses_matter(backend: Backend) {
    let _alone = FLOOD.lock().await;
    allow_files();
    let deployment = Deployment::start_with(backend, |builder| builder.set("MAX_CONNECTIONS", "12000"));
    let waits = "h: () => new Promise((done) => setTimeout(() => done('done'), 200)), work: () => 'works',";
    install(&deployment, "popular", waits, &json!({})).await;
    let quiet = ("quiet", Role::Admin);
    deployment.install(quiet, "popular").await;
    data(&deployment, quiet, "popular", "work", json!({})).await;

    let address = deployment.base().strip_prefix("http://").unwrap().to_owned();
    let (tenant, role) = ADMIN;
    let token = TokenBuilder::new()
        .claim("sub", "u-ann")
        .claim("tenantId", tenant)
        .claim("role", role.as_str())
        .sign();
    let body = r#"{"action":"h","parameters":{}}"#;
    let request = format!(
        "POST /plugins/popular/actions HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // Not more at a time than wait in the system's queue; the requests then come at once.
    let connections = (0..REQUESTS).map(|_| TcpStream::connect(&address));
    let connections =
        futures::stream::iter(connections).buffer_unordered(256).map(Result::unwrap).collect::<Vec<_>>();
    let flood = connections.await.into_iter().map(|stream| ask(stream, request.clone()));
    let mut flood: JoinSet<_> = flood.collect();
    let answers = tokio::time::timeout(DEADLINE, async {
        let mut answers: BTreeMap<(u16, String), usize> = BTreeMap::new();
        let mut is_over = false;
        while !is_over {
            // In the midst of it.
            assert_eq!(data(&deployment, quiet, "popular", "work", json!({})).await, json!("works"));
            for _ in 0..REQUESTS / 20 {
                match flood.join_next().await {
                    Some(answer) => *answers.entry(answer.unwrap()).or_default() += 1,
                    None => is_over = true,
                }
            }
        }
        answers
    });
    let answers = answers.await.expect("all are answered");
    let count = |status, code: &str| answers.get(&(status, code.to_owned())).copied().unwrap_or_default();
    let (done, refused) = (count(200, ""), count(429, "rate_limited"));
    assert_eq!(done + refused, REQUESTS, "{answers:?}");
    assert!(done > 0 && refused > 0, "{answers:?}");
    deployment.get("/health/ready").await.expect(200);
}
