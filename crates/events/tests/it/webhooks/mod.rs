//! Webhooks from the wire to the plugin: what is taken, what is not, and each once.

mod bench;
mod inspect;
mod once;
mod peers;
mod replay;
mod reply;

use std::time::Duration;

use bytes::Bytes;
use events::Error;
use events::webhook::{Destination, Refused, Taken};
use futures::future::join_all;
use model::{Coded as _, ErrorCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use storage::on;

use crate::place::{Place, on_both_databases};
use bench::{Bench, SECRET, Sent, github, plugin, tenant, token_of};

on_both_databases!(
    what_is_signed_is_kept_and_delivered_once,
    the_same_webhook_in_parallel_is_delivered_once,
    what_is_forged_or_altered_leaves_nothing,
    either_secret_will_do_during_a_rotation,
    without_a_secret_nothing_is_taken,
    an_address_belongs_to_one_tenant,
    a_rotated_address_leads_nowhere_or_on_for_a_while,
    the_documented_address_takes_what_is_signed_alone,
    switched_off_and_uninstalled_plugins_take_nothing,
    too_many_that_wait_are_refused,
    a_token_that_an_issuer_signed_must_be_meant_for_the_address,
    the_headers_of_a_webhook_are_kept_without_its_secret,
    old_webhooks_go,
);

async fn what_is_signed_is_kept_and_delivered_once(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    let sent = Bench::signed("d1", &json!({"action": "opened", "text": "ż\u{0}"}));
    assert_eq!(bench.send(&acme, sent.clone()).await.unwrap(), Taken::Kept);
    assert_eq!(bench.states(&acme).await, ["pending"]);
    bench.deliver().await;
    assert_eq!(bench.states(&acme).await, ["delivered"]);
    // A repetition gets the same answer, before and after.
    assert_eq!(bench.send(&acme, sent.clone()).await.unwrap(), Taken::Kept);
    bench.deliver().await;
    let given = bench.given();
    assert_eq!(given.len(), 1);
    let (whose, request) = &given[0];
    assert_eq!((whose, &request.body), (&acme, &sent.body));
    assert!(request.headers.contains(&("x-github-delivery".into(), "d1".into())), "{:?}", request.headers);
}

async fn the_same_webhook_in_parallel_is_delivered_once(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    let sent = Bench::signed("d1", &json!({"action": "opened"}));
    let other = Bench::signed("d2", &json!({"action": "opened"}));
    let sending = (0..40).map(|number| {
        let sent = if number % 4 == 0 { other.clone() } else { sent.clone() };
        bench.send(&acme, sent)
    });
    for taken in join_all(sending).await {
        assert_eq!(taken.unwrap(), Taken::Kept);
    }
    assert_eq!(bench.states(&acme).await.len(), 2);
    bench.deliver().await;
    assert_eq!(bench.given().len(), 2);
}

async fn what_is_forged_or_altered_leaves_nothing(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    let body = json!({"action": "opened", "number": 1});
    let good = Bench::signed("d1", &body);
    let with_body = |bytes: Vec<u8>| Sent { body: Bytes::from(bytes), ..good.clone() };
    let unsigned = Sent { headers: Vec::new(), ..good.clone() };
    for (name, sent) in [
        ("forged", Bench::signed_with("another secret", "d1", &body)),
        ("re-encoded", with_body(serde_json::to_vec_pretty(&body).unwrap())),
        ("truncated", with_body(good.body[..good.body.len() - 1].to_vec())),
        ("extended", with_body([good.body.as_ref(), b"\n"].concat())),
        ("empty", with_body(Vec::new())),
        ("unsigned", unsigned),
    ] {
        let error = bench.send(&acme, sent).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidCredential, "{name}: {error}");
    }
    assert!(bench.states(&acme).await.is_empty());
    bench.install(&acme, json!({"scheme": "slack", "secret": "webhookSecret"}));
    let body = json!({"event_id": "Ev1"}).to_string();
    let time = bench.ambient.now().as_second();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, format!("v0:{time}:{body}").as_bytes());
    let headers = vec![
        ("x-slack-signature".into(), format!("v0={}", hex::encode(tag.as_ref()))),
        ("x-slack-request-timestamp".into(), time.to_string()),
    ];
    let timely = Sent { headers, body: body.into(), path: "/".into() };
    assert_eq!(bench.send(&acme, timely.clone()).await.unwrap(), Taken::Kept);
    bench.clock.advance(Duration::from_secs(302));
    let late = bench.send(&acme, timely).await.unwrap_err();
    assert!(matches!(late, Error::Refused(Refused::Timestamp(_))), "{late}");
    assert_eq!(bench.states(&acme).await.len(), 1);
}

