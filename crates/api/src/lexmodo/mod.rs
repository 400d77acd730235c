//! The surface of the Lexmodo platform: a store's customers, and the plugin's page, which the platform's admin shows in a
//! frame. Who is shown it is known by a session token, and the store is connected once. The OAuth flow itself is that of
//! every provider.

mod consent;
pub(crate) mod customers;
mod door;
mod handshake;
mod pages;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use serde::Deserialize;
use url::{Url, form_urlencoded};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::extract::Query;
use crate::problem::{self, Problem, ProblemBody};
use crate::unified::wants_page;

/// The provider's name in the catalog.
pub(crate) const PROVIDER: &str = "lexmodo";

/// The plugin as the platform knows it.
#[derive(Debug, Clone)]
pub struct LexmodoPlugin {
    /// `ISSUER`: where the platform's admin is, whose pages show the plugin's.
    pub issuer: Url,
    /// `PLUGIN_CODE`.
    pub plugin_code: String,
    /// `PLUGIN_NAME`, for people.
    pub plugin_name: String,
    /// `PLUGIN_TYPE`.
    pub plugin_type: Option<String>,
    /// Whether it is known where to ask for customers: `LEXMODO_GRPC_ADDRESS`.
    pub reads_customers: bool,
}

impl LexmodoPlugin {
    /// The plugin's page in the platform's admin: `<ISSUER>/plugins/<PLUGIN_CODE>`.
    fn page(&self) -> Url {
        let mut page = self.issuer.clone();
        page.set_query(None);
        page.set_fragment(None);
        // An http or https URL has segments.
        if let Ok(mut segments) = page.path_segments_mut() {
            segments.pop_if_empty().extend(["plugins", &self.plugin_code]);
        }
        page
    }

    /// The origin of the pages that may show the plugin's in a frame.
    fn origin(&self) -> String {
        self.issuer.origin().ascii_serialization()
    }
}

/// The plugin's page. To stand outside of CORS, as no page of another origin reads it.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(callback))
}

/// Where `GET /` leads: the platform shows the plugin's page by it, with a session token. `None` where there is no app, or
/// where the query is not the platform's.
pub(crate) fn handshake(app: &App, query: Option<&str>) -> Option<Response> {
    let (_, query) = (app.options().lexmodo.as_ref()?, query?);
    let is_handshake = form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| matches!(&*name, "session_token" | "code" | "state" | "error"));
    is_handshake.then(|| handshake::redirect(app, query))
}

/// What the platform's admin, and its authorization server, send a browser here with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CallbackQuery {
    /// Who is shown the page, as the platform signs it.
    #[param(value_type = Option<String>)]
    session_token: Option<SecretString>,
    /// The flow's state.
    state: Option<String>,
    /// The code to be redeemed.
    #[param(value_type = Option<String>)]
    code: Option<SecretString>,
    /// Why there is no code.
    error: Option<String>,
    /// Who answers (RFC 9207).
    iss: Option<String>,
}

/// The plugin's page in the Lexmodo platform's admin, and the end of the consent that it asks for.
///
/// With `session_token`: a page saying that the plugin is ready if the store is connected, else a page that leads the whole
/// window to the platform's question whether to connect it. With `code` and `state`, as the platform answers that question: to
/// the plugin's page in the platform's admin. Where the platform's app is not configured there is no such route.
#[utoipa::path(
    get, path = "/callback", tag = "lexmodo", operation_id = "lexmodoCallback",
    params(CallbackQuery),
    responses(
        (status = 200, description = "the plugin is ready, or asks to be connected", content_type = "text/html"),
        (status = 303, description = "to the plugin's page in the platform's admin, or to the flow's `return_to`"),
        (status = "4XX", description = "a page, for browsers; else a problem", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = "5XX", description = "a page, for browsers; else a problem, with Retry-After", body = ProblemBody,
         content_type = "application/problem+json"),
    ),
)]
async fn callback(
    State(app): State<App>,
    parts: http::request::Parts,
    query: Result<Query<CallbackQuery>, Problem>,
) -> Response {
    let Some(plugin) = app.options().lexmodo.clone() else {
        return problem::not_found().await.into_response();
    };
    let visit = Visit { app, plugin, parts };
    match query {
        Ok(Query(query)) if query.code.is_some() || query.error.is_some() || query.state.is_some() => {
            consent::complete(&visit, query).await
        }
        Ok(Query(CallbackQuery { session_token: Some(token), .. })) => handshake::show(&visit, &token).await,
        Ok(_) => pages::nothing_given(&visit),
        Err(problem) => pages::refused(&visit, problem),
    }
}

/// A browser that has come to the plugin's page.
struct Visit {
    app: App,
    plugin: LexmodoPlugin,
    parts: http::request::Parts,
}

impl Visit {
    /// Whether it is a person who looks.
    fn wants_page(&self) -> bool {
        wants_page(&self.parts.headers)
    }

    /// The platform's name for people.
    fn provider_name(&self) -> String {
        self.app.connections().provider(PROVIDER).map_or_else(|_| "Lexmodo".to_owned(), |it| it.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(issuer: &str, code: &str) -> LexmodoPlugin {
        LexmodoPlugin {
            issuer: issuer.parse().unwrap(),
            plugin_code: code.to_owned(),
            plugin_name: "Numinix Plugin".to_owned(),
            plugin_type: Some("CUSTOM".to_owned()),
            reads_customers: false,
        }
    }

    #[test]
    fn the_plugins_page_is_below_the_issuer() {
        for (issuer, code, page) in [
            ("https://admin.example", "Numinix", "https://admin.example/plugins/Numinix"),
            ("https://admin.example/", "Numinix", "https://admin.example/plugins/Numinix"),
            ("https://example.com/admin/", "a b", "https://example.com/admin/plugins/a%20b"),
            ("https://example.com/admin?x=1#y", "a/b", "https://example.com/admin/plugins/a%2Fb"),
        ] {
            assert_eq!(plugin(issuer, code).page().as_str(), page);
        }
    }

    #[test]
    fn the_frames_origin_has_no_path() {
        assert_eq!(plugin("https://Admin.example:443/shop", "x").origin(), "https://admin.example");
        assert_eq!(plugin("http://127.0.0.1:9000/", "x").origin(), "http://127.0.0.1:9000");
    }
}
