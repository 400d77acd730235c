//! Lifecycle hooks of plugins, through a running server: told of what happens, seen, and made again.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::Backend;

use crate::deployment::{ADMIN, Deployment, PLATFORM, USER, manifest, on_both_backends, with};

on_both_backends!(
    hooks_are_told_in_order_and_nothing_is_left_at_the_end,
    a_hook_that_fails_is_seen_and_made_again,
    a_deleted_tenant_is_told_nothing,
);

/// Writes down in its storage what it is told. `onInstall` fails until somebody has repaired it.
const SERVER: &str = "
import { defineBackendPlugin } from '@jackfield/plugin-sdk/server';
const note = async (ctx, what) => {
  const told = (await ctx.storage.get('told')) ?? [];
  await ctx.storage.set('told', [...told, { what, on: ctx.config.on, event: ctx.event }]);
};
export default defineBackendPlugin({
  handlers: {
    told: async (_, ctx) => (await ctx.storage.get('told')) ?? [],
    repair: async (_, ctx) => { await ctx.storage.set('repaired', true); return true; },
  },
  async onInstall(ctx) {
    if (ctx.pluginId === 'broken' && !(await ctx.storage.get('repaired'))) throw new Error('not repaired yet');
    await note(ctx, 'install');
  },
  onEnable: (ctx) => note(ctx, 'enable'),
  onDisable: (ctx) => note(ctx, 'disable'),
  async onUninstall(ctx) { console.log('leaving'); await note(ctx, 'uninstall'); },
});
";

async fn publish(deployment: &Deployment, id: &str) {
    let fields = json!({"files": {"server/index.ts": SERVER}, "backend": {"entryPoint": "server/index.ts"}});
    deployment.post(PLATFORM, "/plugins", &with(manifest(id, "1.0.0"), &fields)).await.expect(201);
}

