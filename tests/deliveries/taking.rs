//! What senders are told over HTTP: of what is too large, breaks off, comes too often, or is answered by the plugin itself.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use testkit::{Backend, Builder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{SECRET, client, install, signed, until};
use crate::deployment::{ADMIN, Answer, Deployment};

/// A server with a plugin `door` at acme whose handler is `handler`, and the door's secret address.
async fn door(set: impl FnOnce(Builder) -> Builder, webhook: Value, handler: &str) -> (Deployment, String) {
    let deployment = Deployment::start_with(Backend::files(), set);
    let server = format!(
        "import {{ defineBackendPlugin }} from '@jackfield/plugin-sdk/server';\n\
         export default defineBackendPlugin({{ handlers: {{ webhook: {handler} }} }});\n"
    );
    let secret =
        json!({"type": "object", "properties": {"key": {"type": "string"}}, "sensitiveFields": ["key"]});
    let fields = json!({"configSchema": secret, "webhook": webhook});
    install(&deployment, "door", &server, &fields).await;
    if webhook.get("secret").is_some() {
        deployment.put(ADMIN, "/plugins/door/config", &json!({"key": SECRET})).await.expect(200);
    }
    let url = address(&deployment).await;
    (deployment, url)
}

async fn address(deployment: &Deployment) -> String {
    let told = deployment.get_as(ADMIN, "/plugins/door/webhook-url").await.expect(200);
    told["url"].as_str().unwrap().to_owned()
}

fn unsigned() -> Value {
    json!({"scheme": "none"})
}

async fn post(url: &str, body: &str) -> Response {
    client().post(url).body(body.to_owned()).send().await.unwrap()
}

async fn deliveries(deployment: &Deployment) -> Vec<Value> {
    let told = deployment.get_as(ADMIN, "/webhooks/deliveries").await.expect(200);
    told["deliveries"].as_array().unwrap().clone()
}

/// Sends `text` as it stands, with the head of a request before it, and gives what comes back until the connection ends. What
/// breaks off has this side of the connection end with it.
async fn send_raw(
    deployment: &Deployment,
    url: &str,
    fields: &str,
    (text, breaks_off): (&str, bool),
) -> String {
    let host = deployment.base().strip_prefix("http://").unwrap();
    let path = url.strip_prefix(deployment.base()).unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{fields}\r\n\r\n{text}");
    stream.write_all(head.as_bytes()).await.unwrap();
    if breaks_off {
        stream.shutdown().await.unwrap();
    }
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_mins(1), stream.read_to_string(&mut answer)).await;
    drop(read.expect("the connection ends"));
    answer
}

#[tokio::test]
async fn what_is_too_large_or_breaks_off_is_not_taken() {
    let set = |builder: Builder| builder.set("WEBHOOK_MAX_SIZE", "1KiB");
    let (deployment, url) = door(set, unsigned(), "async () => ({})").await;
    let large = "x".repeat(1025);
    Answer::read(post(&url, &large).await).await.problem("payload_too_large");
    let chunked = format!("401\r\n{large}\r\n0\r\n\r\n");
    let answer = send_raw(&deployment, &url, "transfer-encoding: chunked", (&chunked, false)).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("payload_too_large"), "{answer}");
    let answer = send_raw(&deployment, &url, "content-length: 100", ("half of it", true)).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    let answer = send_raw(&deployment, &url, "transfer-encoding: chunked", ("401\r\nhalf of it", true)).await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    assert!(deliveries(&deployment).await.is_empty());
    let whole = "x".repeat(1024);
    assert_eq!(post(&url, &whole).await.status(), 202);
    let chunked = format!("400\r\n{whole}\r\n0\r\n\r\n");
    let answer = send_raw(&deployment, &url, "transfer-encoding: chunked", (&chunked, false)).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(deliveries(&deployment).await.len(), 2);
}

#[tokio::test]
async fn a_challenge_is_answered_and_not_kept() {
    let slack = json!({"scheme": "slack", "secret": "key"});
    let (deployment, url) = door(|builder| builder, slack, "async () => ({})").await;
    let body = json!({"type": "url_verification", "challenge": "3eZbrw1aB10FEMAGAZd4FyFQ"}).to_string();
    let at = model::Ambient::system().now().as_millisecond() / 1000;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, format!("v0:{at}:{body}").as_bytes());
    let hex = tag.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let request = client().post(&url).header("x-slack-request-timestamp", at);
    let request = request.header("x-slack-signature", format!("v0={hex}"));
    let response = request.body(body.clone()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    assert_eq!(response.text().await.unwrap(), "3eZbrw1aB10FEMAGAZd4FyFQ");
    assert_eq!(post(&url, &body).await.status(), 401, "unsigned");
    assert!(deliveries(&deployment).await.is_empty());
}

