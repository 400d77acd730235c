//! Handlers of bad will, through the whole program: each ends in a clear error within its limits, and neither the process nor
//! another tenant notices. What each of very many does to the sandbox is in the tests of the crate `sandbox`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::Role;
use serde_json::{Value, json};
use testkit::Backend;
use tokio::task::JoinHandle;

use super::{act, data, install, lines};
use crate::deployment::{ADMIN, Deployment, USER, Who, on_both_backends};

on_both_backends!(
    each_ends_within_its_limits,
    nothing_of_one_tenants_call_reaches_another,
    another_tenants_is_out_of_reach,
    who_keeps_at_it_is_left_alone,
);

/// A tenant that does nothing but its work.
const QUIET: Who = ("quiet", Role::User);

/// The quiet tenant's calls, one after the other until it is told that it is enough. Gives how many there were; each has to
/// succeed.
fn work(deployment: &Arc<Deployment>, is_enough: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let (deployment, is_enough) = (Arc::clone(deployment), Arc::clone(is_enough));
    tokio::spawn(async move {
        let mut count = 0;
        while !is_enough.load(Ordering::Relaxed) {
            assert_eq!(
                data(&deployment, QUIET, "works", "work", json!({"n": count})).await,
                json!({"n": count})
            );
            count += 1;
        }
        count
    })
}

/// A server where the quiet tenant has a plugin that works.
async fn start(backend: Backend) -> Arc<Deployment> {
    let deployment = Deployment::start_with(backend, |builder| {
        let builder = builder.set("PLUGIN_DEADLINE", "3").set("PLUGIN_CPU_DEADLINE", "0.5");
        builder
            .set("PLUGIN_MEMORY", "16MiB")
            .set("PLUGIN_MAX_OUTPUT", "64KiB")
            .set("MAX_CONNECTIONS", "12000")
    });
    install(&deployment, "works", "work: (req) => req.body,", &json!({})).await;
    deployment.install(("quiet", Role::Admin), "works").await;
    Arc::new(deployment)
}

async fn each_ends_within_its_limits(backend: Backend) {
    let deployment = start(backend).await;
    let is_enough = Arc::new(AtomicBool::new(false));
    let worker = work(&deployment, &is_enough);
    let cases = [
        // On a busy machine the time of what computes may be over before its computing is.
        ("endless-loop", "h() { for (;;); }", "plugin_timeout", "the plugin"),
        ("endless-promises", "async h() { for (;;) await null; }", "plugin_timeout", "the plugin"),
        (
            "endless-timers",
            "async h() { for (;;) await new Promise((go) => setTimeout(go, 1)); }",
            "plugin_timeout",
            "within",
        ),
        ("backtracking", "h: () => /^(a+)+$/.test('a'.repeat(64) + 'b'),", "plugin_timeout", "the plugin"),
        ("never", "h: () => new Promise(() => {}),", "plugin_failed", "nothing settles"),
        (
            "memory-bomb",
            "h() { const all = []; for (;;) all.push(new Uint8Array(65536).fill(1)); }",
            "plugin_failed",
            "MiB of memory",
        ),
        (
            "long-string",
            "h: () => 'x'.repeat(2 ** 29).length + 'x'.padStart(2 ** 29).length,",
            "plugin_failed",
            "MiB of memory",
        ),
        (
            "recursion",
            "h() { const deeper = (n) => deeper(n + 1) + 1; return deeper(0); }",
            "plugin_failed",
            "call stack",
        ),
        ("large-answer", "h: () => 'x'.repeat(100000),", "plugin_failed", "larger than the 64 KiB"),
        ("nothing", "h() {}", "plugin_failed", "returned nothing"),
        ("no-json", "h: () => ({ n: 1n }),", "plugin_failed", "JSON"),
        ("traps-in-json", "h: () => ({ toJSON() { for (;;); } }),", "plugin_timeout", "the plugin"),
    ];
    for (id, handler, code, told) in cases {
        install(&deployment, id, handler, &json!({})).await;
        let problem = act(&deployment, USER, id, "h", json!({})).await.problem(code);
        assert!(problem["detail"].as_str().unwrap().contains(told), "{id}: {problem:#}");
    }
    install(&deployment, "throws", "h() { throw Object.freeze({ toString() { throw 1; } }); }", &json!({}))
        .await;
    let failed = act(&deployment, USER, "throws", "h", json!({})).await.expect(200);
    assert_eq!(failed["success"], false, "{failed:#}");
    is_enough.store(true, Ordering::Relaxed);
    assert!(worker.await.unwrap() > 0);
    deployment.get("/health/ready").await.expect(200);
}

