//! The rules that a manifest's backend, hosts, connections and secrets follow.

use std::collections::BTreeSet;

use model::Violation;
use url::Url;

use super::{BackendManifest, hosts, routes, webhook};
use crate::{Manifest, configuration};

/// The most connectors that a manifest may ask for.
const MAX_CONNECTIONS: usize = 50;
/// The most characters of an upstream's URL.
const MAX_URL: usize = 2048;
/// The most characters of a path within the sources.
const MAX_PATH: usize = 255;
/// How the types of this server's own events begin.
const OWN_EVENTS: &str = "jackfield.";

/// Checks all that concerns the backend, from the manifest alone.
pub(crate) fn check(manifest: &Manifest) -> Vec<Violation> {
    let sensitive: BTreeSet<String> =
        manifest.config_schema.as_ref().map(configuration::sensitive_fields).unwrap_or_default();
    let mut found = manifest.backend.as_ref().map(check_backend).unwrap_or_default();
    found.extend(hosts::check(&manifest.hosts, &sensitive));
    for (index, name) in manifest.required_secrets.iter().enumerate() {
        if !sensitive.contains(name) {
            let detail = hosts::not_a_secret(name, &sensitive);
            found.push(Violation::new(format!("/requiredSecrets/{index}"), detail));
        }
    }
    for (index, event) in manifest.emits.iter().enumerate() {
        let pointer = format!("/emits/{index}");
        if let Err(detail) = routes::check_event(event) {
            found.push(Violation::new(pointer, detail));
        } else if event.starts_with(OWN_EVENTS) {
            found.push(Violation::new(pointer, "types that begin with jackfield. are the server's own"));
        }
    }
    for (index, pattern) in manifest.listens.iter().enumerate() {
        let detail = routes::check_pattern(pattern).err();
        found.extend(detail.map(|detail| Violation::new(format!("/listens/{index}"), detail)));
    }
    found.extend(webhook::check(manifest, &sensitive));
    check_connections(manifest, &mut found);
    found
}

fn check_backend(backend: &BackendManifest) -> Vec<Violation> {
    let given: Vec<&str> = [
        ("entryPoint", &backend.entry_point),
        ("upstream", &backend.upstream),
        ("component", &backend.component),
    ]
    .into_iter()
    .filter_map(|(key, value)| value.as_ref().map(|_| key))
    .collect();
    if given.len() != 1 {
        let detail = match given.as_slice() {
            [] => "needs entryPoint, upstream or component".to_owned(),
            given => format!("must have one of {}, not all of them", given.join(" and ")),
        };
        return vec![Violation::new("/backend", detail)];
    }
    let mut found = routes::check(&backend.routes, &backend.hooks, "/backend");
    if let Some(upstream) = &backend.upstream {
        found
            .extend(check_upstream(upstream).err().map(|detail| Violation::new("/backend/upstream", detail)));
    }
    for (key, path) in [("entryPoint", &backend.entry_point), ("component", &backend.component)] {
        let is_path =
            |path: &String| !path.trim().is_empty() && path.len() <= MAX_PATH && !path.contains('\0');
        if path.as_ref().is_some_and(|path| !is_path(path)) {
            let detail = format!("must be the path of a file of the plugin, of at most {MAX_PATH} bytes");
            found.push(Violation::new(format!("/backend/{key}"), detail));
        }
    }
    if backend.component.as_ref().is_some_and(|path| path.rsplit('.').next() != Some("wasm")) {
        found.push(Violation::new("/backend/component", "must be the path of a .wasm file of the plugin"));
    }
    if backend.entry_point.is_none() {
        for (list, is_empty) in [("routes", backend.routes.is_empty()), ("hooks", backend.hooks.is_empty())] {
            if !is_empty {
                let detail =
                    format!("{list} belong to an entryPoint: an upstream or component gets every request");
                found.push(Violation::new(format!("/backend/{list}"), detail));
            }
        }
    }
    found
}

