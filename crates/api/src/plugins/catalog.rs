//! Finding plugins.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use model::{ErrorCode, TenantId};
use registry::PageRequest;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{InstalledBody, PluginBody, page_response};
use super::plugin_id;
use crate::App;
use crate::extract::{Json, MaybeCaller, Path, PublicTenant, Query, User};
use crate::problem::{Problem, ProblemBody};

/// Which page of a listing.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// How many at most: 100 unless said, 200 at most.
    limit: Option<u16>,
    /// From the `Link` header of the page before.
    cursor: Option<String>,
}

/// Lists the plugins that may be installed, by name: the shared catalog and the caller's own.
#[utoipa::path(
    get, path = "/plugins/available", tag = "plugins", operation_id = "listAvailablePlugins", params(PageQuery),
    responses(
        (status = 200, body = Vec<PluginBody<'_>>, headers(("Link" = String, description = "the next page, if any"))),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn available(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.map(|limit| limit.to_string());
    let request = PageRequest { limit: query.limit, cursor: query.cursor };
    let page = app.registry().available(caller.as_ref().map(model::Caller::tenant), &request).await?;
    Ok(page_response(&app, &page, "/plugins/available", &[("limit", limit.as_deref())]))
}

/// Tells of one plugin at its current version.
#[utoipa::path(
    get, path = "/plugins/{id}", tag = "plugins", operation_id = "getPlugin",
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = PluginBody<'_>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn get(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let tenant = caller.as_ref().map(model::Caller::tenant);
    let plugin = app.registry().plugin(tenant, &plugin_id(&id)?).await?;
    Ok(Json(PluginBody::new(app.registry(), &plugin)).into_response())
}

/// Which extension point.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PointQuery {
    /// The extension point's name.
    #[param(required, example = "payment-methods")]
    point: Option<String>,
}

/// Lists the plugins that support an extension point: those that the tenant has enabled if the request names a tenant,
/// else those of the shared catalog.
#[utoipa::path(
    get, path = "/plugins/by-extension-point", tag = "plugins", operation_id = "listPluginsByExtensionPoint",
    params(PointQuery),
    responses(
        (status = 200, body = Vec<PluginBody<'_>>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn by_extension_point(
    State(app): State<App>,
    PublicTenant(tenant): PublicTenant,
    Query(query): Query<PointQuery>,
) -> Result<Response, Problem> {
    let point = query.point.filter(|point| !point.is_empty()).ok_or_else(|| {
        Problem::new(ErrorCode::InvalidRequest, "name an extension point: ?point=payment-methods")
    })?;
    let registry = app.registry();
    if let Some(tenant) = tenant {
        return enabled(&app, &tenant, Some(&point), None).await;
    }
    let plugins = registry.by_extension_point(&point).await?;
    let bodies: Vec<_> = plugins.iter().map(|each| PluginBody::new(registry, each)).collect();
    Ok(Json(bodies).into_response())
}

/// Whose enabled plugins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct OrganizationQuery {
    /// The tenant.
    #[param(required, example = "acme")]
    organization_id: Option<String>,
    /// Only those that support this extension point.
    extension_point: Option<String>,
}

impl OrganizationQuery {
    fn tenant(&self) -> Result<TenantId, Problem> {
        organization(self.organization_id.as_deref())
    }
}

/// The tenant that `organizationId` names.
pub(super) fn organization(id: Option<&str>) -> Result<TenantId, Problem> {
    id.unwrap_or_default().parse().map_err(|error| {
        Problem::new(ErrorCode::InvalidRequest, format!("name a tenant by organizationId: {error}"))
    })
}

/// Lists what a tenant has enabled, with the configuration that anybody may see.
#[utoipa::path(
    get, path = "/plugins/public/organizations/enabled", tag = "plugins", operation_id = "listEnabledPlugins",
    params(OrganizationQuery),
    responses(
        (status = 200, body = Vec<InstalledBody<'_>>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn public_enabled(
    State(app): State<App>,
    Query(query): Query<OrganizationQuery>,
) -> Result<Response, Problem> {
    enabled(&app, &query.tenant()?, query.extension_point.as_deref(), None).await
}

/// Lists the payment plugins that a tenant has enabled, with the configuration that anybody may see.
#[utoipa::path(
    get, path = "/plugins/public/organizations/payment", tag = "plugins", operation_id = "listPaymentPlugins",
    params(OrganizationQuery),
    responses(
        (status = 200, body = Vec<InstalledBody<'_>>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn public_payment(
    State(app): State<App>,
    Query(query): Query<OrganizationQuery>,
) -> Result<Response, Problem> {
    enabled(&app, &query.tenant()?, query.extension_point.as_deref(), Some("payment")).await
}

async fn enabled(
    app: &App,
    tenant: &TenantId,
    point: Option<&str>,
    category: Option<&str>,
) -> Result<Response, Problem> {
    let registry = app.registry();
    let enabled = registry.enabled(tenant, point, category).await?;
    let bodies: Vec<_> = enabled.iter().map(|each| InstalledBody::public(registry, each)).collect();
    Ok(Json(bodies).into_response())
}

/// Whether bundles can be stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StorageHealth {
    is_connected: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

/// Tells whether the blob store can be reached.
#[utoipa::path(
    get, path = "/plugins/storage-health", tag = "plugins", operation_id = "getStorageHealth",
    responses(
        (status = 200, body = StorageHealth),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn storage_health(State(app): State<App>, _: User) -> Json<StorageHealth> {
    Json(match app.registry().blobs().check().await {
        Ok(()) => StorageHealth { is_connected: true, message: None },
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the blob store does not answer");
            StorageHealth {
                is_connected: false,
                message: Some("the blob store cannot be reached or is full"),
            }
        }
    })
}
