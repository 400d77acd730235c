//! The surface of the Lexmodo platform.

mod customers;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;

/// The routes of the contract.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(customers::list))
        .routes(routes!(customers::stream))
        .routes(routes!(customers::show))
}
