//! The contract for programs (`/openapi.json`) and for people (`/docs`).

use std::sync::Arc;

use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use model::ErrorCode;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

use crate::extract::Path;
use crate::problem::Problem;

/// The parts of the document that no route brings along.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Jackfield",
        description = "Plugins for a SaaS product: registry, marketplace, bundles, proxy, webhooks and connections.\n\nErrors are RFC 9457 `application/problem+json`; `code` is the word to program against.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "service", description = "About the server itself"),
        (name = "identity", description = "API keys"),
        (name = "plugins", description = "Plugins, installations and their configuration"),
        (name = "marketplace", description = "The shared catalog"),
        (name = "bundles", description = "The files that pages load"),
    ),
    // Served from one route that takes any number of segments, which no macro can name.
    paths(crate::bundles::file),
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
    }
}

/// The document as `/openapi.json` serves it and `docs/openapi.json` keeps it.
pub fn document() -> String {
    let (_, document) = crate::router::routes().split_for_parts();
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

/// What the pages under `/docs` may do: show themselves and call this server.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
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
