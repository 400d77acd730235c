//! Streams of events and of installations: live, resumed, across processes, and ended.

use std::time::{Duration, Instant};

use model::Role;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testkit::{Backend, TestServer, TokenBuilder};

use super::publishing::{event, publish};
use super::reader::Reader;
use crate::deployment::{
    ADMIN, Answer, Deployment, PLATFORM, POSTGRES, USER, Who, on_both_backends, plugin, with,
};
use crate::server;

on_both_backends!(
    events_come_as_they_are_published,
    pages_hear_of_installations,
    users_hear_what_plugins_listen_to,
    what_is_gone_is_told,
    what_retention_has_removed_is_gone,
);

fn stream(server: &TestServer, (tenant, role): Who, path: &str) -> RequestBuilder {
    server.request_as(tenant, role, Method::GET, path)
}

async fn say(deployment: &Deployment, kind: &str, number: u64) {
    publish(deployment, ADMIN, &event(&format!("{kind}-{number}"), kind, &json!(number))).await.expect(202);
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["data"].as_u64().unwrap()).collect()
}

async fn events_come_as_they_are_published(backend: Backend) {
    let deployment = Deployment::start(backend);
    let mut all = Reader::open(stream(&deployment, ADMIN, "/events/stream")).await;
    let mut orders = Reader::open(stream(&deployment, ADMIN, "/events/stream?type=order.*,cart")).await;
    let mut other = Reader::open(stream(&deployment, ("other", Role::Admin), "/events/stream")).await;
    let mut platform = Reader::open(stream(&deployment, PLATFORM, "/events/stream?scope=platform")).await;
    for (kind, number) in [("order.paid", 1), ("noise", 2), ("cart", 3)] {
        say(&deployment, kind, number).await;
    }
    assert_eq!(numbers(&all.data(3).await), [1, 2, 3]);
    assert_eq!(numbers(&platform.data(3).await), [1, 2, 3]);
    let first = orders.next().await.unwrap();
    assert_eq!(
        (first.name.as_str(), &first.data["type"], &first.data["tenant"]),
        ("", &json!("order.paid"), &json!("acme"))
    );
    assert_eq!(numbers(&orders.data(1).await), [3]);
    publish(&deployment, ("other", Role::Admin), &event("o", "cart", &json!(5))).await.expect(202);
    assert_eq!(numbers(&other.data(1).await), [5], "its own alone");
    say(&deployment, "cart", 6).await;
    assert_eq!(numbers(&orders.data(1).await), [6], "no noise, and nothing of the other's");
    // Who comes back with the id of the first misses nothing, by either way of saying it.
    drop(orders);
    say(&deployment, "order.sent", 4).await;
    let again =
        stream(&deployment, ADMIN, "/events/stream?type=order.*,cart").header("last-event-id", &first.id);
    assert_eq!(numbers(&Reader::open(again).await.data(3).await), [3, 6, 4]);
    let again = stream(&deployment, ADMIN, &format!("/events/stream?type=order.*&after={}", first.id));
    assert_eq!(numbers(&Reader::open(again).await.data(1).await), [4]);
}

async fn pages_hear_of_installations(backend: Backend) {
    let deployment = Deployment::start(backend);
    deployment.publish(PLATFORM, "card", "1.0.0").await;
    let public = deployment.server.get("/plugins/public/organizations/stream?organizationId=acme");
    let mut reader = Reader::open(stream(&deployment, USER, "/plugins/stream")).await;
    let mut stranger = Reader::open(public.header("origin", "https://any.example")).await;
    let mut other = Reader::open(stream(&deployment, ("other", Role::User), "/plugins/stream")).await;
    deployment.install(ADMIN, "card").await;
    deployment.put(ADMIN, "/plugins/card/status", &json!({"enabled": false})).await.expect(200);
    deployment.put(ADMIN, "/plugins/card/status", &json!({"enabled": true})).await.expect(200);
    deployment.put(ADMIN, "/plugins/card/config", &json!({"currency": "EUR"})).await.expect(200);
    deployment.publish(PLATFORM, "card", "1.1.0").await;
    deployment.post(ADMIN, "/plugins/upgrade", &json!({"pluginId": "card"})).await.expect(200);
    deployment.post(ADMIN, "/plugins/uninstall", &json!({"pluginId": "card"})).await.expect(200);
    let mut changes = reader.data(6).await;
    // An install may tell of the consent, too.
    if changes.iter().any(|change| change["change"] == "consented") {
        changes.retain(|change| change["change"] != "consented");
        changes.extend(reader.data(6 - changes.len()).await);
    }
    let words: Vec<_> = changes.iter().map(|change| change["change"].as_str().unwrap()).collect();
    assert_eq!(words, ["installed", "disabled", "enabled", "configured", "upgraded", "uninstalled"]);
    assert!(
        changes.iter().all(|change| change["pluginId"] == "card" && change["time"].is_string()),
        "{changes:?}"
    );
    assert_eq!((&changes[0]["version"], &changes[4]["version"]), (&json!("1.0.0"), &json!("1.1.0")));
    assert!(!changes.iter().any(|change| change.to_string().contains("EUR")));
    for change in stranger.data(6).await {
        let names: Vec<_> = change.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((&change["change"], names), (&json!("changed"), vec!["change", "time"]));
    }
    deployment.install(("other", Role::Admin), "card").await;
    let first = other.next().await.unwrap().data;
    assert_eq!(
        (&first["change"], &first["version"]),
        (&json!("installed"), &json!("1.1.0")),
        "its own alone"
    );
    Answer::of(deployment.server.get("/plugins/public/organizations/stream"))
        .await
        .problem("invalid_request");
}

