//! Webhooks: where they come in, the addresses they come to, and what became of them.

mod address;
mod deliveries;
pub(crate) mod take;

use axum::Router;
use axum::routing::any;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;

pub(crate) use take::is_one;

/// Routes for admins.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(address::get))
        .routes(routes!(address::rotate))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::inspect))
        .routes(routes!(deliveries::replay))
        .routes(routes!(deliveries::replay_range))
}

/// Routes for senders. They take any number of segments and any method, and bound time and bodies themselves.
pub(crate) fn public_routes() -> Router<App> {
    let (secret, documented) = (any(take::secret), any(take::documented));
    Router::new()
        .route("/webhooks/in/{token}", secret.clone())
        .route("/webhooks/in/{token}/", secret.clone())
        .route("/webhooks/in/{token}/{*path}", secret)
        .route("/webhooks/plugins/{pluginId}", documented.clone())
        .route("/webhooks/plugins/{pluginId}/", documented.clone())
        .route("/webhooks/plugins/{pluginId}/{*path}", documented)
}
