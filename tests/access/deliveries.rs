//! What has been delivered at the other tenant: a webhook, and an event to a hook and to a subscription.

use serde_json::{Value, json};

use super::{MARK, OTHER_ADMIN};
use crate::deployment::{Answer, Deployment, manifest, with};

/// The ids of it.
pub(super) struct Delivered {
    pub(super) subscription: String,
    pub(super) webhook: String,
    pub(super) delivery: String,
}

/// Has a plugin of the other tenant's own take a webhook and an event, both marked.
pub(super) async fn make(deployment: &Deployment) -> Delivered {
    let server = "import { defineBackendPlugin } from '@jackfield/plugin-sdk/server';\n\
        export default defineBackendPlugin({\n\
          hooks: [{ event: 'marked.*', handler: 'heard' }],\n\
          handlers: { webhook: async () => ({}), heard: async () => {}, told: async () => {} },\n\
        });\n";
    let fields = json!({
        "files": {"server.ts": server}, "backend": {"entryPoint": "server.ts"}, "webhook": {"scheme": "none"},
    });
    deployment.post(OTHER_ADMIN, "/plugins", &with(manifest("taking", "1.0.0"), &fields)).await.expect(201);
    deployment.install(OTHER_ADMIN, "taking").await;
    let handler = json!({"pluginId": "taking", "handler": "told"});
    let subscription = json!({"types": ["marked.*"], "handler": handler, "description": MARK});
    let subscription = deployment.post(OTHER_ADMIN, "/subscriptions", &subscription).await.expect(201);

    let address = deployment.get_as(OTHER_ADMIN, "/plugins/taking/webhook-url").await.expect(200);
    let path = address["url"].as_str().unwrap().strip_prefix(deployment.base()).unwrap();
    let webhook = deployment.server.request(reqwest::Method::POST, path);
    let webhook = webhook.header("content-type", "application/json");
    let taken = Answer::of(webhook.body(json!({"id": MARK}).to_string())).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    let event = json!({
        "specversion": "1.0", "id": MARK, "source": "/other", "type": format!("marked.{MARK}"), "data": MARK,
    });
    let event_request = deployment.request_as(OTHER_ADMIN.0, OTHER_ADMIN.1, reqwest::Method::POST, "/events");
    let event_request = event_request.header("content-type", "application/cloudevents+json");
    Answer::of(event_request.body(event.to_string())).await.expect(202);

    let webhooks = delivered(deployment, &format!("/webhooks/deliveries?search={MARK}"), 1).await;
    let events = delivered(deployment, &format!("/events/deliveries?event={MARK}"), 2).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Delivered {
        subscription: text(&subscription["id"]),
        webhook: text(&webhooks[0]["id"]),
        delivery: text(&events[0]["id"]),
    }
}

/// What is listed there, once there are so many and all are delivered.
async fn delivered(deployment: &Deployment, path: &str, count: usize) -> Vec<Value> {
    let began = std::time::Instant::now();
    loop {
        let listed = deployment.get_as(OTHER_ADMIN, path).await.expect(200);
        let listed = listed["deliveries"].as_array().unwrap();
        if listed.len() == count && listed.iter().all(|each| each["state"] == "delivered") {
            return listed.clone();
        }
        assert!(began.elapsed().as_secs() < 60, "not delivered: {listed:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