async fn users_hear_what_plugins_listen_to(backend: Backend) {
    let deployment = Deployment::start(backend);
    let mut user = Reader::open(stream(&deployment, USER, "/events/stream")).await;
    say(&deployment, "order.paid", 1).await;
    let board = with(plugin("board", "1.0.0"), &json!({"listens": ["order.*", "marker"]}));
    deployment.post(PLATFORM, "/plugins", &board).await.expect(201);
    deployment.install(ADMIN, "board").await;
    say(&deployment, "order.paid", 2).await;
    say(&deployment, "cart", 3).await;
    say(&deployment, "marker", 4).await;
    let heard = user.data(2).await;
    assert_eq!(
        numbers(&heard),
        [2, 4],
        "what was said before nobody had agreed to, and to the cart nobody has"
    );
    let page = deployment.get_as(USER, "/events").await.expect(200);
    assert_eq!(numbers(page["events"].as_array().unwrap()), [1, 2, 4]);
    deployment
        .put(ADMIN, "/events/policy", &json!({"pages": {"emit": [], "follow": ["marker"]}}))
        .await
        .expect(200);
    say(&deployment, "order.paid", 5).await;
    say(&deployment, "marker", 6).await;
    assert_eq!(numbers(&user.data(1).await), [6], "the tenant does not let users follow orders any more");
}

async fn what_is_gone_is_told(backend: Backend) {
    let deployment = Deployment::start(backend);
    say(&deployment, "order", 1).await;
    for last in ["999999999", "none"] {
        let request = stream(&deployment, ADMIN, "/events/stream?type=order").header("last-event-id", last);
        let mut reader = Reader::open(request).await;
        let reset = reader.next().await.unwrap();
        assert_eq!((reset.name.as_str(), reset.data["oldest"].is_string()), ("reset", true), "{last}");
    }
    let request = stream(&deployment, ADMIN, "/events/stream?after=none");
    Answer::of(request).await.problem("invalid_request");
}

