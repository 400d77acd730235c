//! Actions: what a handler is given, what becomes of its answer, and what of its failure.

use model::Role;
use serde_json::{Value, json};
use testkit::Backend;

use super::{act, data, install, lines};
use crate::deployment::{ADMIN, Deployment, PLATFORM, USER, on_both_backends, plugin};

on_both_backends!(
    a_handler_does_what_it_is_asked,
    a_refusal_and_a_failure_are_told_apart,
    only_what_can_be_called_is_called,
    what_a_handler_keeps_is_its_tenants_own,
    what_a_handler_writes_is_for_admins,
    whoever_takes_too_long_is_stopped,
);

async fn a_handler_does_what_it_is_asked(backend: Backend) {
    let deployment = Deployment::start(backend);
    let handlers = "\
        async echo(req, ctx) { return { method: req.method, path: req.path, body: req.body, metadata: req.metadata, \
            role: req.user.role, tenant: ctx.tenantId, plugin: ctx.pluginId, version: ctx.version }; },\n\
        made: () => ({ status: 201, body: { id: 7 } }),\n\
        text: () => 'plain',\n\
        bare: () => ({ status: 204 }),";
    install(&deployment, "shop", handlers, &json!({})).await;
    let body =
        json!({"action": "echo", "parameters": {"n": [1, "\u{1f600}"]}, "metadata": {"page": "checkout"}});
    let answer = deployment.post(USER, "/plugins/shop/actions", &body).await.expect(200);
    assert_eq!(
        answer,
        json!({
            "success": true, "action": "echo",
            "data": {
                "method": "POST", "path": "/actions/echo", "body": {"n": [1, "\u{1f600}"]}, "metadata": {"page": "checkout"},
                "role": "user", "tenant": "acme", "plugin": "shop", "version": "1.0.0",
            },
        })
    );
    assert_eq!(data(&deployment, USER, "shop", "made", json!({})).await, json!({"id": 7}));
    assert_eq!(data(&deployment, USER, "shop", "text", json!(null)).await, json!("plain"));
    assert_eq!(data(&deployment, USER, "shop", "bare", json!([])).await, Value::Null);
}

async fn a_refusal_and_a_failure_are_told_apart(backend: Backend) {
    let deployment = Deployment::start(backend);
    let handlers = "\
        refused: () => refuse(402, 'no funds', { needed: 5 }),\n\
        failed() { throw new Error('the till is closed'); },\n\
        nothing() {},\n\
        circular() { const a = {}; a.a = a; return a; },";
    install(&deployment, "shop", handlers, &json!({})).await;
    let refused = act(&deployment, USER, "shop", "refused", json!({})).await.expect(200);
    assert_eq!(
        refused,
        json!({"success": false, "error": "no funds", "data": {"error": "no funds", "needed": 5}, "action": "refused"})
    );
    let failed = act(&deployment, USER, "shop", "failed", json!({})).await.expect(200);
    assert_eq!(failed, json!({"success": false, "error": "the till is closed", "action": "failed"}));
    for (action, word) in [("nothing", "returned nothing"), ("circular", "JSON")] {
        let answer = act(&deployment, USER, "shop", action, json!({})).await;
        assert_eq!(answer.status, 502);
        let problem = answer.problem("plugin_failed");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem:#}");
    }
    let lines = lines(&deployment, "shop", 3).await;
    let failure = lines.iter().find(|line| line["handler"] == "failed").unwrap();
    let message = failure["message"].as_str().unwrap();
    assert_eq!(failure["level"], "error");
    assert!(message.starts_with("Error: the till is closed\n"), "{message}");
    assert!(message.contains("server.ts:5"), "the author's own line: {message}");
}

async fn only_what_can_be_called_is_called(backend: Backend) {
    let deployment = Deployment::start(backend);
    install(&deployment, "shop", "pay: () => 1, onInstall: () => 2,", &json!({})).await;
    for action in ["pya", "onInstall", "constructor", "toString", "__proto__", "handlers", ""] {
        let answer = act(&deployment, USER, "shop", action, json!({})).await;
        assert_eq!(answer.status, 404, "{action}: {}", answer.text);
        let problem = answer.problem("not_found");
        assert!(problem["detail"].as_str().unwrap().contains("pay"), "{problem:#}");
    }
    deployment.post(PLATFORM, "/plugins", &plugin("page", "1.0.0")).await.expect(201);
    deployment.install(ADMIN, "page").await;
    for id in ["page", "none"] {
        let answer = act(&deployment, USER, id, "pay", json!({})).await;
        assert_eq!(answer.status, 404);
        answer.problem("not_found");
    }
    let other = act(&deployment, ("other", Role::User), "shop", "pay", json!({})).await;
    assert_eq!(other.status, 404);
    deployment.put(ADMIN, "/plugins/shop/status", &json!({"enabled": false})).await.expect(200);
    let answer = act(&deployment, USER, "shop", "pay", json!({})).await;
    assert_eq!(answer.status, 403);
    answer.problem("plugin_disabled");
    deployment.put(ADMIN, "/plugins/shop/status", &json!({"enabled": true})).await.expect(200);
    assert_eq!(data(&deployment, USER, "shop", "pay", json!({})).await, json!(1));
    for body in [json!({}), json!({"action": 7}), json!({"action": "pay", "params": {}})] {
        let answer = deployment.post(USER, "/plugins/shop/actions", &body).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text);
    }
}