#[tokio::test]
async fn an_installation_takes_so_many_a_minute() {
    let set = |builder: Builder| builder.set("RATE_LIMIT_WEBHOOKS", "2");
    let (deployment, url) = door(set, unsigned(), "async () => ({})").await;
    let (mut taken, mut refused) = (0, None);
    while refused.is_none() {
        assert!(taken < 20, "none of {taken} was refused");
        let response = post(&url, "{}").await;
        match response.status().as_u16() {
            202 => taken += 1,
            _ => refused = Some(Answer::read(response).await),
        }
    }
    let refused = refused.unwrap();
    refused.problem("rate_limited");
    assert!(refused.headers.contains_key("retry-after") && taken >= 2, "{refused:?}");
    assert_eq!(deliveries(&deployment).await.len(), taken);
}

#[tokio::test]
async fn who_guesses_is_stopped_and_others_go_on() {
    let set =
        |builder: Builder| builder.set("TRUSTED_PROXIES", "127.0.0.0/8").set("RATE_LIMIT_PER_ADDRESS", "40");
    let stripe = json!({"scheme": "stripe", "secret": "key"});
    let (deployment, url) = door(set, stripe, "async () => ({})").await;
    let (client, forged) = (client(), format!("{}/webhooks/plugins/door?tenantId=acme", deployment.base()));
    let status_of = async |request: reqwest::RequestBuilder, from: &str| {
        request.header("x-forwarded-for", from).send().await.unwrap().status().as_u16()
    };
    let good = |number: usize| signed(&client, &url, &json!({"id": format!("p{number}")}));
    for round in 0.. {
        assert!(round < 5, "an address that has guessed too often is still heard");
        while status_of(client.post(&forged).body("{}"), "192.0.2.1").await != 429 {}
        // Not even what is signed is looked at, nor whether there is such an address.
        let unknown = client.post(format!("{}/webhooks/in/none", deployment.base()));
        let told = (status_of(good(round), "192.0.2.1").await, status_of(unknown, "192.0.2.1").await);
        assert_eq!(status_of(good(100 + round), "192.0.2.2").await, 202);
        // A machine that sleeps in between has the quota grow again.
        if told == (429, 429) {
            break;
        }
    }
}

#[tokio::test]
async fn so_many_may_wait_for_an_installation() {
    let set = |builder: Builder| builder.set("WEBHOOK_MAX_WAITING", "1");
    let (deployment, url) = door(set, unsigned(), "async () => { throw new Error('not today'); }").await;
    assert_eq!(post(&url, "{}").await.status(), 202);
    let refused = Answer::read(post(&url, "{}").await).await;
    refused.problem("unavailable");
    assert_eq!((refused.status, refused.headers.contains_key("retry-after")), (503, true));
    assert_eq!(deliveries(&deployment).await.len(), 1);
}

#[tokio::test]
async fn a_plugin_answers_its_sender_or_goes_on_without_it() {
    let reply = json!({"scheme": "none", "mode": "reply"});
    let handler = "async (req) => {\n\
        await new Promise((done) => setTimeout(done, req.body.wait));\n\
        return { text: 'It rains.' };\n\
    }";
    let (deployment, url) = door(|builder| builder, reply, handler).await;
    let send = async |wait: u64| {
        let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Answer::of(client.post(&url).json(&json!({"wait": wait}))).await
    };
    assert_eq!(send(0).await.expect(200), json!({"text": "It rains."}));
    assert_eq!(send(4000).await.expect(202), json!({"status": "accepted"}));
    until("the handler has not gone on", Duration::from_mins(1), async || {
        let told = deliveries(&deployment).await;
        Some(told.len() == 2 && told.iter().all(|each| each["state"] == "delivered" && each["attempts"] == 1))
    })
    .await;
}

#[tokio::test]
async fn an_address_ends_with_its_installation() {
    let (deployment, former) =
        door(|builder| builder, unsigned(), "async () => { throw new Error('not today'); }").await;
    assert_eq!(post(&former, "{}").await.status(), 202);
    deployment.post(ADMIN, "/plugins/uninstall", &json!({"pluginId": "door"})).await.expect(200);
    deployment.install(ADMIN, "door").await;
    // What is known of an installation is a second old at most.
    until("the address leads on", Duration::from_secs(30), async || {
        Some(post(&former, "{}").await.status() == 404)
    })
    .await;
    let url = address(&deployment).await;
    assert_ne!(url, former);
    assert_eq!(post(&url, "{}").await.status(), 202);
    until("what was sent before is not skipped", Duration::from_mins(1), async || {
        let told = deliveries(&deployment).await;
        Some(told.last().unwrap()["state"] == "skipped" && told.first().unwrap()["state"] == "pending")
    })
    .await;
}
