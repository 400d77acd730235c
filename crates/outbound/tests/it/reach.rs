//! What is not reached, and what the operator's list changes about that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use outbound::{Allow, Error, Guard, Settings};
use tokio::net::TcpListener;

use crate::house::{Names, Server, client, guard, url};

async fn get(guard: &Guard, text: &str) -> Result<u16, Error> {
    let client = client(guard);
    let request = client.request(Method::GET, url(text))?;
    Ok(client.send(request).await?.status().as_u16())
}

#[tokio::test]
async fn this_machine_is_reached_under_no_spelling() {
    let server = Server::start("0.0.0.0", |_: &str| "reached").await;
    let port = server.port();
    let guard = Guard::new(Allow::nothing(), Vec::new()).unwrap();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0x0.0x0.0x1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "localhost",
        "LOCALHOST.",
    ] {
        let result = get(&guard, &format!("http://{host}:{port}/")).await;
        assert!(matches!(result, Err(Error::NotPublic(_) | Error::Unresolved(_))), "{host}: {result:?}");
    }
    assert!(server.hits().is_empty());
    let allowed = Guard::new("127.0.0.1".parse().unwrap(), Vec::new()).unwrap();
    assert_eq!(get(&allowed, &format!("http://0x7f.1:{port}/")).await, Ok(200), "it is there");
}

#[tokio::test]
async fn ipv6_is_judged_as_well() {
    let server = Server::start("::1", |_: &str| "reached").await;
    let names = Names::of(&[
        ("six.example", &[&["::1"]]),
        ("mapped.example", &[&["::ffff:127.0.0.1"]]),
        ("nat64.example", &[&["64:ff9b::7f00:1"]]),
    ]);
    let closed = guard("", &names);
    for name in ["six.example", "mapped.example", "nat64.example"] {
        let result = get(&closed, &format!("http://{name}:{}/", server.port())).await;
        assert_eq!(result, Err(Error::NotPublic(name.to_owned())));
    }
    assert!(server.hits().is_empty());
    let open = guard("::1", &names);
    assert_eq!(get(&open, &format!("http://six.example:{}/", server.port())).await, Ok(200));
    assert_eq!(get(&open, &format!("http://[::1]:{}/", server.port())).await, Ok(200));
}

#[tokio::test]
async fn the_list_allows_names_and_networks_and_one_port_alone() {
    let server = Server::start("127.0.0.1", |_: &str| "reached").await;
    let other = Server::start("127.0.0.1", |_: &str| "other").await;
    let (port, second) = (server.port(), other.port());
    let names = Names::of(&[("api.internal", &[&["127.0.0.1"]]), ("x.corp.example", &[&["127.0.0.1"]])]);
    for (allow, host, expected) in [
        ("api.internal", "api.internal", true),
        ("api.internal", "127.0.0.1", false),
        ("api.internal", "x.corp.example", false),
        ("*.corp.example", "x.corp.example", true),
        ("127.0.0.0/8", "127.0.0.1", true),
        ("127.0.0.0/8", "x.corp.example", true),
        ("10.0.0.0/8", "x.corp.example", false),
    ] {
        let result = get(&guard(allow, &names), &format!("http://{host}:{port}/")).await;
        assert_eq!(result.is_ok(), expected, "{allow} {host}: {result:?}");
    }
    for allow in ["api.internal", "127.0.0.1"] {
        let guard = guard(&format!("{allow}:{port}"), &names);
        assert_eq!(get(&guard, &format!("http://api.internal:{port}/")).await, Ok(200), "{allow}");
        assert!(get(&guard, &format!("http://api.internal:{second}/")).await.is_err(), "{allow}");
    }
    assert!(other.hits().is_empty());
}

#[tokio::test]
async fn errors_name_the_host_and_no_address_behind_it() {
    let names = Names::of(&[("inside.example", &[&["10.11.12.13", "fd00::7"]])]);
    let guard = guard("", &names);
    let error = get(&guard, "http://inside.example/").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "inside.example must have a public address, or the operator must allow it in OUTBOUND_ALLOW"
    );
    assert_eq!(get(&guard, "http://no.example/").await, Err(Error::Unresolved("no.example".to_owned())));
}

#[tokio::test]
async fn a_host_that_never_answers_costs_no_more_than_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let guard = Guard::new("127.0.0.1".parse().unwrap(), Vec::new()).unwrap();
    let deadline = Some(Duration::from_millis(200));
    let client = guard.client(&Settings { deadline, ..Settings::default() }).unwrap();
    let begun = Instant::now();
    let request = client.request(Method::GET, url(&format!("http://{address}/"))).unwrap();
    let error = client.send_following(request, 3).await.unwrap_err();
    assert_eq!(error, Error::TimedOut("127.0.0.1".to_owned()));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_request_made_elsewhere_is_judged_too() {
    let server = Server::start("127.0.0.1", |_: &str| "reached").await;
    let names = Names::of(&[("api.internal", &[&["127.0.0.1"]])]);
    let client = client(&guard("api.internal", &names));
    let request = client.request(Method::GET, url("http://api.internal/")).unwrap();
    let mut request = request.build().unwrap();
    *request.url_mut() = url(&format!("http://{}/", server.address));
    assert_eq!(client.execute(request).await.unwrap_err(), Error::NotPublic("127.0.0.1".to_owned()));
    assert!(server.hits().is_empty());
}

#[tokio::test]
async fn an_answer_is_read_within_its_bound() {
    let server = Server::start("127.0.0.1", |_: &str| "x".repeat(1001)).await;
    let guard = Guard::new("127.0.0.1".parse().unwrap(), Vec::new()).unwrap();
    let client = Arc::new(client(&guard));
    for (max, expected) in [(1001, true), (1000, false)] {
        let request = client.request(Method::GET, url(&format!("http://{}/", server.address))).unwrap();
        let response = client.send(request).await.unwrap();
        assert_eq!(outbound::read(response, max).await.is_ok(), expected, "{max}");
    }
}
