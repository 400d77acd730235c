//! What a manifest's `webhook` must have beside its scheme, which others know, and what hooks say about what is listened to.

use std::collections::BTreeSet;

use model::Violation;
use serde_json::Value;

use super::{BackendDefinition, Hook, Route, hosts};
use crate::{Error, Manifest};

/// The handler that takes webhooks where the manifest names none.
const HANDLER: &str = "webhook";

/// Where the manifest names the script, whose own routes and hooks have no place in it.
const ENTRY_POINT: &str = "/backend/entryPoint";

/// The field of the configuration that webhooks are verified with.
pub(crate) fn secret_field(webhook: &Value) -> Option<&str> {
    webhook.get("secret").and_then(Value::as_str)
}

/// The handler that takes webhooks, in a script.
pub fn handler(webhook: &Value) -> &str {
    webhook.get("handler").and_then(Value::as_str).unwrap_or(HANDLER)
}

/// Checks what the manifest alone can tell.
pub(super) fn check(manifest: &Manifest, sensitive: &BTreeSet<String>) -> Vec<Violation> {
    let Some(webhook) = &manifest.webhook else { return Vec::new() };
    let mut found = Vec::new();
    if manifest.backend.is_none() {
        let detail = "needs a backend, which is given the webhooks: add backend to the manifest";
        found.push(Violation::new("/webhook", detail));
    }
    if let Some(name) = secret_field(webhook)
        && !sensitive.contains(name)
    {
        found.push(Violation::new("/webhook/secret", hosts::not_a_secret(name, sensitive)));
    }
    found
}

/// Refuses a script without a handler that takes webhooks and nothing else: it trusts that what it is given was signed.
pub(crate) fn check_webhook_handler(
    manifest: &Manifest,
    definition: &BackendDefinition,
) -> Result<(), Error> {
    let is_script = manifest.backend.as_ref().is_some_and(|backend| backend.entry_point.is_some());
    let Some(webhook) = manifest.webhook.as_ref().filter(|_| is_script) else { return Ok(()) };
    let handler = handler(webhook);
    let mut found = Vec::new();
    if !definition.handlers.contains(handler) {
        let detail = format!("the backend has no handler {handler}, which is to take the webhooks");
        found.push(Violation::new("/webhook/handler", detail));
    }
    let described = manifest.backend.iter().flat_map(|backend| named(&backend.routes, &backend.hooks));
    let described = described.map(|(place, name)| (format!("/backend/{place}/handler"), name));
    let own = named(&definition.routes, &definition.hooks).map(|(_, name)| (ENTRY_POINT.to_owned(), name));
    for (pointer, _) in described.chain(own).filter(|(_, name)| *name == handler) {
        let detail = format!(
            "must be another handler than {handler}, which takes the webhooks, so that all it is given was verified"
        );
        found.push(Violation::new(pointer, detail));
    }
    if found.is_empty() { Ok(()) } else { Err(Error::Manifest(found)) }
}

/// The handlers that routes and hooks name, each with its place.
fn named<'a>(routes: &'a [Route], hooks: &'a [Hook]) -> impl Iterator<Item = (String, &'a str)> {
    let routes =
        routes.iter().enumerate().map(|(index, each)| (format!("routes/{index}"), each.handler.as_str()));
    let hooks =
        hooks.iter().enumerate().map(|(index, each)| (format!("hooks/{index}"), each.handler.as_str()));
    routes.chain(hooks)
}

/// Adds what the backend's hooks want to what the manifest says is listened to, as that is what is consented to.
pub(crate) fn complete_listens(manifest: &mut Manifest, definition: &BackendDefinition) {
    let described = manifest.backend.iter().flat_map(|backend| &backend.hooks);
    let wanted: Vec<String> = described.chain(&definition.hooks).map(|hook| hook.event.clone()).collect();
    for pattern in wanted {
        if !manifest.listens.contains(&pattern) {
            manifest.listens.push(pattern);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(parts: Value) -> Manifest {
        let mut whole = json!({"id": "card", "name": "Card", "version": "1.0.0", "category": "payment"});
        if let (Value::Object(whole), Value::Object(parts)) = (&mut whole, parts) {
            whole.extend(parts);
        }
        Manifest::from_json(whole).unwrap()
    }

    #[test]
    fn a_webhook_needs_a_backend_and_a_secret_that_is_one() {
        let schema = json!({"type": "object", "properties": {"key": {"type": "string", "writeOnly": true}}});
        let sensitive: BTreeSet<String> = ["key".to_owned()].into();
        let pointers = |parts: Value| -> Vec<String> {
            check(&manifest(parts), &sensitive).into_iter().map(|found| found.pointer).collect()
        };
        let right = json!({"configSchema": schema, "backend": {"entryPoint": "a.ts"}, "webhook": {"scheme": "stripe", "secret": "key"}});
        assert_eq!(pointers(right), [""; 0]);
        assert_eq!(pointers(json!({"webhook": {"secret": "other"}})), ["/webhook", "/webhook/secret"]);
    }

    #[test]
    fn hooks_are_listened_to() {
        let mut manifest = manifest(json!({
            "listens": ["a.b"],
            "backend": {"entryPoint": "a.ts", "hooks": [{"event": "c.*", "handler": "on"}]},
        }));
        let definition: BackendDefinition = serde_json::from_value(
            json!({"hooks": [{"event": "a.b", "handler": "on"}, {"event": "d.e", "handler": "on"}]}),
        )
        .unwrap();
        complete_listens(&mut manifest, &definition);
        assert_eq!(manifest.listens, ["a.b", "c.*", "d.e"]);
    }

    #[test]
    fn a_script_has_the_handler_that_takes_webhooks() {
        let definition =
            BackendDefinition { handlers: ["webhook".to_owned()].into(), ..BackendDefinition::default() };
        let with = |webhook: Value| manifest(json!({"backend": {"entryPoint": "a.ts"}, "webhook": webhook}));
        assert!(check_webhook_handler(&with(json!({})), &definition).is_ok());
        assert!(check_webhook_handler(&with(json!({"handler": "paid"})), &definition).is_err());
        let component = manifest(json!({"backend": {"component": "a.wasm"}, "webhook": {}}));
        assert!(check_webhook_handler(&component, &BackendDefinition::default()).is_ok());
    }

    #[test]
    fn what_takes_webhooks_takes_nothing_else() {
        let manifest = manifest(json!({"webhook": {}, "backend": {
            "entryPoint": "a.ts",
            "routes": [
                {"method": "GET", "path": "/a", "handler": "list"}, {"method": "POST", "path": "/b", "handler": "webhook"},
            ],
            "hooks": [{"event": "a.b", "handler": "webhook"}],
        }}));
        let definition: BackendDefinition = serde_json::from_value(json!({
            "handlers": ["list", "webhook"], "routes": [{"method": "PUT", "path": "/c", "handler": "webhook"}],
        }))
        .unwrap();
        let Err(Error::Manifest(found)) = check_webhook_handler(&manifest, &definition) else { panic!() };
        let pointers: Vec<_> = found.iter().map(|each| each.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/backend/routes/1/handler", "/backend/hooks/0/handler", "/backend/entryPoint"]
        );
    }
}
