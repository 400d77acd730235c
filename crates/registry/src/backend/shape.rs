//! The keys of a manifest's backend, hosts and connections, told by their places; and short forms written out.

use model::Violation;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{BackendManifest, ConnectionAsk, Hook, HostRule, Route, hosts};
use crate::unknown_keys;

/// The keys of a manifest that are read here.
const KEYS: [&str; 3] = ["backend", "connections", "hosts"];

const BACKEND: [&str; 5] = ["component", "entryPoint", "hooks", "routes", "upstream"];
const ROUTE: [&str; 3] = ["handler", "method", "path"];
const HOOK: [&str; 2] = ["event", "handler"];
const HOST: [&str; 3] = ["headers", "host", "query"];
const CONNECTION: [&str; 3] = ["access", "connector", "whose"];
/// The most violations told at once.
const MAX_VIOLATIONS: usize = 50;

/// Writes the short forms out, and tells every unknown key and wrong type with its place.
pub(crate) fn normalize(manifest: &mut Map<String, Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    if let Some(backend) = manifest.get("backend") {
        check_backend(backend, &mut found);
    }
    if let Some(Value::Array(rules)) = manifest.get_mut("hosts") {
        for (index, rule) in rules.iter_mut().enumerate() {
            written_out(rule, "host");
            if let Some(Value::String(host)) = rule.get_mut("host") {
                *host = hosts::canonical(host);
            }
            element::<HostRule>(rule, &format!("/hosts/{index}"), &HOST, &mut found);
        }
    }
    if let Some(Value::Array(asks)) = manifest.get_mut("connections") {
        for (index, ask) in asks.iter_mut().enumerate() {
            written_out(ask, "connector");
            element::<ConnectionAsk>(ask, &format!("/connections/{index}"), &CONNECTION, &mut found);
        }
    }
    found.truncate(MAX_VIOLATIONS);
    found
}

/// Drops what an earlier version of this program took without reading it.
pub(crate) fn restore(manifest: &mut Map<String, Value>) {
    if !normalize(manifest).is_empty() {
        manifest.retain(|key, _| !KEYS.contains(&key.as_str()));
    }
}

/// A lone text as the object that it stands for.
fn written_out(value: &mut Value, key: &str) {
    if value.is_string() {
        let text = value.take();
        *value = Value::Object(Map::from_iter([(key.to_owned(), text)]));
    }
}

fn check_backend(backend: &Value, found: &mut Vec<Violation>) {
    let Value::Object(object) = backend else {
        found.push(Violation::new("/backend", "must be an object with entryPoint, upstream or component"));
        return;
    };
    let before = found.len();
    for (key, each) in [
        ("routes", element::<Route> as fn(&Value, &str, &[&str], &mut Vec<Violation>)),
        ("hooks", element::<Hook>),
    ] {
        let known: &[&str] = if key == "routes" { &ROUTE } else { &HOOK };
        let elements = object.get(key).and_then(Value::as_array).into_iter().flatten();
        for (index, value) in elements.enumerate() {
            each(value, &format!("/backend/{key}/{index}"), known, found);
        }
    }
    if found.len() == before {
        element::<BackendManifest>(backend, "/backend", &BACKEND, found);
    }
}

fn element<T: DeserializeOwned>(value: &Value, pointer: &str, known: &[&str], found: &mut Vec<Violation>) {
    let unknown = value.as_object().map(|object| unknown_keys::violations(object, known)).unwrap_or_default();
    if unknown.is_empty() {
        if let Err(error) = serde_json::from_value::<T>(value.clone()) {
            found.push(Violation::new(pointer, format!("has the wrong shape: {error}")));
        }
        return;
    }
    found.extend(
        unknown.into_iter().map(|each| Violation::new(format!("{pointer}{}", each.pointer), each.detail)),
    );
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(manifest: Value) -> Vec<String> {
        let Value::Object(mut manifest) = manifest else { panic!() };
        normalize(&mut manifest).into_iter().map(|each| each.pointer).collect()
    }

    #[test]
    fn what_is_wrong_is_located() {
        assert_eq!(pointers(json!({"backend": "src/server.ts"})), ["/backend"]);
        assert_eq!(pointers(json!({"backend": {"entrypoint": "a.ts"}})), ["/backend/entrypoint"]);
        let routes = json!([{"method": "GET", "path": "/", "handler": "a"}, {"method": "GET", "pfad": "/"}, {"path": 1}]);
        assert_eq!(
            pointers(json!({"backend": {"entryPoint": "a.ts", "routes": routes}})),
            ["/backend/routes/1/pfad", "/backend/routes/2"]
        );
        assert_eq!(pointers(json!({"backend": {"entryPoint": "a.ts", "hooks": {}}})), ["/backend"]);
        assert_eq!(
            pointers(json!({"hosts": ["a.example.com", {"host": "b", "header": {}}, 5]})),
            ["/hosts/1/header", "/hosts/2"]
        );
        assert_eq!(
            pointers(json!({"connections": ["gmail", {"connector": "slack", "access": "admin"}]})),
            ["/connections/1"]
        );
    }

    #[test]
    fn an_older_backend_is_dropped_where_it_cannot_be_read() {
        let Value::Object(mut manifest) = json!({"id": "a", "backend": {"url": "x"}, "hosts": ["a"]}) else {
            panic!()
        };
        restore(&mut manifest);
        assert_eq!(Value::Object(manifest), json!({"id": "a"}));
    }
}
