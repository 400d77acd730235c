//! Plugins' backends at work, as their authors, callers and admins see them.

mod actions;
mod component;
mod connections;
mod flood;
mod hostile;
mod outbound;
mod upstream_actions;

use serde_json::{Value, json};

use crate::deployment::{ADMIN, Answer, Deployment, PLATFORM, Who, manifest, with};

/// Publishes a plugin whose backend is `handlers`, the inside of an object, and installs it at acme. `fields` are added to the
/// manifest.
async fn install(deployment: &Deployment, id: &str, handlers: &str, fields: &Value) {
    let server = format!(
        "import {{ defineBackendPlugin, errorResponse }} from '@jackfield/plugin-sdk/server';\n\
         const refuse = errorResponse;\n\
         export default defineBackendPlugin({{ handlers: {{\n{handlers}\n}} }});\n"
    );
    let backend = json!({"files": {"server.ts": server}, "backend": {"entryPoint": "server.ts"}});
    let body = with(with(manifest(id, "1.0.0"), &backend), fields);
    deployment.post(PLATFORM, "/plugins", &body).await.expect(201);
    deployment.install(ADMIN, id).await;
}

/// Has the plugin do something.
async fn act(deployment: &Deployment, who: Who, id: &str, action: &str, parameters: Value) -> Answer {
    let body = json!({"action": action, "parameters": parameters});
    deployment.post(who, &format!("/plugins/{id}/actions"), &body).await
}

/// What the plugin answers to an action that succeeds.
async fn data(deployment: &Deployment, who: Who, id: &str, action: &str, parameters: Value) -> Value {
    let answer = act(deployment, who, id, action, parameters).await.expect(200);
    assert_eq!(answer["success"], true, "{answer:#}");
    assert_eq!(answer["action"], action);
    answer["data"].clone()
}

/// The lines of the plugin's log at acme, once `count` are there.
pub(crate) async fn lines(deployment: &Deployment, id: &str, count: usize) -> Vec<Value> {
    for _ in 0..200 {
        let log = deployment.get_as(ADMIN, &format!("/plugins/{id}/logs?limit=1000")).await.expect(200);
        let lines = log["lines"].as_array().unwrap().clone();
        if lines.len() >= count {
            return lines;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{id} has not written {count} lines");
}
