//! The connector below a pool, as a reverse proxy uses it.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Uri};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use model::{Coded as _, ErrorCode};
use outbound::{Connector, Error, Guard};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::house::{Names, Server, guard};

const TIMEOUT: Duration = Duration::from_secs(5);

fn pool(guard: &Guard) -> Client<Connector, Body> {
    Client::builder(TokioExecutor::new()).build(guard.connector(TIMEOUT))
}

async fn get(pool: &Client<Connector, Body>, uri: &str) -> Result<String, Error> {
    let request = Request::get(uri.parse::<Uri>().unwrap()).body(Body::empty()).unwrap();
    let answer = pool.request(request).await;
    let answer = answer.map_err(|error| Error::found_in(&error).expect("an error of the guard").clone())?;
    Ok(String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn a_pool_reaches_no_other_addresses_than_a_client() {
    let server = Server::start("127.0.0.1", |_: &str| "reached").await;
    let port = server.port();
    let names = Names::of(&[("api.internal", &[&["127.0.0.1"]])]);
    let closed = pool(&guard("", &names));
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "0177.1", "[::ffff:7f00:1]", "[::1]", "api.internal"] {
        let result = get(&closed, &format!("http://{host}:{port}/")).await;
        assert!(matches!(result, Err(Error::NotPublic(_))), "{host}: {result:?}");
    }
    assert!(server.hits().is_empty());
    let by_name = pool(&guard(&format!("api.internal:{port}"), &names));
    assert_eq!(get(&by_name, &format!("http://api.internal:{port}/")).await.as_deref(), Ok("reached"));
    assert_eq!(get(&by_name, &format!("http://api.internal:{port}/")).await.as_deref(), Ok("reached"));
    assert!(get(&by_name, &format!("http://127.0.0.1:{port}/")).await.is_err());
    assert_eq!(names.asked("api.internal"), 2, "once refused, once for the connection that is kept");
    let by_address = pool(&guard("127.0.0.0/8", &names));
    assert_eq!(get(&by_address, &format!("http://0x7f.1:{port}/")).await.as_deref(), Ok("reached"));
}

#[tokio::test]
async fn a_pool_connects_to_the_address_that_was_judged() {
    let door = Server::start("127.0.0.2", |_: &str| "door").await;
    let trap = Server::start_at((std::net::Ipv4Addr::LOCALHOST, door.port()).into(), |_: &str| "trap").await;
    let names = Names::of(&[("turn.example", &[&["127.0.0.2"], &["127.0.0.1"]])]);
    let guard = guard("127.0.0.2", &names);
    let uri = format!("http://turn.example:{}/", door.port());
    assert_eq!(get(&pool(&guard), &uri).await.as_deref(), Ok("door"));
    assert_eq!(names.asked("turn.example"), 1);
    assert_eq!(get(&pool(&guard), &uri).await, Err(Error::NotPublic("turn.example".to_owned())));
    assert!(trap.hits().is_empty());
}

#[tokio::test]
async fn a_certificate_must_be_signed_by_who_is_trusted() {
    let made = rcgen::generate_simple_self_signed(["api.internal".to_owned()]).unwrap();
    let pem = made.cert.pem();
    let port = tls_server(&made).await;
    let names = Names::of(&[("api.internal", &[&["127.0.0.1"]])]);
    let uri = format!("https://api.internal:{port}/");
    let error = get(&pool(&guard("api.internal", &names)), &uri).await.unwrap_err();
    assert_eq!(error, Error::Untrusted("api.internal".to_owned()));
    let roots = outbound::roots(pem.as_bytes()).unwrap();
    let trusting = Guard::with_lookup("api.internal".parse().unwrap(), roots, names).unwrap();
    assert_eq!(get(&pool(&trusting), &uri).await.as_deref(), Ok("over tls"));
    let client = trusting.client(&outbound::Settings::default()).unwrap();
    let request = client.request(http::Method::GET, uri.parse().unwrap()).unwrap();
    assert_eq!(client.send(request).await.unwrap().text().await.unwrap(), "over tls");
}

/// A server that speaks TLS and HTTP/1.1 alone.
async fn tls_server(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> u16 {
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let mut read = [0; 4096];
            let _ = socket.read(&mut read).await;
            let mut answer = Vec::new();
            write!(answer, "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nover tls")
                .unwrap();
            let _ = socket.write_all(&answer).await;
            let _ = socket.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn reaching_a_host_has_a_deadline() {
    // It accepts, and never greets.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    let guard = guard("127.0.0.1", &Names::of(&[]));
    let connector = guard.connector(Duration::from_millis(200));
    let pool: Client<_, Body> = Client::builder(TokioExecutor::new()).build(connector);
    let begun = Instant::now();
    let error = get(&pool, &uri).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamTimeout);
    assert!(begun.elapsed() < TIMEOUT);
}

#[tokio::test]
async fn nobody_there_is_told_without_the_address() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let names = Names::of(&[("api.internal", &[&["127.0.0.1"]])]);
    let error = get(&pool(&guard("api.internal", &names)), &format!("http://api.internal:{gone}/"))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "api.internal cannot be reached");
    assert_eq!(error.code(), ErrorCode::UpstreamUnavailable);
}
