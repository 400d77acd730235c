//! Publishing as CloudEvents, reading in pages, and the policy of pages.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, USER, Who, on_both_backends, plugin, with};

on_both_backends!(
    events_are_published_in_three_modes,
    what_is_wrong_is_refused_by_name,
    keys_publish_and_users_do_not,
    pages_are_read_on_by_next,
    pages_emit_what_the_tenant_lets_them,
);

pub(crate) fn event(id: &str, kind: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/shop", "type": kind, "data": data})
}

pub(crate) async fn publish(deployment: &Deployment, (tenant, role): Who, event: &Value) -> Answer {
    let (kind, body) = match event {
        Value::Array(_) => ("application/cloudevents-batch+json", event),
        _ => ("application/cloudevents+json", event),
    };
    let request = deployment.request_as(tenant, role, Method::POST, "/events");
    Answer::of(request.header("content-type", kind).body(body.to_string())).await
}

async fn listed(deployment: &Deployment, who: Who, query: &str) -> Vec<Value> {
    let page = deployment.get_as(who, &format!("/events?{query}")).await.expect(200);
    page["events"].as_array().unwrap().clone()
}

async fn events_are_published_in_three_modes(backend: Backend) {
    let deployment = Deployment::start(backend);
    let one = event("1", "order.paid", &json!({"total": 7}));
    let taken = publish(&deployment, ADMIN, &one).await.expect(202);
    assert_eq!(taken, json!({"accepted": 1, "events": [{"id": "1", "source": "/shop"}]}));
    // Again, and within a batch.
    publish(&deployment, ADMIN, &one).await.expect(202);
    let batch = json!([one, event("2", "order.sent", &json!(null))]);
    assert_eq!(publish(&deployment, ADMIN, &batch).await.expect(202)["accepted"], 2);
    let (tenant, role) = ADMIN;
    let binary = deployment.request_as(tenant, role, Method::POST, "/events");
    let binary = binary.header("ce-specversion", "1.0").header("ce-id", "3").header("ce-source", "/shop");
    let binary = binary
        .header("ce-type", "order.lost")
        .header("ce-subject", "order%201")
        .header("content-type", "text/plain");
    Answer::of(binary.body("at sea")).await.expect(202);
    let events = listed(&deployment, ADMIN, "type=order.*").await;
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(events[0]["data"], json!({"total": 7}));
    assert!(events[0]["sender"].as_str().unwrap().starts_with("user:"), "{}", events[0]);
    assert_eq!((&events[2]["subject"], &events[2]["data"]), (&json!("order 1"), &json!("at sea")));
    assert_eq!(events[2]["datacontenttype"], "text/plain");
    assert!(listed(&deployment, ("other", model::Role::Admin), "").await.is_empty());
    let all = listed(&deployment, PLATFORM, "scope=platform&type=order.*").await;
    assert!(all.len() == 3 && all.iter().all(|event| event["tenant"] == "acme"), "{all:?}");
}

async fn what_is_wrong_is_refused_by_name(backend: Backend) {
    let deployment = Deployment::start(backend);
    let with = |fields: &Value| with(event("1", "order.paid", &json!(1)), fields);
    for (wrong, pointer) in [
        (json!({"specversion": "0.3"}), "/specversion"),
        (json!({"id": ""}), "/id"),
        (json!({"source": "jackfield/plugins/notes"}), "/source"),
        (json!({"type": "jackfield.installation.created"}), "/type"),
        (json!({"type": "a b"}), "/type"),
        (json!({"hops": 8}), "/hops"),
    ] {
        let refused = publish(&deployment, ADMIN, &with(&wrong)).await;
        assert_eq!((refused.status, refused.pointers("validation_failed")), (422, vec![pointer.to_owned()]));
    }
    let large = with(&json!({"data": "a".repeat(64 * 1024)}));
    assert_eq!(publish(&deployment, ADMIN, &large).await.problem("payload_too_large")["status"], 413);
    let batch = Value::Array(vec![event("1", "a", &json!(1)); 101]);
    publish(&deployment, ADMIN, &batch).await.problem("payload_too_large");
    let refused = publish(&deployment, ADMIN, &json!([event("1", "a", &json!(1)), {"id": "2"}])).await;
    assert_eq!(refused.pointers("validation_failed"), ["/1/specversion", "/1/source", "/1/type"]);
    deployment.post(ADMIN, "/events", &event("1", "a", &json!(1))).await.problem("unsupported_media_type");
    assert!(listed(&deployment, ADMIN, "type=a,order.*").await.is_empty(), "nothing of it was taken");
    for (query, code) in [
        ("after=x", "invalid_request"),
        ("after=-1", "invalid_request"),
        ("limit=0", "invalid_request"),
        ("limit=1001", "invalid_request"),
        ("type=*.a", "invalid_request"),
        ("scope=all", "invalid_request"),
        ("after=999999999", "gone"),
    ] {
        let refused = deployment.get_as(ADMIN, &format!("/events?{query}")).await;
        let problem = refused.problem(code);
        assert_eq!(problem.get("oldest").is_some(), code == "gone", "{problem}");
    }
}

