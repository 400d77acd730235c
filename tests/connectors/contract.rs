//! The routes of the contract that use a connection, made into requests by the examples of the document itself.

use reqwest::{Method, Url};
use serde_json::Value;

use crate::deployment::Deployment;

/// What their paths begin with.
const USING: [&str; 4] = [
    "/api/v1/unified/connectors/{connector}/",
    "/api/v1/unified/gmail/",
    "/api/v1/unified/jira/",
    "/api/v1/unified/slack/",
];

/// A route, and a request for it that has all that it must.
pub(super) struct Route {
    pub(super) method: Method,
    /// Its path in the document.
    pub(super) template: String,
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

/// Every route that uses a connection, of each of these connectors where the path names one.
pub(super) async fn routes(deployment: &Deployment, connectors: &[&str]) -> Vec<Route> {
    let document = deployment.get("/openapi.json").await.expect(200);
    let mut routes = Vec::new();
    for (template, operations) in document["paths"].as_object().unwrap() {
        if !USING.iter().any(|start| template.starts_with(start)) {
            continue;
        }
        let is_of_any = template.contains("{connector}");
        for (method, operation) in operations.as_object().unwrap() {
            for connector in connectors.iter().take(if is_of_any { connectors.len() } else { 1 }) {
                routes.push(Route {
                    method: method.to_uppercase().parse().unwrap(),
                    template: template.clone(),
                    path: path(template, operation, connector),
                    body: body(&document, operation),
                });
            }
        }
    }
    routes
}

fn path(template: &str, operation: &Value, connector: &str) -> String {
    let mut url = Url::parse("http://localhost").unwrap();
    let parameters = operation["parameters"].as_array().unwrap();
    let example = |name: &str| {
        let found = parameters.iter().find(|parameter| parameter["name"] == name);
        let example = found.and_then(|parameter| parameter["example"].as_str());
        example.unwrap_or_else(|| panic!("{template}: no example of {name}"))
    };
    for segment in template.split('/').skip(1) {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let segment = match name {
            Some("connector") => connector,
            Some(name) => example(name),
            None => segment,
        };
        url.path_segments_mut().unwrap().push(segment);
    }
    for parameter in parameters {
        if parameter["in"] == "query" && parameter["required"] == true {
            let name = parameter["name"].as_str().unwrap();
            url.query_pairs_mut().append_pair(name, example(name));
        }
    }
    url.as_str().trim_start_matches("http://localhost").to_owned()
}

fn body(document: &Value, operation: &Value) -> Option<Value> {
    let content = operation.pointer("/requestBody/content/application~1json")?;
    let schema = &content["schema"];
    let named = schema["$ref"].as_str().or_else(|| schema.pointer("/oneOf/0/$ref")?.as_str());
    let component = named.and_then(|name| document.pointer(name.trim_start_matches('#')));
    let example = content.get("example").or_else(|| component?.get("example"));
    Some(example.unwrap_or_else(|| panic!("no example of a body: {operation:#}")).clone())
}
