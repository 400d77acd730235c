//! Journey 5: a webhook is verified, stored and answered; the plugin's handler tells of it; another plugin and a live stream
//! hear of that.

use std::time::Duration;

use serde_json::json;
use testkit::Backend;

use super::{Stream, address, booked, client, shop_and_ledger, signed, until};
use crate::deployment::{ADMIN, Answer, Deployment, on_both_backends};

on_both_backends!(a_webhook_reaches_a_handler_another_plugin_and_a_page, what_is_told_of_in_a_circle_ends);

async fn a_webhook_reaches_a_handler_another_plugin_and_a_page(backend: Backend) {
    let deployment = Deployment::start(backend);
    shop_and_ledger(&deployment).await;
    let path = address(&deployment).await;
    let url = format!("{}{path}", deployment.base());
    let mut stream = Stream::open(&deployment, "/events/stream?type=payment.*,ledger.booked").await;
    let client = client();
    let taken = Answer::of(signed(&client, &url, &json!({"id": "p1", "type": "charge.succeeded"}))).await;
    assert!((200..300).contains(&taken.status), "{taken:?}");

    let paid = stream.next().await;
    assert_eq!(
        (&*paid.event, &paid.data["type"], &paid.data["subject"]),
        ("", &json!("payment.succeeded"), &json!("p1"))
    );
    assert_eq!(paid.data["source"], "jackfield/plugins/shop");
    assert_eq!(paid.data["sender"], "plugin:shop");
    let entered = stream.next().await;
    assert_eq!(
        (&entered.data["type"], &entered.data["data"]["cause"]),
        (&json!("ledger.booked"), &paid.data["id"])
    );
    assert!(entered.data["hops"].as_i64() > paid.data["hops"].as_i64(), "{entered:?}");
    assert_eq!(booked(&deployment).await, ["p1"]);

    let again = Answer::of(signed(&client, &url, &json!({"id": "p1", "type": "charge.succeeded"}))).await;
    assert!(
        (200..300).contains(&again.status),
        "a sender that repeats itself is told that it was heard: {again:?}"
    );
    Answer::of(signed(&client, &url, &json!({"id": "p2"}))).await;
    assert_eq!(stream.next().await.data["subject"], "p2", "what came twice is told once");
    until("p2 is not booked", Duration::from_secs(10), async || {
        Some(booked(&deployment).await == ["p1", "p2"])
    })
    .await;

    let forged = client.post(&url).header("stripe-signature", "t=1,v1=00").body("{}").send().await.unwrap();
    assert_eq!(forged.status(), 401);
    let told = deployment.get_as(ADMIN, "/webhooks/deliveries?plugin=shop").await.expect(200);
    let states: Vec<_> = told["deliveries"].as_array().unwrap().iter().map(|each| &each["state"]).collect();
    assert_eq!(states, ["delivered", "delivered"], "{told:#}");
    let other = deployment.get_as(("other", ADMIN.1), "/webhooks/deliveries").await.expect(200);
    assert_eq!(other["deliveries"], json!([]));
}

async fn what_is_told_of_in_a_circle_ends(backend: Backend) {
    let deployment = Deployment::start(backend);
    let circle = "import { defineBackendPlugin } from '@jackfield/plugin-sdk/server';\n\
        export default defineBackendPlugin({\n\
          hooks: [{ event: 'round.*', handler: 'again' }],\n\
          handlers: { again: async (event, ctx) => { await ctx.events.emit('round.trip', event.data); } },\n\
        });\n";
    super::install(&deployment, "circle", circle, &json!({"emits": ["round.trip"]})).await;
    let mut stream = Stream::open(&deployment, "/events/stream?type=round.*,jackfield.delivery.failed").await;
    let first =
        json!({"specversion": "1.0", "type": "round.begun", "source": "test", "id": "1", "data": {"n": 1}});
    let request = deployment.request_as(ADMIN.0, ADMIN.1, reqwest::Method::POST, "/events");
    let request = request.header("content-type", "application/cloudevents+json").body(first.to_string());
    Answer::of(request).await.expect(202);
    let mut hops = Vec::new();
    for _ in 0..9 {
        hops.push(stream.next().await.data["hops"].as_i64().unwrap_or(0));
    }
    assert_eq!(hops, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let lines = crate::backends::lines(&deployment, "circle", 1).await;
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap().contains("loop")), "{lines:?}");
}
