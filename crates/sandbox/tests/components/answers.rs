//! What a component is given, and what becomes of what it answers.

use bytes::Bytes;
use http::Request;

use crate::trials;
use crate::world::{World, request};

trials!(
    a_request_reaches_it_whole,
    each_request_has_an_instance_of_its_own,
    it_asks_other_servers_through_the_host_alone,
    what_it_writes_is_logged,
);

async fn a_request_reaches_it_whole() {
    let world = World::new();
    assert_eq!(world.told("/").await, (200, "hello".to_owned()));
    assert_eq!(world.told("/q/a%20b?c=%2F&d").await, (200, "/q/a%20b?c=%2F&d".to_owned()));
    let mut named = request("/h/x-jackfield-user");
    named.headers_mut().insert("x-jackfield-user", "ann".parse().unwrap());
    assert_eq!(world.serve(named).await.unwrap().body(), "ann");
    assert_eq!(world.told("/h/x-jackfield-user").await, (200, String::new()));
    let text = "0123456789abcdef".repeat(4_000);
    let sent = Request::post("http://plugin/p").body(Bytes::from(text.clone())).unwrap();
    assert_eq!(*world.serve(sent).await.unwrap().body(), text);
}

async fn each_request_has_an_instance_of_its_own() {
    let world = World::new();
    for _ in 0..3 {
        assert_eq!(world.told("/c").await, (200, "1".to_owned()));
    }
    assert_eq!((world.sandbox.warm(), world.sandbox.memory()), ((0, 0), 0));
}

async fn it_asks_other_servers_through_the_host_alone() {
    let world = World::new();
    // 400 and the number of the error code of wasi:http: denied, timed out, too large, and a failure of the host.
    for (path, status) in [
        ("/s/there", 202),
        ("/t/there", 415),
        ("/s/here", 415),
        ("/s/slow", 433),
        ("/s/large", 428),
        ("/s/panics", 438),
    ] {
        let (found, _) = world.told(path).await;
        assert!(found == status, "{path}: {found}");
    }
    let asked = world.host.asked.lock().unwrap().clone();
    let expected = ["there", "there", "here", "slow", "large", "panics"];
    let expected: Vec<_> =
        expected.iter().zip(["https", "http", "https", "https", "https", "https"]).collect();
    let expected: Vec<_> = expected.iter().map(|(host, scheme)| format!("GET {scheme}://{host}/")).collect();
    assert_eq!(asked, expected);
}

async fn what_it_writes_is_logged() {
    let world = World::new();
    assert_eq!(world.told("/e").await.0, 200);
    assert_eq!(*world.host.lines.lock().unwrap(), ["Warn: a line", "Warn: and a rest"]);
}