/// Whether an upstream may be reached at all is judged when it is connected to.
fn check_upstream(text: &str) -> Result<(), String> {
    const SHAPE: &str =
        "must be a URL that begins with https:// (or http://, for hosts that the operator allows)";
    if text.len() > MAX_URL {
        return Err(format!("must have at most {MAX_URL} characters"));
    }
    let url = Url::parse(text).map_err(|_| SHAPE.to_owned())?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(SHAPE.to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user name or password: everybody can read a manifest".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or fragment: those of each request are passed on".to_owned());
    }
    Ok(())
}

fn check_connections(manifest: &Manifest, found: &mut Vec<Violation>) {
    let asks = &manifest.connections;
    if asks.len() > MAX_CONNECTIONS {
        let detail = format!("must have at most {MAX_CONNECTIONS} entries");
        found.push(Violation::new("/connections", detail));
    }
    for (index, ask) in asks.iter().enumerate().take(MAX_CONNECTIONS) {
        let pointer = format!("/connections/{index}/connector");
        if ask.connector.is_empty() || ask.connector.len() > 64 {
            found.push(Violation::new(pointer, "must be the id of a connector, of 1 to 64 characters"));
        } else if asks.iter().take(index).any(|other| other.connector == ask.connector) {
            found.push(Violation::new(pointer, "is asked for already: put both into one"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pointers(fields: &Value) -> Vec<String> {
        let mut manifest = json!({"id": "card", "name": "Card", "version": "1.0.0", "category": "payment"});
        manifest.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        check(&Manifest::from_json(manifest).unwrap()).into_iter().map(|each| each.pointer).collect()
    }

    #[test]
    fn a_backend_is_one_thing() {
        for fields in [
            json!({"entryPoint": "src/server.ts"}),
            json!({"upstream": "https://plugin.example.com/api"}),
            json!({"component": "server.wasm"}),
        ] {
            assert_eq!(pointers(&json!({"backend": fields})), [""; 0]);
        }
        assert_eq!(pointers(&json!({"backend": {}})), ["/backend"]);
        assert_eq!(
            pointers(&json!({"backend": {"entryPoint": "a.ts", "upstream": "https://a.example.com"}})),
            ["/backend"]
        );
        let routes = json!([{"method": "GET", "path": "/", "handler": "a"}]);
        assert_eq!(
            pointers(&json!({"backend": {"component": "server.exe", "routes": routes}})),
            ["/backend/component", "/backend/routes"]
        );
    }

    #[test]
    fn an_upstream_is_a_plain_address() {
        for upstream in [
            "ftp://a.example.com",
            "a.example.com",
            "https://user:word@a.example.com",
            "https://a.example.com/?key=1",
            "https://a.example.com/#x",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(
                pointers(&json!({"backend": {"upstream": upstream}})),
                ["/backend/upstream"],
                "{upstream}"
            );
        }
    }

    #[test]
    fn secrets_are_those_of_the_configuration() {
        let schema =
            json!({"properties": {"key": {"type": "string"}, "shop": {}}, "sensitiveFields": ["key"]});
        let host = |text: &str| json!([{"host": "a.example.com", "headers": {"authorization": text}}]);
        let with = |fields: &Value| {
            let mut all = json!({"configSchema": schema});
            all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            pointers(&all)
        };
        assert_eq!(with(&json!({"requiredSecrets": ["key"], "hosts": host("Bearer ${key}")})), [""; 0]);
        assert_eq!(with(&json!({"requiredSecrets": ["shop"]})), ["/requiredSecrets/0"]);
        assert_eq!(with(&json!({"hosts": host("${shop}")})), ["/hosts/0/headers/authorization"]);
        assert_eq!(pointers(&json!({"requiredSecrets": ["key"]})), ["/requiredSecrets/0"]);
    }

    #[test]
    fn event_types_and_connectors_are_bounded() {
        assert_eq!(
            pointers(&json!({"emits": ["orders.paid", "jackfield.plugin.created", "Paid"]})),
            ["/emits/1", "/emits/2"]
        );
        assert_eq!(
            pointers(&json!({"connections": ["gmail", "gmail", ""]})),
            ["/connections/1/connector", "/connections/2/connector"]
        );
    }
}
