//! Publishing: once for each id, all or none, and what pages may say.

use events::Error;
use events::feed::Readable;
use events::publish::{EventPolicy, PageEvent, batch};
use model::Sender;
use serde_json::{Value, json};

use crate::bus::{Bus, id};
use crate::place::{Place, on_both_databases};

on_both_databases!(an_event_is_taken_once, pages_say_what_they_may, a_policy_is_told_of_once);

fn some(ids: &[&str]) -> Vec<u8> {
    let event = |id: &&str| json!({"specversion": "1.0", "id": id, "source": "/test", "type": "a", "data": {"said": id}});
    Value::Array(ids.iter().map(event).collect()).to_string().into_bytes()
}

async fn ids(bus: &Bus) -> Vec<String> {
    let page = bus.feed.page((None, Readable::All), &[], None, 1000).await.unwrap();
    page.events.into_iter().map(|event| format!("{} {}", event.tenant.unwrap(), event.id)).collect()
}

async fn an_event_is_taken_once(place: Place) {
    let bus = Bus::start(&place).await;
    let (acme, sender) = (id("acme"), Sender::ApiKey("k".into()));
    let publish = |body: Vec<u8>| {
        let (publisher, tenant, sender) = (bus.publisher.clone(), acme.clone(), sender.clone());
        async move { publisher.publish(&tenant, &sender, batch(&body).unwrap()).await.unwrap() }
    };
    // The same twice in a batch, again, and by many at once.
    assert_eq!(publish(some(&["1", "2", "1"])).await.len(), 3);
    publish(some(&["2", "3"])).await;
    let at_once: Vec<_> = (0..8).map(|_| tokio::spawn(publish(some(&["4", "5"])))).collect();
    for each in at_once {
        each.await.unwrap();
    }
    // What one tenant says is not what another does.
    bus.publisher.publish(&id("other"), &sender, batch(&some(&["1"])).unwrap()).await.unwrap();
    assert_eq!(ids(&bus).await, ["acme 1", "acme 2", "acme 3", "acme 4", "acme 5", "other 1"]);
}

async fn pages_say_what_they_may(place: Place) {
    let bus = Bus::start(&place).await;
    let (acme, plugin) = (id("acme"), "notes".parse().unwrap());
    let emit = |kind: &str, hops: Option<u32>, data: Value| {
        let event = PageEvent { kind: kind.into(), data, subject: Some("n-1".into()), hops };
        let (publisher, acme, plugin) = (bus.publisher.clone(), acme.clone(), &plugin);
        async move {
            let emits = |kind: &str| kind.starts_with("note.");
            publisher.emit_from_page(&acme, (plugin, emits), event).await
        }
    };
    assert!(
        matches!(emit("note.made", None, json!(1)).await, Err(Error::NotAllowed(_))),
        "until an admin says so"
    );
    let policy = EventPolicy::checked(&["note.made".into(), "order.*".into()], None).unwrap();
    bus.publisher.set_policy(&acme, &policy, "ann").await.unwrap();
    assert!(matches!(emit("order.paid", None, json!(1)).await, Err(Error::NotDeclared(_))));
    assert!(matches!(emit("note.lost", None, json!(1)).await, Err(Error::NotAllowed(_))));
    assert!(matches!(emit("jackfield.x", None, json!(1)).await, Err(Error::Invalid(_))));
    assert!(matches!(emit("note.made", Some(8), json!(1)).await, Err(Error::Invalid(_))));
    let large = json!("a".repeat(64 * 1024));
    assert!(matches!(emit("note.made", None, large).await, Err(Error::TooLarge(_))));
    let taken = emit("note.made", Some(2), json!({"x": 1})).await.unwrap();
    let page = bus.feed.page((Some(&acme), Readable::All), &[], None, 10).await.unwrap();
    let event = page.events.last().unwrap();
    assert_eq!((&event.id, event.source.as_str()), (&taken.id, "jackfield/plugins/notes"));
    assert_eq!((event.sender.as_deref(), event.hops, event.subject.as_str()), (Some("page:notes"), 3, "n-1"));
    assert!(matches!(bus.publisher.policy(&id("other")).await, Ok(policy) if policy == EventPolicy::INITIAL));
}

async fn a_policy_is_told_of_once(place: Place) {
    let bus = Bus::start(&place).await;
    let policy = EventPolicy::checked(&["note.*".into()], None).unwrap();
    for _ in 0..2 {
        bus.publisher.set_policy(&id("acme"), &policy, "ann").await.unwrap();
    }
    let page = bus.feed.page((Some(&id("acme")), Readable::All), &[], None, 10).await.unwrap();
    let kinds: Vec<_> = page.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["jackfield.event_policy.changed"]);
    assert!(page.events[0].data.contains("note.*"), "{}", page.events[0].data);
    assert_eq!(bus.publisher.policy(&id("acme")).await.unwrap(), policy);
}
