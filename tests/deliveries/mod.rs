//! Webhooks, events and deliveries through the whole program.

mod command;
mod kills;
mod outage;
mod peers;
mod react;
mod taking;

use std::time::Duration;

use aws_lc_rs::hmac;
use model::Ambient;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use testkit::TestServer;

use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, manifest, with};

/// What the shop's webhooks are signed with.
const SECRET: &str = "whsec_of_the_shop";

/// Publishes two plugins and installs them at acme. The shop takes signed webhooks and tells of each payment once; the ledger
/// hears of payments, counts them, and tells that it has.
async fn shop_and_ledger(deployment: &Deployment) {
    let shop = "import { defineBackendPlugin } from '@jackfield/plugin-sdk/server';\n\
        export default defineBackendPlugin({ handlers: {\n\
          webhook: async (req, ctx) => {\n\
            await ctx.events.emit('payment.succeeded', { id: req.body.id }, { subject: req.body.id });\n\
            return { taken: req.body.id };\n\
          },\n\
        } });\n";
    let ledger = "import { defineBackendPlugin } from '@jackfield/plugin-sdk/server';\n\
        export default defineBackendPlugin({\n\
          hooks: [{ event: 'payment.*', handler: 'book' }],\n\
          handlers: {\n\
            book: async (event, ctx) => {\n\
              await ctx.storage.increment(`paid:${event.data.id}`);\n\
              await ctx.events.emit('ledger.booked', { id: event.data.id, cause: event.id });\n\
            },\n\
            booked: async (_req, ctx) => ctx.storage.list('paid:'),\n\
          },\n\
        });\n";
    let secret =
        json!({"type": "object", "properties": {"key": {"type": "string"}}, "sensitiveFields": ["key"]});
    let fields = json!({
        "configSchema": secret, "webhook": {"scheme": "stripe", "secret": "key"}, "emits": ["payment.succeeded"],
    });
    install(deployment, "shop", shop, &fields).await;
    let key = json!({"key": SECRET});
    deployment.put(ADMIN, "/plugins/shop/config", &key).await.expect(200);
    install(deployment, "ledger", ledger, &json!({"emits": ["ledger.booked"]})).await;
}

async fn install(deployment: &Deployment, id: &str, server: &str, fields: &Value) {
    let backend = json!({"files": {"server.ts": server}, "backend": {"entryPoint": "server.ts"}});
    let body = with(with(manifest(id, "1.0.0"), &backend), fields);
    deployment.post(PLATFORM, "/plugins", &body).await.expect(201);
    deployment.install(ADMIN, id).await;
}

/// The path of the shop's secret address at acme.
async fn address(deployment: &Deployment) -> String {
    let told = deployment.get_as(ADMIN, "/plugins/shop/webhook-url").await.expect(200);
    let url = told["url"].as_str().unwrap();
    url.strip_prefix(deployment.base()).unwrap_or_else(|| panic!("{url}")).to_owned()
}

/// What the shop's processor sends, signed as Stripe does.
fn signed(client: &Client, url: &str, body: &Value) -> reqwest::RequestBuilder {
    let at = Ambient::system().now().as_millisecond() / 1000;
    let text = body.to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{text}").as_bytes());
    let hex = tag.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    client
        .post(url)
        .header("stripe-signature", format!("t={at},v1={hex}"))
        .header("content-type", "application/json")
        .body(text)
}

/// A client that gives up soon.
fn client() -> Client {
    Client::builder().timeout(Duration::from_secs(5)).build().unwrap()
}

/// What comes over a stream of events.
struct Stream {
    response: Response,
    rest: String,
}

/// One message of a stream (WHATWG HTML, section 9.2).
#[derive(Debug, Clone, PartialEq)]
struct Message {
    id: String,
    event: String,
    data: Value,
}

impl Stream {
    /// Follows `path` as acme's admin.
    async fn open(server: &TestServer, path: &str) -> Self {
        let response = server.request_as(ADMIN.0, ADMIN.1, Method::GET, path).send().await.unwrap();
        let status = response.status();
        assert_eq!(status, 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, rest: String::new() }
    }

    /// The next message.
    async fn next(&mut self) -> Message {
        tokio::time::timeout(Duration::from_secs(30), self.read())
            .await
            .expect("nothing comes over the stream")
    }

    async fn read(&mut self) -> Message {
        loop {
            while let Some(end) = self.rest.find("\n\n") {
                let block = self.rest[..end].to_owned();
                self.rest.drain(..end + 2);
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    line.map(|value| value.strip_prefix(' ').unwrap_or(value).to_owned()).unwrap_or_default()
                };
                let data = field("data");
                if !data.is_empty() {
                    let data = serde_json::from_str(&data).unwrap();
                    return Message { id: field("id"), event: field("event"), data };
                }
            }
            let chunk = self.response.chunk().await.unwrap().expect("the stream has ended");
            self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// Asks again and again until `is_so` of the answer.
async fn until(what: &str, deadline: Duration, ask: impl AsyncFn() -> Option<bool>) {
    let began = tokio::time::Instant::now();
    while ask().await != Some(true) {
        assert!(began.elapsed() < deadline, "{what}, even after {deadline:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What the ledger has booked at acme, by payment.
async fn booked(deployment: &Deployment) -> Vec<String> {
    let body = json!({"action": "booked", "parameters": {}});
    let answer: Answer = deployment.post(ADMIN, "/plugins/ledger/actions", &body).await;
    let answer = answer.expect(200);
    let keys = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
    keys.iter().map(|key| key.as_str().unwrap().trim_start_matches("paid:").to_owned()).collect()
}
