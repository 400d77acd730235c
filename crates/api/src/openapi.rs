//! The contract for programs (`/openapi.json`) and for people (`/docs`).

use std::sync::Arc;

use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use model::ErrorCode;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

use crate::extract::{Path, SESSION_TOKEN};
use crate::problem::Problem;

/// The parts of the document that no route brings along.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Jackfield",
        description = "Plugins for a SaaS product: publishing, the marketplace, installs and configuration per tenant, bundles.\n\nErrors are RFC 9457 `application/problem+json`; `code` is the word to program against.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "service", description = "About the server itself"),
        (name = "identity", description = "API keys"),
        (name = "tenants", description = "Tenants as a whole"),
        (name = "plugins", description = "Plugins, installations and their configuration"),
        (name = "events", description = "What happens in a tenant: publishing it, reading it, following it"),
        (name = "webhooks", description = "What others send to plugins, and what became of it"),
        (name = "marketplace", description = "The shared catalog"),
        (name = "connections", description = "Accounts that users connect at other providers"),
        (name = "connectors", description = "One API over connected accounts"),
        (name = "lexmodo", description = "The Lexmodo platform: the plugin's page in its admin, and a store's customers"),
        (name = "bundles", description = "The files that pages load"),
    ),
    // Served from routes that take any number of segments, which no macro can name.
    paths(
        crate::bundles::file,
        crate::webhooks::take::take_secret,
        crate::webhooks::take::take_documented,
        crate::plugin_proxy::get_plugin,
        crate::plugin_proxy::post_plugin,
        crate::plugin_proxy::put_plugin,
        crate::plugin_proxy::patch_plugin,
        crate::plugin_proxy::delete_plugin,
        crate::unified::proxy::get_raw,
        crate::unified::proxy::post_raw,
        crate::unified::proxy::put_raw,
        crate::unified::proxy::patch_raw,
        crate::unified::proxy::delete_raw,
    ),
    modifiers(&Security),
)]
pub(crate) struct Document;

#[derive(Debug)]
struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("A signed token of the host product, or an API key (`jf_…`)"))
                    .build(),
            ),
        );
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "authjs.session-token",
                "A session of NextAuth v4 or Auth.js v5, also under its other cookie names",
            ))),
        );
        components.add_security_scheme(
            STORE_SESSION,
            SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::with_description(
                SESSION_TOKEN,
                "The session token with which the Lexmodo platform shows a store's admin the plugin's page, where the \
                 platform's app is configured and nothing else shows who is calling: a user of the store",
            ))),
        );
    }
}

/// The name of the scheme of a platform's session tokens.
const STORE_SESSION: &str = "storeSession";

/// Adds a platform's session token to every operation that a user's session will do for: a user is what it proves.
fn accept_store_sessions(openapi: &mut utoipa::openapi::OpenApi) {
    let session = SecurityRequirement::new::<_, _, String>("session", []);
    for item in openapi.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.options,
            &mut item.head,
            &mut item.patch,
            &mut item.trace,
        ];
        for security in operations.into_iter().flatten().filter_map(|operation| operation.security.as_mut()) {
            if security.contains(&session) {
                security.push(SecurityRequirement::new::<_, _, String>(STORE_SESSION, []));
            }
        }
    }
}

/// The document as `/openapi.json` serves it and `docs/openapi.json` keeps it.
pub fn document() -> String {
    let (_, mut document) = crate::router::routes().split_for_parts();
    accept_store_sessions(&mut document);
    // Only maps with other keys than strings fail to serialise, and an OpenAPI document has none.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Serves the document, made once at start.
pub(crate) fn serve(document: Bytes) -> axum::routing::MethodRouter<crate::App> {
    axum::routing::get(move || {
        let document = document.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], document) }
    })
}

/// What the pages under `/docs` may do: show themselves and call this server. The hash is that of the one style that
/// Swagger UI writes into the page.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The relative names of the page's files need the slash.
pub(crate) async fn docs_root() -> Redirect {
    Redirect::permanent("/docs/")
}

/// The page that shows the routes and lets one try them.
pub(crate) async fn docs_index() -> Result<Response, Problem> {
    docs_file("index.html")
}

/// A file of that page.
pub(crate) async fn docs(Path(name): Path<String>) -> Result<Response, Problem> {
    docs_file(&name)
}

fn docs_file(name: &str) -> Result<Response, Problem> {
    let config = Arc::new(Config::from("/openapi.json").validator_url("none"));
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => {
            let headers: [(HeaderName, HeaderValue); 2] = [
                (
                    header::CONTENT_TYPE,
                    HeaderValue::from_str(&file.content_type)
                        .unwrap_or(HeaderValue::from_static("application/octet-stream")),
                ),
                (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOCS_POLICY)),
            ];
            Ok((headers, file.bytes.into_owned()).into_response())
        }
        Ok(None) => Err(Problem::new(ErrorCode::NotFound, "the documentation has no such file")),
        Err(error) => Err(Problem::new(ErrorCode::Internal, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|each| references(each, found));
            }
            Value::Array(array) => array.iter().for_each(|each| references(each, found)),
            _ => {}
        }
    }

    #[test]
    fn a_store_session_will_do_where_a_users_session_does() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let schemes = document.pointer("/components/securitySchemes/storeSession").unwrap();
        assert_eq!((&schemes["in"], &schemes["name"]), (&"query".into(), &"session_token".into()));
        let securities = |operation: &Value| {
            let listed = operation["security"].as_array().cloned().unwrap_or_default();
            ["session", STORE_SESSION].map(|scheme| listed.iter().any(|each| each.get(scheme).is_some()))
        };
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|item| item.as_object().unwrap().values());
        let found: Vec<[bool; 2]> = operations.map(securities).collect();
        assert!(found.contains(&[true, true]) && found.contains(&[false, false]));
        assert!(found.iter().all(|[session, store]| session == store));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