async fn what_a_handler_keeps_is_its_tenants_own(backend: Backend) {
    let deployment = Deployment::start(backend);
    let handlers = "\
        count: (req, ctx) => ctx.storage.increment('orders', 1),\n\
        keep: (req, ctx) => ctx.storage.set(req.body.key, req.body.value).then(() => 'kept'),\n\
        read: (req, ctx) => ctx.storage.get(req.body.key).then((value) => ({ value })),\n\
        list: (req, ctx) => ctx.storage.list(req.body.prefix),\n\
        lock: (req, ctx) => ctx.storage.compareAndSet('lock', null, req.body.owner),";
    install(&deployment, "shop", handlers, &json!({})).await;
    install(&deployment, "spy", handlers, &json!({})).await;
    let other = ("other", Role::Admin);
    deployment.install(other, "shop").await;
    let counts = (0..20).map(|_| data(&deployment, USER, "shop", "count", json!({})));
    let mut counts: Vec<i64> =
        futures::future::join_all(counts).await.into_iter().map(|count| count.as_i64().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=20).collect::<Vec<_>>());
    data(&deployment, USER, "shop", "keep", json!({"key": "a/1", "value": {"card": "4242"}})).await;
    assert_eq!(data(&deployment, USER, "shop", "list", json!({"prefix": "a/"})).await, json!(["a/1"]));
    let owners = (0..10).map(|owner| data(&deployment, USER, "shop", "lock", json!({"owner": owner})));
    let won = futures::future::join_all(owners).await;
    assert_eq!(won.iter().filter(|won| **won == json!(true)).count(), 1);
    for (who, id) in [(other, "shop"), (USER, "spy")] {
        assert_eq!(data(&deployment, who, id, "read", json!({"key": "a/1"})).await, json!({"value": null}));
        assert_eq!(data(&deployment, who, id, "list", json!({"prefix": ""})).await, json!([]));
        assert_eq!(data(&deployment, who, id, "count", json!({})).await, json!(1));
    }
    assert_eq!(
        data(&deployment, USER, "shop", "read", json!({"key": "a/1"})).await,
        json!({"value": {"card": "4242"}})
    );
}

async fn what_a_handler_writes_is_for_admins(backend: Backend) {
    let deployment = Deployment::start(backend);
    let handlers = "\
        speak(req, ctx) { console.log('one', { n: 1 }); ctx.logger.warn('two', { order: 'o-7' }); return 'said'; },";
    install(&deployment, "shop", handlers, &json!({})).await;
    deployment.install(("other", Role::Admin), "shop").await;
    data(&deployment, USER, "shop", "speak", json!({})).await;
    let written = lines(&deployment, "shop", 2).await;
    assert_eq!((&written[0]["level"], &written[1]["level"]), (&json!("info"), &json!("warn")));
    assert!(written[1]["message"].as_str().unwrap().contains("o-7"), "{written:?}");
    assert_eq!(written[0]["handler"], "speak");
    assert!(written[0]["requestId"].is_string() && written[0]["at"].is_string(), "{written:?}");
    let path = "/plugins/shop/logs";
    let next = deployment.get_as(ADMIN, path).await.expect(200)["next"].as_i64().unwrap();
    let none = deployment.get_as(ADMIN, &format!("{path}?after={next}")).await.expect(200);
    assert_eq!(none, json!({"lines": [], "next": next}));
    let warned = deployment.get_as(ADMIN, &format!("{path}?level=warn&limit=1")).await.expect(200);
    assert_eq!(warned["lines"].as_array().unwrap().len(), 1);
    assert_eq!(deployment.get_as(USER, path).await.status, 403);
    let others = deployment.get_as(("other", Role::Admin), path).await.expect(200);
    assert_eq!(others, json!({"lines": []}));
    assert_eq!(deployment.get_as(ADMIN, "/plugins/none/logs").await.status, 404);
    for query in ["limit=0", "limit=1001", "after=x", "level=loud"] {
        deployment.get_as(ADMIN, &format!("{path}?{query}")).await.problem("invalid_request");
    }
}

async fn whoever_takes_too_long_is_stopped(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.set("PLUGIN_DEADLINE", "1"));
    let handlers = "\
        sleeps: () => new Promise((done) => setTimeout(done, 60000)),\n\
        spins() { for (;;) {} },\n\
        works: () => 'fine',";
    install(&deployment, "shop", handlers, &json!({})).await;
    for action in ["sleeps", "spins"] {
        let answer = act(&deployment, USER, "shop", action, json!({})).await;
        assert_eq!(answer.status, 504, "{}", answer.text);
        answer.problem("plugin_timeout");
    }
    assert_eq!(data(&deployment, USER, "shop", "works", json!({})).await, json!("fine"));
}
