//! The database goes away under the bus, and comes back.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use testkit::{Backend, Ending, Postgres};

use super::peers::Receiver;
use super::{Stream, until};
use crate::deployment::{ADMIN, Answer, Deployment};

async fn publish(deployment: &Deployment, number: u64) -> Answer {
    let event = json!({
        "specversion": "1.0", "type": "load.made", "source": "test", "id": number.to_string(), "partitionkey": "k",
        "data": {"n": number},
    });
    let request = deployment.request_as(ADMIN.0, ADMIN.1, reqwest::Method::POST, "/events");
    Answer::of(request.header("content-type", "application/cloudevents+json").body(event.to_string())).await
}

fn number(event: &Value) -> u64 {
    event["data"]["n"].as_u64().unwrap()
}

#[tokio::test]
async fn nothing_is_lost_while_the_database_is_away() {
    let mut postgres = Postgres::start().unwrap();
    let backend = Backend::servers(&postgres).unwrap();
    let deployment = Deployment::start_with(backend, |builder| builder.set("OUTBOUND_ALLOW", "127.0.0.1"));
    // It does not take the first, which waits for its second attempt while the database is away.
    let manners = |n, _| if n == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let receiver = Receiver::start(manners).await;
    let wanted = json!({"types": ["load.*"], "endpoint": {"url": receiver.url}});
    deployment.post(ADMIN, "/subscriptions", &wanted).await.expect(201);
    let mut stream = Stream::open(&deployment, "/events/stream?type=load.*").await;
    publish(&deployment, 0).await.expect(202);
    assert_eq!(number(&stream.next().await.data), 0);
    until("nothing is tried", Duration::from_mins(1), async || Some(receiver.given().len() == 1)).await;

    postgres.stop(Ending::Immediate).unwrap();
    let refused = publish(&deployment, 1).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    refused.problem("unavailable");
    postgres.resume().unwrap();
    until("it is not ready again", Duration::from_mins(1), async || {
        Some(deployment.get("/health/ready").await.status == 200)
    })
    .await;

    publish(&deployment, 2).await.expect(202);
    assert_eq!(number(&stream.next().await.data), 2, "the stream that was open goes on");
    until("what waited is not delivered", Duration::from_mins(2), async || {
        Some(receiver.taken_by_key().get("k").is_some_and(|taken| taken == &[0, 2]))
    })
    .await;
    let page = deployment.get_as(ADMIN, "/events?type=load.*").await.expect(200);
    let logged: Vec<_> = page["events"].as_array().unwrap().iter().map(number).collect();
    assert_eq!(logged, [0, 2]);
}
