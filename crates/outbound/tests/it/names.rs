//! Names that change what they resolve to.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use outbound::{Error, Settings};

use crate::house::{Names, Server, client, guard, url};

/// 127.0.0.2 stands for a public address: it is the only one that is allowed. At the same port of 127.0.0.1 is what must not
/// be reached.
async fn door_and_trap() -> (Server, Server) {
    let door = Server::start("127.0.0.2", |_: &str| "door").await;
    let trap = SocketAddr::new("127.0.0.1".parse().unwrap(), door.port());
    (door, Server::start_at(trap, |_: &str| "trap").await)
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_connected_to() {
    let (door, trap) = door_and_trap().await;
    let names = Names::of(&[("turn.example", &[&["127.0.0.2"], &["127.0.0.1"]])]);
    let guard = guard("127.0.0.2", &names);
    let idle_timeout = Duration::ZERO;
    let client = guard.client(&Settings { idle_timeout, ..Settings::default() }).unwrap();
    let address = url(&format!("http://turn.example:{}/", door.port()));
    let first = client.send(client.request(Method::GET, address.clone()).unwrap()).await.unwrap();
    assert_eq!(first.text().await.unwrap(), "door");
    assert_eq!(names.asked("turn.example"), 1, "it is resolved once for a connection");
    let second = client.send(client.request(Method::GET, address).unwrap()).await;
    assert_eq!(second.unwrap_err(), Error::NotPublic("turn.example".to_owned()));
    assert_eq!(names.asked("turn.example"), 2, "the second connection was judged anew");
    assert_eq!((door.hits().len(), trap.hits().len()), (1, 0));
}

#[tokio::test]
async fn a_kept_connection_goes_on_to_the_address_that_was_judged() {
    let (door, trap) = door_and_trap().await;
    let names = Names::of(&[("turn.example", &[&["127.0.0.2"], &["127.0.0.1"]])]);
    let client = client(&guard("127.0.0.2", &names));
    for _ in 0..3 {
        let address = url(&format!("http://turn.example:{}/", door.port()));
        let answer = client.send(client.request(Method::GET, address).unwrap()).await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "door");
    }
    assert_eq!(names.asked("turn.example"), 1);
    assert!(trap.hits().is_empty());
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_left_out() {
    let (door, trap) = door_and_trap().await;
    let names = Names::of(&[("both.example", &[&["127.0.0.1", "10.0.0.1", "127.0.0.2"]])]);
    let client = client(&guard("127.0.0.2", &names));
    let address = url(&format!("http://both.example:{}/", door.port()));
    let answer = client.send(client.request(Method::GET, address).unwrap()).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "door");
    assert!(trap.hits().is_empty());
}