async fn keys_publish_and_users_do_not(backend: Backend) {
    let deployment = Deployment::start(backend);
    let one = event("1", "order.paid", &json!(1));
    publish(&deployment, USER, &one).await.problem("insufficient_role");
    let key = deployment.post(ADMIN, "/api-keys", &json!({"name": "shop", "role": "user"})).await.expect(201);
    let request =
        deployment.server.request(Method::POST, "/events").bearer_auth(key["secret"].as_str().unwrap());
    let request = request.header("content-type", "application/cloudevents+json; charset=utf-8");
    Answer::of(request.body(one.to_string())).await.expect(202);
    let events = listed(&deployment, ADMIN, "type=order.paid").await;
    assert_eq!(events[0]["sender"], format!("api_key:{}", key["id"].as_str().unwrap()));
    assert!(listed(&deployment, USER, "").await.is_empty(), "no plugin listens to it");
}

async fn pages_are_read_on_by_next(backend: Backend) {
    let deployment = Deployment::start(backend);
    let batch: Vec<_> = (0..25).map(|number| event(&number.to_string(), "order", &json!(number))).collect();
    publish(&deployment, ADMIN, &Value::Array(batch)).await.expect(202);
    let (mut after, mut read) = (String::new(), Vec::new());
    loop {
        let page =
            deployment.get_as(ADMIN, &format!("/events?type=order&limit=10&after={after}")).await.expect(200);
        let events = page["events"].as_array().unwrap().clone();
        page["next"].as_str().unwrap().clone_into(&mut after);
        if events.is_empty() {
            break;
        }
        read.extend(events.into_iter().map(|event| event["data"].as_u64().unwrap()));
    }
    assert_eq!(read, (0..25).collect::<Vec<_>>());
}

async fn pages_emit_what_the_tenant_lets_them(backend: Backend) {
    let deployment = Deployment::start(backend);
    let notes = with(plugin("notes", "1.0.0"), &json!({"emits": ["note.made", "note.lost"]}));
    deployment.post(PLATFORM, "/plugins", &notes).await.expect(201);
    let emit = |kind: &str| {
        let body = json!({"type": kind, "data": {"title": "x"}, "subject": "n-1"});
        let deployment = &deployment;
        async move { deployment.post(USER, "/plugins/notes/events", &body).await }
    };
    emit("note.made").await.problem("not_found");
    deployment.install(ADMIN, "notes").await;
    emit("note.made").await.problem("access_denied");
    assert_eq!(deployment.get_as(ADMIN, "/events/policy").await.expect(200), json!({"pages": {"emit": []}}));
    let policy = json!({"pages": {"emit": ["note.made", "order.*"]}});
    assert_eq!(deployment.put(ADMIN, "/events/policy", &policy).await.expect(200), policy);
    let taken = emit("note.made").await.expect(202);
    assert_eq!(taken["source"], "jackfield/plugins/notes");
    emit("note.lost").await.problem("access_denied");
    emit("order.paid").await.problem("access_denied");
    let wrong = deployment.put(ADMIN, "/events/policy", &json!({"pages": {"emit": ["*.x"]}})).await;
    assert_eq!(wrong.pointers("validation_failed"), ["/pages/emit/0"]);
    let event = &listed(&deployment, ADMIN, "type=note.*").await[0];
    assert_eq!((&event["id"], &event["sender"]), (&taken["id"], &json!("page:notes")));
    deployment.put(ADMIN, "/plugins/notes/status", &json!({"enabled": false})).await.expect(200);
    emit("note.made").await.problem("plugin_disabled");
}
