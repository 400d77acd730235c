//! Every route, and the layers around them.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::util::MapRequestLayer;
use tower::{Service, ServiceBuilder};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::layers::Deadline;
use crate::{
    App, access, api_keys, bundles, connect, events, health, jwks, layers, lexmodo, marketplace, openapi,
    plugin_proxy, plugins, problem, rate_limit, service, subscriptions, tenants, unified, webhooks,
};

/// How many uploads are in memory at the same time; further ones wait within their deadline.
const MAX_UPLOADS: usize = 16;

/// The routes that are in the contract.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::Document::openapi())
        .merge(quick_routes())
        .merge(publishing_routes())
        .merge(events::publishing_routes())
        .merge(plugins::public_routes())
        .merge(streams())
        .merge(plugins::public_stream_routes())
        .merge(lexmodo::routes())
}

/// Routes that act for a caller, with small bodies.
fn quick_routes() -> OpenApiRouter<App> {
    service_routes()
        .merge(api_keys::routes())
        .merge(tenants::routes())
        .merge(plugin_routes())
        .merge(events::routes())
        .merge(subscriptions::routes())
        .merge(webhooks::routes())
        .merge(unified::routes())
        .merge(connect::routes())
        .merge(lexmodo::customers::routes())
}

fn plugin_routes() -> OpenApiRouter<App> {
    plugins::routes().merge(marketplace::routes()).routes(routes!(bundles::current))
}

/// Routes whose answers have no end.
fn streams() -> OpenApiRouter<App> {
    events::stream_routes().merge(plugins::stream_routes())
}

/// Routes that take sources and bundles.
fn publishing_routes() -> OpenApiRouter<App> {
    plugins::publishing_routes().merge(marketplace::publishing_routes())
}

/// Routes about the server itself.
fn service_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(service::describe))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(service::metrics))
        .routes(routes!(problem::explain))
        .routes(routes!(jwks::jwks))
}

/// The whole surface, ready to be served, with the pages of other parts that the program has `mounted`. The server puts
/// a [`PeerAddress`](crate::PeerAddress) into each request.
pub fn router(app: App, mounted: Router) -> Router {
    let options = app.options();
    let cors = options.origins.cors();
    // Layers wrap what was added before them, so the answer to a wrong method comes before CORS, which must see
    // preflights.
    let quick = Router::from(quick_routes()).merge(unified::aliases()).merge(connect::aliases());
    let quick = quick.merge(unified::proxy::routes());
    let guarded = limited(quick, options.deadline, options.max_body_bytes)
        .merge(limited(
            Router::from(publishing_routes()).layer(GlobalConcurrencyLimitLayer::new(MAX_UPLOADS)),
            options.upload_deadline,
            options.max_upload_bytes,
        ))
        .merge(limited(events::publishing_routes().into(), options.deadline, events::MAX_BODY))
        // What is streamed has bounds of its own.
        .merge(plugin_proxy::routes())
        .merge(streams())
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(cors);
    let public = limited(plugins::public_routes().into(), options.deadline, options.max_body_bytes);
    let open = documentation()
        .merge(public)
        .merge(plugins::public_stream_routes())
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(options.origins.public_cors());

    let hosted = mounted.with_state(()).merge(connect::hosted()).merge(lexmodo::routes());
    let hosted = limited(hosted, options.deadline, options.max_body_bytes)
        .method_not_allowed_fallback(problem::method_not_allowed);

    // Pages have no business there: without CORS a browser gives them no answer.
    let surface = guarded.merge(open).merge(hosted).merge(webhooks::public_routes());
    let surface = surface.fallback(problem::not_found);
    let surface = surface.layer(MapRequestLayer::new(access::note_route)).with_state(app.clone());
    // Bundles stand outside every layer: they are asked for most and need none. What they serve is public, precompressed and in
    // memory, and they set their own headers.
    bundles::routes().with_state(app.clone()).fallback_service(around(app, surface))
}

/// What every request to `surface` goes through, around it all rather than around each route: axum copies a route with its layers
/// for each request.
fn around(
    app: App,
    surface: Router,
) -> impl Service<Request, Response: IntoResponse, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
    let https = app.clone();
    ServiceBuilder::new()
        .map_response(move |response| layers::security_headers(&https, response))
        .layer(layers::compression())
        .service_fn(move |request| {
            let (app, mut surface) = (app.clone(), surface.clone());
            async move {
                let answer = |request| async move {
                    // A router is always ready, and never fails.
                    let Ok(response) = surface.call(request).await;
                    response
                };
                let counted = |request| layers::caught(rate_limit::by_address(&app, request, answer));
                Ok::<Response, Infallible>(access::account(&app, request, counted).await)
            }
        })
}

/// Routes that take no longer and no more than this.
fn limited(routes: Router<App>, deadline: Duration, max_body_bytes: usize) -> Router<App> {
    routes
        .layer(from_fn_with_state(Deadline(deadline), layers::deadline))
        .layer(DefaultBodyLimit::max(max_body_bytes))
}

/// The contract itself, and the page that shows it.
fn documentation() -> Router<App> {
    Router::new()
        .route("/openapi.json", openapi::serve(Bytes::from(openapi::document())))
        .route("/docs", get(openapi::docs_root))
        .route("/docs/", get(openapi::docs_index))
        .route("/docs/{*file}", get(openapi::docs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_plugin_can_be_called_as_a_route_is() {
        let document = routes().split_for_parts().1;
        let paths = document.paths.paths.keys();
        let words = paths.filter_map(|path| {
            let rest = path.strip_prefix("/plugins/").or_else(|| path.strip_prefix("/marketplace/"))?;
            rest.split('/').next().filter(|word| !word.starts_with('{'))
        });
        for word in words {
            let parsed = word.parse::<model::PluginId>();
            assert!(matches!(parsed, Err(model::IdError::Reserved(_))), "{word}");
        }
    }
}