async fn what_retention_has_removed_is_gone(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.set("EVENT_LOG_SIZE", "16KiB"));
    let mut reader = Reader::open(stream(&deployment, ADMIN, "/events/stream?type=order")).await;
    say(&deployment, "order", 0).await;
    let first = reader.next().await.unwrap().id;
    drop(reader);
    // More than the server's own readers of the log may leave unread.
    for batch in 0..30_u64 {
        let numbers = batch * 100 + 1..=batch * 100 + 100;
        let events = numbers.map(|number| event(&number.to_string(), "order", &json!(number)));
        publish(&deployment, ADMIN, &events.collect()).await.expect(202);
    }
    let path = format!("/events?type=order&limit=1000&after={first}");
    let removed = async {
        loop {
            let page = deployment.get_as(ADMIN, &path).await;
            if page.status != 200 {
                return page.problem("gone")["oldest"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    // Removing begins within 15 s.
    let oldest = tokio::time::timeout(Duration::from_mins(2), removed).await.expect("old events are removed");
    let request = stream(&deployment, ADMIN, "/events/stream?type=order").header("last-event-id", &first);
    let mut reader = Reader::open(request).await;
    let reset = reader.next().await.unwrap();
    assert_eq!(reset.name, "reset");
    let place = |text: &str| text.parse::<i64>().unwrap();
    assert!(place(reset.data["oldest"].as_str().unwrap()) >= place(&oldest));
    assert_eq!(reset.id, reset.data["oldest"]);
    let told = reader.next().await.unwrap().data["data"].as_u64().unwrap();
    let left = reader.data(usize::try_from(3000 - told).unwrap()).await;
    assert_eq!(numbers(&left), (told + 1..=3000).collect::<Vec<_>>(), "it goes on with what there is");
}

#[tokio::test]
async fn what_one_server_takes_another_tells() {
    let backend = Backend::servers(&POSTGRES).unwrap();
    let start = || {
        backend
            .configure(server())
            .set("ENCRYPTION_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
            .start()
    };
    let (here, there) = (start().unwrap(), start().unwrap());
    let mut reader = Reader::open(stream(&there, ADMIN, "/events/stream")).await;
    let here = Deployment { server: here, backend };
    let began = Instant::now();
    for number in 0..20 {
        say(&here, "order", number).await;
        assert_eq!(numbers(&reader.data(1).await), [number]);
    }
    assert!(began.elapsed() < Duration::from_secs(15), "the database tells of it: {:?}", began.elapsed());
    // It comes back at the other server.
    let last = reader.last_id.clone();
    drop((reader, there));
    say(&here, "order", 20).await;
    let mut reader = Reader::open(stream(&here, ADMIN, "/events/stream").header("last-event-id", last)).await;
    assert_eq!(numbers(&reader.data(1).await), [20]);
}

#[tokio::test]
async fn a_stream_ends_with_its_credential_and_with_the_server() {
    let mut server = server().start().unwrap();
    let key: Value = {
        let body = json!({"name": "reader", "role": "admin"});
        let made = server
            .request_as("acme", Role::Admin, Method::POST, "/api-keys")
            .json(&body)
            .send()
            .await
            .unwrap();
        made.json().await.unwrap()
    };
    let by_key = server.get("/events/stream").bearer_auth(key["secret"].as_str().unwrap());
    let mut by_key = Reader::open(by_key).await;
    let soon = model::Ambient::system().now().as_second() + 5;
    let token =
        TokenBuilder::new().claim("tenantId", "acme").claim("role", "admin").claim("exp", soon).sign();
    let mut by_token = Reader::open(server.get("/events/stream").bearer_auth(token)).await;
    let mut lasting = Reader::open(stream(&server, ADMIN, "/events/stream")).await;
    let path = format!("/api-keys/{}", key["id"].as_str().unwrap());
    server.request_as("acme", Role::Admin, Method::DELETE, &path).send().await.unwrap();
    // By themselves streams end after nine minutes at the earliest.
    let ended = async { tokio::join!(by_key.ends(), by_token.ends()) };
    tokio::time::timeout(Duration::from_mins(4), ended).await.expect("they end with their credentials");
    let mark = event("mark", "mark", &json!(1));
    let request = server.request_as("acme", Role::Admin, Method::POST, "/events");
    let request = request.header("content-type", "application/cloudevents+json").body(mark.to_string());
    assert_eq!(request.send().await.unwrap().status(), 202);
    while lasting.data(1).await[0]["type"] != "mark" {}
    let mut public =
        Reader::open(server.get("/plugins/public/organizations/stream?organizationId=acme")).await;
    server.signal("TERM").unwrap();
    let began = Instant::now();
    tokio::join!(lasting.ends(), public.ends());
    assert!(server.wait().unwrap().success(), "{}", server.log());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn streams_are_bounded_and_who_does_not_read_is_no_burden() {
    let builder = server().set("EVENT_STREAMS_PER_TENANT", "3");
    let server = builder.start().unwrap();
    let deployment = Deployment { server, backend: Backend::files() };
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(Reader::open(stream(&deployment, ADMIN, "/events/stream")).await);
    }
    let refused = Answer::of(stream(&deployment, ADMIN, "/events/stream")).await;
    refused.problem("rate_limited");
    assert!(refused.headers.contains_key("retry-after"));
    // Two of them do not read meanwhile: the third is not kept waiting, and they miss nothing.
    let large = "a".repeat(50_000);
    let mut reading = readers.pop().unwrap();
    for number in 0..300 {
        let event = event(&number.to_string(), "order", &json!({"number": number, "padding": large}));
        publish(&deployment, ADMIN, &event).await.expect(202);
        assert_eq!(reading.data(1).await[0]["data"]["number"], number);
    }
    for reader in &mut readers {
        for number in 0..300 {
            assert_eq!(reader.data(1).await[0]["data"]["number"], number);
        }
    }
}
