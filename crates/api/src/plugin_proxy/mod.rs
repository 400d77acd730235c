//! A plugin's backend, for the caller's tenant: a request goes to the handler of its route, or to the plugin's own server.
//!
//! These routes have no deadline and no bound of a body of their own: what is streamed to and from a plugin's server has the
//! bounds of [`runtime::upstream`], and a handler those of [`handler`].

mod component;
mod handler;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::Response;
use axum::routing::any;
use http::request::Parts;
use http::{Extensions, header};
use model::{CredentialKind, ErrorCode, PluginId};
use registry::{BackendKind, Deployment};
use runtime::upstream::{BackendPath, Passage};
use tokio_util::sync::CancellationToken;

use crate::extract::User;
use crate::layers::AsItIs;
use crate::problem::{Problem, ProblemBody};
use crate::{App, RequestContext};

const PREFIX: &str = "/api/plugin-proxy/";

/// Comes when the server ends, in the extensions of a request: what has no end of its own is broken off then.
#[derive(Debug, Clone)]
pub struct Ending(pub CancellationToken);

/// The routes. They take any number of segments and any method, which no macro can name; the document has them by hand.
pub(crate) fn routes() -> Router<App> {
    let answer = any(answer);
    Router::new()
        .route("/api/plugin-proxy/{pluginId}", answer.clone())
        .route("/api/plugin-proxy/{pluginId}/", answer.clone())
        .route("/api/plugin-proxy/{pluginId}/{*path}", answer)
}

/// Describes a method in the document; all are answered alike.
macro_rules! documented {
    ($($method:ident $name:ident $id:literal $(#[doc = $help:literal])+;)+) => {
        $(
            $(#[doc = $help])+
            #[utoipa::path(
                $method, path = "/api/plugin-proxy/{pluginId}/{path}", tag = "plugins", operation_id = $id,
                params(
                    ("pluginId" = String, Path, description = "the plugin's id", example = "payment-card"),
                    (
                        "path" = String, Path, example = "payments",
                        description = "the path of one of the plugin's routes, or below its server's address; it may have \
                                       slashes, or be left out",
                    ),
                ),
                responses(
                    (status = "default", description = "what the plugin has answered, good or not"),
                    (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "switched off"),
                    (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not installed, or no such route"),
                    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
                    (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
                ),
                security(("bearer" = []), ("session" = [])),
            )]
            #[expect(dead_code, reason = "it stands in the document for a method of the routes")]
            pub(crate) fn $name() {}
        )+
    };
}

documented! {
    get get_plugin "getFromPlugin"
        /// Sends a `GET` to a plugin's backend for the caller's tenant: the handler of its route, or its own server. A WebSocket
        /// to a plugin's own server is opened here, too.
        ;
    post post_plugin "postToPlugin"
        /// Sends a `POST` to a plugin's backend for the caller's tenant.
        ;
    put put_plugin "putToPlugin"
        /// Sends a `PUT` to a plugin's backend for the caller's tenant.
        ;
    patch patch_plugin "patchAtPlugin"
        /// Sends a `PATCH` to a plugin's backend for the caller's tenant.
        ;
    delete delete_plugin "deleteAtPlugin"
        /// Sends a `DELETE` to a plugin's backend for the caller's tenant.
        ;
}

async fn answer(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let deadline = app.options().deadline;
    let (caller, deployment, path) = within(deadline, Box::pin(meant(&app, &mut parts))).await?;
    let request_id = parts.extensions.get::<RequestContext>().cloned();
    let request_id = request_id.as_ref().map_or("", RequestContext::id);
    let mount =
        format!("{}{PREFIX}{}", app.options().public_url.path().trim_end_matches('/'), deployment.plugin);
    let upstream = match &deployment.kind {
        Some(BackendKind::Upstream(upstream)) => upstream,
        Some(BackendKind::Component) => {
            let request = Request::from_parts(parts, body);
            let work = component::serve(&app, (&caller, &deployment), (&path, &mount, request_id), request);
            return within(deadline, Box::pin(work)).await;
        }
        _ => {
            let request = Request::from_parts(parts, body);
            let work = handler::call(&app, (&caller, &deployment), (&path, request_id), request);
            return within(deadline, Box::pin(work)).await;
        }
    };
    let passage = Passage {
        deployment: &deployment,
        upstream,
        caller: &caller,
        path: &path,
        mount: &mount,
        client: app.client_address(&parts.extensions, &parts.headers),
        request_id,
        ending: ending(&parts.extensions),
    };
    let answer = app.upstreams().pass(passage, Request::from_parts(parts, body)).await?;
    let mut response = answer.map(Body::new);
    response.extensions_mut().insert(AsItIs);
    Ok(response)
}

/// Who calls, which of the tenant's plugins, and where below it.
async fn meant(app: &App, parts: &mut Parts) -> Result<(User, Arc<Deployment>, BackendPath), Problem> {
    let caller = User::from_request_parts(parts, app).await?;
    check_is_meant(app, &caller, parts)?;
    let (id, path) = split(parts.uri.path())?;
    let deployment = app.registry().deployment(caller.tenant(), &id).await?;
    if !deployment.enabled {
        return Err(runtime::Error::Disabled(id.to_string()).into());
    }
    Ok((caller, deployment, BackendPath::parse(path)?))
}

/// The plugin that is meant, and the path as it stands: decoded it would no longer tell what the plugin's server is sent.
fn split(path: &str) -> Result<(PluginId, &str), Problem> {
    let rest = path.strip_prefix(PREFIX).unwrap_or_default();
    let (id, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let id = id.parse().map_err(|_| registry::Error::NotInstalled(id.chars().take(100).collect()))?;
    Ok((id, path))
}

fn ending(extensions: &Extensions) -> CancellationToken {
    extensions.get::<Ending>().map(|ending| ending.0.clone()).unwrap_or_default()
}

/// Whether the caller means this, and no page of another site that has the browser send it: a plugin may change something at a
/// `GET`, and a WebSocket begins as one.
fn check_is_meant(app: &App, caller: &User, parts: &Parts) -> Result<(), Problem> {
    let comes_by_itself =
        matches!(caller.principal().credential, CredentialKind::User | CredentialKind::Development)
            && !parts.headers.contains_key(header::AUTHORIZATION);
    if !comes_by_itself || app.options().origins.permits_change(&parts.headers) {
        return Ok(());
    }
    let detail = "a page of another origin may call no plugin by a session cookie, whatever the method: list its origin in \
                  ALLOWED_ORIGINS, or send `Authorization: Bearer …`";
    Err(Problem::new(ErrorCode::OriginNotAllowed, detail))
}

async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
        Err(Problem::new(
            ErrorCode::RequestTimeout,
            format!("the request was not answered within {} s, so it was given up", deadline.as_secs_f64()),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_behind_the_plugin_is_taken_as_it_stands() {
        let read = |path: &str| split(path).ok().map(|(id, rest)| (id.to_string(), rest.to_owned()));
        let some = |id: &str, rest: &str| Some((id.to_owned(), rest.to_owned()));
        assert_eq!(read("/api/plugin-proxy/notes"), some("notes", ""));
        assert_eq!(read("/api/plugin-proxy/notes/"), some("notes", "/"));
        assert_eq!(read("/api/plugin-proxy/notes/a%2Fb/../c"), some("notes", "/a%2Fb/../c"));
        for path in [
            "/api/plugin-proxy/",
            "/api/plugin-proxy//x",
            "/api/plugin-proxy/..",
            "/api/plugin-proxy/no%74es",
        ] {
            assert_eq!(read(path), None, "{path}");
        }
    }
}