async fn nothing_of_one_tenants_call_reaches_another(backend: Backend) {
    let deployment = start(backend).await;
    let handlers = "\
        spoil(req, ctx) {\n\
            const tried = [];\n\
            const attempt = (name, does) => { try { does(); tried.push(name); } catch {} };\n\
            attempt('tenant', () => { 'use strict'; ctx.tenantId = 'other'; });\n\
            attempt('storage', () => { 'use strict'; ctx.storage.get = () => 'forged'; });\n\
            attempt('define', () => Object.defineProperty(ctx, 'tenantId', { value: 'other' }));\n\
            attempt('prototype', () => Object.setPrototypeOf(ctx, { tenantId: 'other' }));\n\
            Object.prototype.tenantId = Object.prototype.role = 'forged';\n\
            globalThis.kept = ctx;\n\
            return { tried };\n\
        },\n\
        break(req, ctx) {\n\
            Promise.prototype.then = Array.prototype.map = String.prototype.slice = () => { throw new Error('forged'); };\n\
            JSON.stringify = JSON.parse = Function.prototype.call = Function.prototype.apply = () => 'forged';\n\
            return {};\n\
        },\n\
        look: (req, ctx) => ({ tenant: ctx.tenantId, role: req.user.role, kept: typeof globalThis.kept, body: req.body }),";
    install(&deployment, "shop", handlers, &json!({})).await;
    let others = [("other", Role::User), QUIET];
    for (tenant, _) in others {
        deployment.install((tenant, Role::Admin), "shop").await;
    }
    for _ in 0..3 {
        assert_eq!(data(&deployment, USER, "shop", "spoil", json!({})).await, json!({"tried": []}));
        let broken = act(&deployment, USER, "shop", "break", json!({})).await;
        assert!(broken.status == 200 || broken.status == 502, "{}", broken.text);
        for who in others {
            let told = data(&deployment, who, "shop", "look", json!({"n": [1]})).await;
            let expected = json!({"tenant": who.0, "role": "user", "kept": "undefined", "body": {"n": [1]}});
            assert_eq!(told, expected);
        }
        let told = data(&deployment, USER, "shop", "look", json!({"n": [1]})).await;
        assert_eq!(
            (&told["tenant"], &told["role"], &told["body"]),
            (&json!("acme"), &json!("user"), &json!({"n": [1]}))
        );
    }
}

async fn another_tenants_is_out_of_reach(backend: Backend) {
    let deployment = start(backend).await;
    let handlers = "\
        keep: (req, ctx) => ctx.storage.set('card', '4242').then(() => true),\n\
        async reach(req, ctx) {\n\
            const told = [];\n\
            const attempt = async (does) => { try { told.push(await does()); } catch (error) { told.push(null); } };\n\
            for (const key of ['card', 'quiet/card', '../quiet/card', 'quiet:shop:card', 'card\\u0000', \"' OR 1=1 --\"]) {\n\
                await attempt(() => ctx.storage.get(key));\n\
            }\n\
            await attempt(() => ctx.storage.get.call({ tenantId: 'quiet' }, 'card'));\n\
            await attempt(() => ctx.storage.get({ tenant: 'quiet', toString: () => 'card' }));\n\
            for (const name of ['pin', 'quiet/pin', '__proto__', 'constructor']) await attempt(() => ctx.secrets.get(name));\n\
            return { told, keys: await ctx.storage.list('') };\n\
        },";
    let fields = json!({
        "requiredSecrets": ["pin"],
        "configSchema": {"type": "object", "properties": {"pin": {"type": "string"}}, "sensitiveFields": ["pin"]},
    });
    install(&deployment, "shop", handlers, &fields).await;
    let quiet = ("quiet", Role::Admin);
    deployment.install(quiet, "shop").await;
    deployment.put(quiet, "/plugins/shop/config", &json!({"pin": "pin-of-the-quiet"})).await.expect(200);
    deployment.put(ADMIN, "/plugins/shop/config", &json!({"pin": "pin-of-acme"})).await.expect(200);
    data(&deployment, quiet, "shop", "keep", json!({})).await;
    let told = data(&deployment, USER, "shop", "reach", json!({})).await;
    assert_eq!(told["keys"], json!([]));
    let told: Vec<&Value> = told["told"].as_array().unwrap().iter().filter(|told| !told.is_null()).collect();
    assert_eq!(told, [&json!("pin-of-acme")]);
}

async fn who_keeps_at_it_is_left_alone(backend: Backend) {
    let deployment = start(backend).await;
    install(&deployment, "bad", "loop() { for (;;); }, fine: () => 'fine',", &json!({})).await;
    deployment.install(("quiet", Role::Admin), "bad").await;
    for _ in 0..5 {
        act(&deployment, USER, "bad", "loop", json!({})).await.problem("plugin_timeout");
    }
    let answer = act(&deployment, USER, "bad", "fine", json!({})).await;
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    answer.problem("plugin_unavailable");
    // Why is in the log, and refusals do not push it out.
    let told = lines(&deployment, "bad", 5).await;
    assert!(told.iter().all(|line| !line["message"].as_str().unwrap().contains("left alone")), "{told:?}");
    assert_eq!(data(&deployment, QUIET, "bad", "fine", json!({})).await, json!("fine"));
}
