//! Webhooks that the libraries of senders have signed.

use bytes::Bytes;
use events::webhook::Taken;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::bench::{Bench, Sent, tenant};
use crate::place::Place;

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn sent(sample: &Value, body: &str) -> Sent {
    let headers = sample["headers"].as_object().unwrap().iter();
    let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    Sent { headers, body: Bytes::from(body.to_owned()), path: "/".into() }
}

/// npm `stripe`, `@octokit/webhooks-methods`, `standardwebhooks` and `svix` sign; what they sign is taken, and nothing like it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_libraries_sign_is_taken() {
    let place = Place::sqlite();
    let bench = Bench::new(&place).await;
    let bodies = [
        json!({"id": "evt_1", "object": "event", "data": {"amount": 1200}}).to_string(),
        "{\n  \"id\": \"evt_2\",\n  \"name\": \"Łódź \u{1f680} \\u0041\"\n}\n".to_owned(),
        "[]".to_owned(),
    ];
    let samples = testkit::signed_webhooks(&json!({
        "bodies": bodies, "secret": "whsec_of_an_endpoint", "otherSecret": "whsec_of_before",
        "standardSecret": STANDARD_SECRET, "now": bench.ambient.now().as_second(),
    }));
    let samples = samples.unwrap();
    let samples = samples.as_array().unwrap();
    assert_eq!(samples.len(), 5 * bodies.len());
    for (number, sample) in samples.iter().enumerate() {
        // Each in a tenant of its own, so that none is taken for a repetition of another.
        let whose = tenant(&format!("t{number}"));
        bench.install(&whose, json!({"scheme": sample["scheme"], "secret": "s"}));
        let secret = sample["secret"].as_str().unwrap();
        bench.change(&whose, |door| {
            door.secrets = vec![SecretString::from("of no sender"), SecretString::from(secret)];
        });
        if sample["scheme"] == "standard" {
            bench.change(&whose, |door| drop(door.secrets.remove(0)));
        }
        let body = sample["body"].as_str().unwrap();
        let name = format!("{} {body:?}", sample["library"]);
        assert_eq!(bench.send(&whose, sent(sample, body)).await.unwrap(), Taken::Kept, "{name}");
        for altered in [format!("{body} "), body.replace('e', "f"), body[..body.len() - 1].to_owned()] {
            if altered != body {
                assert!(bench.send(&whose, sent(sample, &altered)).await.is_err(), "{name} {altered:?}");
            }
        }
        assert_eq!(bench.states(&whose).await, ["pending"], "{name}");
    }
}