async fn either_secret_will_do_during_a_rotation(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    bench.change(&acme, |door| {
        door.secrets = vec![SecretString::from("the new secret"), SecretString::from(SECRET)];
    });
    for (secret, id) in [(SECRET, "d1"), ("the new secret", "d2")] {
        let taken = bench.send(&acme, Bench::signed_with(secret, id, &json!({}))).await;
        assert_eq!(taken.unwrap(), Taken::Kept, "{id}");
    }
    bench.change(&acme, |door| door.secrets.truncate(1));
    assert!(bench.send(&acme, Bench::signed("d3", &json!({}))).await.is_err());
    assert_eq!(bench.states(&acme).await.len(), 2);
}

async fn without_a_secret_nothing_is_taken(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    for secrets in [vec![], vec![SecretString::from("")]] {
        bench.change(&acme, |door| door.secrets = secrets);
        let error = bench.send(&acme, Bench::signed_with("", "d1", &json!({}))).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Conflict);
        assert!(error.to_string().contains("webhook.secret"), "{error}");
    }
    assert!(bench.states(&acme).await.is_empty());
}

async fn an_address_belongs_to_one_tenant(place: Place) {
    let bench = Bench::new(&place).await;
    let (acme, other) = (tenant("acme"), tenant("other"));
    bench.install(&acme, github());
    bench.install(&other, github());
    assert_ne!(bench.token(&acme).await.expose_secret(), bench.token(&other).await.expose_secret());
    assert_eq!(bench.token(&acme).await.expose_secret(), bench.token(&acme).await.expose_secret());
    let sent = Bench::signed("d1", &json!({}));
    bench.send(&acme, sent.clone()).await.unwrap();
    assert_eq!((bench.states(&acme).await.len(), bench.states(&other).await.len()), (1, 0));
    // The same id elsewhere is another webhook.
    bench.send(&other, sent.clone()).await.unwrap();
    bench.deliver().await;
    assert_eq!(bench.given().len(), 2);
    for token in ["", "unknown", "../acme"] {
        let error = bench.send_to(Destination::Secret(token.into()), sent.clone()).await.unwrap_err();
        assert!(matches!(error, Error::NoSuchWebhookAddress), "{token}: {error}");
    }
    // A secret that another tenant has chosen too opens its own address alone.
    bench.change(&other, |door| door.secrets = vec![SecretString::from("of other")]);
    assert!(bench.send(&other, Bench::signed("d2", &json!({}))).await.is_err());
}

async fn a_rotated_address_leads_nowhere_or_on_for_a_while(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    let first = bench.token(&acme).await;
    let rotated = bench.webhooks.rotate((&acme, &plugin()), Duration::from_mins(10), "ann").await.unwrap();
    let second = token_of(rotated.url.expose_secret());
    assert!(rotated.former_until.is_some());
    for (token, id) in [(&first, "d1"), (&second, "d2")] {
        let sent = Bench::signed(id, &json!({}));
        bench.send_to(Destination::Secret(token.clone()), sent).await.unwrap();
    }
    bench.clock.advance(Duration::from_mins(11));
    bench.webhooks.forget();
    let refused = bench.webhooks.door(Destination::Secret(first)).await.unwrap_err();
    assert!(matches!(refused, Error::NoSuchWebhookAddress), "{refused}");
    bench.webhooks.rotate((&acme, &plugin()), Duration::ZERO, "ann").await.unwrap();
    assert!(bench.webhooks.door(Destination::Secret(second)).await.is_err());
    assert!(bench.webhooks.door(Destination::Secret(bench.token(&acme).await)).await.is_ok());
    let mut conn = bench.database.read().await.unwrap();
    let told: Vec<(String, String)> = on!(conn, |c| sqlx::query_as(
        "SELECT subject, data FROM event WHERE kind = 'jackfield.webhook_address.rotated' ORDER BY seq"
    )
    .fetch_all(c)
    .await)
    .unwrap();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|(subject, data)| subject == "shop" && data.contains("ann")), "{told:?}");
}

async fn the_documented_address_takes_what_is_signed_alone(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    let documented = |tenant: &str| Destination::Documented(tenant.parse().unwrap(), plugin());
    let sent = Bench::signed("d1", &json!({}));
    assert_eq!(bench.send_to(documented("acme"), sent.clone()).await.unwrap(), Taken::Kept);
    assert!(bench.send_to(documented("acme"), Bench::signed_with("x", "d2", &json!({}))).await.is_err());
    let stranger = bench.send_to(documented("other"), sent.clone()).await.unwrap_err();
    assert!(matches!(stranger, Error::NoSuchWebhookAddress), "{stranger}");
    // Where nothing is signed, only the secret address says where a webhook comes from.
    bench.install(&acme, json!({"scheme": "none"}));
    assert!(bench.webhooks.address(&acme, &plugin()).await.unwrap().documented.is_none());
    let unproven = bench.send_to(documented("acme"), sent.clone()).await.unwrap_err();
    assert!(matches!(unproven, Error::WebhookUnproven), "{unproven}");
    assert_eq!(bench.send(&acme, Sent { headers: Vec::new(), ..sent }).await.unwrap(), Taken::Kept);
}

