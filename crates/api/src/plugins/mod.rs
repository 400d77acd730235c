//! Plugins (CONTRACT §2): publishing, finding, installing, configuring and rating them.

mod actions;
mod body;
mod catalog;
mod configuration;
mod consent;
pub(crate) mod installations;
mod lifecycle;
mod logs;
mod multipart;
pub(crate) mod publish;
mod ratings;
mod stream;

use model::PluginId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::problem::Problem;

pub(crate) use body::{PluginBody, page_response};

/// Routes for pages of the product and for its tenants' admins.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(catalog::available))
        .routes(routes!(catalog::by_extension_point))
        .routes(routes!(catalog::get))
        .routes(routes!(installations::installed))
        .routes(routes!(installations::install))
        .routes(routes!(installations::upgrade))
        .routes(routes!(installations::uninstall))
        .routes(routes!(installations::set_status))
        .routes(routes!(configuration::get, configuration::put))
        .routes(routes!(consent::get, consent::put))
        .routes(routes!(actions::run))
        .routes(routes!(lifecycle::list))
        .routes(routes!(lifecycle::retry))
        .routes(routes!(logs::list))
        .routes(routes!(ratings::list, ratings::rate))
        .routes(routes!(catalog::storage_health))
}

/// Routes for any page, whatever its origin.
pub(crate) fn public_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(catalog::public_enabled)).routes(routes!(catalog::public_payment))
}

/// Routes whose answers have no end.
pub(crate) fn stream_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream::own))
}

/// Routes for any page, whose answers have no end.
pub(crate) fn public_stream_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream::public))
}

/// Routes that take sources and bundles: larger bodies and longer work than others.
pub(crate) fn publishing_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(publish::create))
        .routes(routes!(publish::update))
        .routes(routes!(publish::upload))
        .routes(routes!(publish::upload_to_storage))
}

/// A plugin id from a path or body. What cannot be an id names no plugin.
pub(crate) fn plugin_id(text: &str) -> Result<PluginId, Problem> {
    text.parse().map_err(|_| registry::Error::PluginNotFound(text.chars().take(100).collect()).into())
}