/// The runs, newest first, once as many as `count` are no longer pending or running.
async fn settled(deployment: &Deployment, id: &str, count: usize) -> Vec<Value> {
    for _ in 0..400 {
        let runs = runs(deployment, id).await;
        let ended =
            runs.iter().filter(|run| !["pending", "running"].contains(&run["state"].as_str().unwrap()));
        if ended.count() >= count {
            return runs;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the hooks of {id} have not ended: {:?}", runs(deployment, id).await);
}

async fn runs(deployment: &Deployment, id: &str) -> Vec<Value> {
    let page = deployment.get_as(ADMIN, &format!("/plugins/{id}/lifecycle")).await.expect(200);
    page["runs"].as_array().unwrap().clone()
}

async fn act(deployment: &Deployment, id: &str, action: &str) -> Value {
    let answer = deployment.post(USER, &format!("/plugins/{id}/actions"), &json!({"action": action})).await;
    answer.expect(200)["data"].clone()
}

fn words(told: &Value) -> Vec<&str> {
    told.as_array().unwrap().iter().map(|each| each["what"].as_str().unwrap()).collect()
}

async fn hooks_are_told_in_order_and_nothing_is_left_at_the_end(backend: Backend) {
    let deployment = Deployment::start(backend);
    publish(&deployment, "notes").await;
    deployment.install(ADMIN, "notes").await;
    let runs = settled(&deployment, "notes", 2).await;
    assert_eq!((&runs[1]["hook"], &runs[0]["hook"]), (&json!("onInstall"), &json!("onEnable")));
    assert!(runs.iter().all(|run| run["state"] == "done" && run["attempts"] == 1), "{runs:?}");
    let told = act(&deployment, "notes", "told").await;
    assert_eq!(words(&told), ["install", "enable"]);
    let event = &told[0]["event"];
    assert_eq!((&event["id"], &event["type"]), (&runs[1]["event"]["id"], &runs[1]["event"]["type"]));
    assert_eq!((&event["version"], &event["attempt"]), (&json!("1.0.0"), &json!(1)));

    for enabled in [false, true] {
        let status = json!({"enabled": enabled});
        deployment.put(ADMIN, "/plugins/notes/status", &status).await.expect(200);
        settled(&deployment, "notes", if enabled { 4 } else { 3 }).await;
    }
    assert_eq!(words(&act(&deployment, "notes", "told").await), ["install", "enable", "disable", "enable"]);

    deployment.post(ADMIN, "/plugins/uninstall", &json!({"pluginId": "notes"})).await.expect(200);
    let runs = settled(&deployment, "notes", 5).await;
    assert_eq!((&runs[0]["hook"], &runs[0]["state"]), (&json!("onUninstall"), &json!("done")));
    for table in [
        "SELECT plugin_key FROM plugin_value",
        "SELECT message FROM plugin_log",
        "SELECT plugin_key FROM uninstalled",
    ] {
        assert_eq!(deployment.column(table).await, [""; 0], "{table}");
    }
    deployment.install(ADMIN, "notes").await;
    settled(&deployment, "notes", 7).await;
    assert_eq!(words(&act(&deployment, "notes", "told").await), ["install", "enable"]);

    let page = deployment.get_as(ADMIN, "/plugins/notes/lifecycle?limit=3").await.expect(200);
    let next = page["next"].as_str().unwrap();
    let rest = deployment.get_as(ADMIN, &format!("/plugins/notes/lifecycle?cursor={next}")).await.expect(200);
    assert_eq!((page["runs"].as_array().unwrap().len(), rest["runs"].as_array().unwrap().len()), (3, 4));
    deployment.get_as(ADMIN, "/plugins/notes/lifecycle?cursor=x").await.problem("invalid_request");
    deployment.get_as(ADMIN, "/plugins/notes/lifecycle?limit=0").await.problem("invalid_request");
}

async fn a_hook_that_fails_is_seen_and_made_again(backend: Backend) {
    let deployment = Deployment::start(backend);
    publish(&deployment, "broken").await;
    deployment.install(ADMIN, "broken").await;
    let mut first = Value::Null;
    for _ in 0..400 {
        first = runs(&deployment, "broken").await.pop().unwrap_or_default();
        // From here it would wait for half a minute.
        if first["state"] == "pending" && first["attempts"] == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(first["error"].as_str().unwrap().contains("not repaired yet"), "{first}");
    assert!(first["nextAttemptAt"].is_string(), "{first}");
    let retry = format!("/plugins/broken/lifecycle/{}/retry", first["id"].as_str().unwrap());
    act(&deployment, "broken", "repair").await;
    deployment.post(("other", ADMIN.1), &retry, &json!({})).await.problem("not_found");
    deployment.post(USER, &retry, &json!({})).await.problem("insufficient_role");
    deployment.post(ADMIN, &retry, &json!({})).await.expect(200);
    let runs = settled(&deployment, "broken", 2).await;
    assert_eq!((&runs[1]["state"], &runs[1]["attempts"]), (&json!("done"), &json!(3)));
    assert_eq!(words(&act(&deployment, "broken", "told").await), ["install", "enable"]);
    deployment.post(ADMIN, &retry, &json!({})).await.problem("conflict");
    let log = deployment.get_as(ADMIN, "/plugins/broken/logs?level=error").await.expect(200);
    assert!(log["lines"][0]["message"].as_str().unwrap().contains("server/index.ts"), "{log}");
}

async fn a_deleted_tenant_is_told_nothing(backend: Backend) {
    let deployment = Deployment::start(backend);
    publish(&deployment, "notes").await;
    deployment.install(ADMIN, "notes").await;
    settled(&deployment, "notes", 2).await;
    deployment.delete(PLATFORM, "/tenants/acme").await.expect(200);
    deployment.get_as(ADMIN, "/plugins/notes/lifecycle").await.problem("not_found");
    for table in ["SELECT hook FROM lifecycle_run", "SELECT plugin_key FROM plugin_value"] {
        assert_eq!(deployment.column(table).await, [""; 0], "{table}");
    }
}