async fn switched_off_and_uninstalled_plugins_take_nothing(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    let token = bench.token(&acme).await;
    bench.change(&acme, |door| door.enabled = false);
    let error = bench.send(&acme, Bench::signed("d1", &json!({}))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PluginDisabled);
    // Who does not know the secret is not told.
    let error = bench.send(&acme, Bench::signed_with("x", "d1", &json!({}))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidCredential);
    bench.change(&acme, |door| (door.enabled, door.manifest) = (true, None));
    let error = bench.webhooks.address(&acme, &plugin()).await.unwrap_err();
    assert!(matches!(error, Error::TakesNoWebhooks), "{error}");
    bench.uninstall(&acme);
    let error = bench.webhooks.door(Destination::Secret(token.clone())).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    // Another plugin that has taken the same name since does not get what was meant for the first.
    bench.install(&acme, github());
    bench.change(&acme, |door| door.plugin_key = "another".into());
    assert!(bench.webhooks.door(Destination::Secret(token)).await.is_err());
}

async fn too_many_that_wait_are_refused(place: Place) {
    let bench = Bench::with(&place, 3).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    for number in 0..3 {
        bench.send(&acme, Bench::signed(&number.to_string(), &json!({}))).await.unwrap();
    }
    let error = bench.send(&acme, Bench::signed("3", &json!({}))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.retry_after(bench.ambient.now()).is_some());
    bench.deliver().await;
    // What is counted is a second old at most.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    bench.send(&acme, Bench::signed("3", &json!({}))).await.unwrap();
}

async fn a_token_that_an_issuer_signed_must_be_meant_for_the_address(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, json!({"scheme": "google", "secret": "sender"}));
    bench.change(&acme, |door| door.secrets = vec![SecretString::from("push@project.example")]);
    let address = bench.webhooks.address(&acme, &plugin()).await.unwrap();
    let now = bench.ambient.now().as_second();
    let sent = |audience: &str, email: &str| {
        let token = json!({
            "iss": "https://accounts.google.com", "aud": audience, "email": email, "email_verified": true,
            "iat": now, "exp": now + 3600,
        });
        let body = json!({"message": {"messageId": "m1", "data": "e30="}}).to_string();
        let headers = vec![("authorization".into(), format!("Bearer {token}"))];
        Sent { headers, body: body.into(), path: "/".into() }
    };
    let url = address.url.expose_secret();
    assert_eq!(bench.send(&acme, sent(url, "push@project.example")).await.unwrap(), Taken::Kept);
    let documented = address.documented.unwrap();
    let again = bench.send(&acme, sent(documented.as_str(), "push@project.example")).await;
    assert_eq!(again.unwrap(), Taken::Kept);
    assert_eq!(bench.states(&acme).await.len(), 1, "the message is the same");
    for (audience, email) in [
        ("https://plugins.example/webhooks/in/other", "push@project.example"),
        (url, "other@project.example"),
    ] {
        let error = bench.send(&acme, sent(audience, email)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidCredential, "{audience} {email}");
    }
}

async fn the_headers_of_a_webhook_are_kept_without_its_secret(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    let token = json!({"header": "X-Gitlab-Token", "algorithm": "token", "id": "X-Gitlab-Event-UUID"});
    bench.install(&acme, json!({"scheme": "generic", "secret": "s", "generic": token}));
    let headers = vec![
        ("x-gitlab-token".into(), SECRET.into()),
        ("x-gitlab-event-uuid".into(), "u1".into()),
        ("x-long".into(), "x".repeat(20_000)),
    ];
    bench
        .send(&acme, Sent { headers, body: Bytes::from_static(b"\xff\0"), path: "/a".into() })
        .await
        .unwrap();
    bench.deliver().await;
    let given = bench.given();
    let request = &given[0].1;
    assert_eq!((request.body.as_ref(), request.path.as_str()), (&b"\xff\0"[..], "/a"));
    assert!(!format!("{:?}", request.headers).contains(SECRET), "{:?}", request.headers);
    assert_eq!(request.headers, [("x-gitlab-event-uuid".to_owned(), "u1".to_owned())]);
}

async fn old_webhooks_go(place: Place) {
    let bench = Bench::new(&place).await;
    let acme = tenant("acme");
    bench.install(&acme, github());
    bench.send(&acme, Bench::signed("d1", &json!({}))).await.unwrap();
    bench.deliver().await;
    assert_eq!(bench.webhooks.sweep().await.unwrap(), 0);
    bench.clock.advance(Duration::from_hours(31 * 24));
    bench.send(&acme, Bench::signed("d2", &json!({}))).await.unwrap();
    assert_eq!(bench.webhooks.sweep().await.unwrap(), 1);
    assert_eq!(bench.states(&acme).await, ["pending"]);
}
