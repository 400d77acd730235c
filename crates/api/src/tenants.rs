//! Tenants as a whole: who runs the platform deletes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use model::{ErrorCode, TenantId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::extract::{Json, Path, PlatformAdmin};
use crate::problem::{Problem, ProblemBody};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(delete))
}

/// What went with a tenant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeletedTenant {
    /// The tenant.
    tenant_id: String,
    /// How many rows of each kind there were.
    #[schema(example = json!({"API keys": 2, "data keys": 1, "installations": 5}))]
    deleted: BTreeMap<String, u64>,
}

/// Deletes all that a tenant has here, for good. Its key is destroyed first: from then on none of its secrets opens. What is
/// interrupted goes on within a minute, or when the request is repeated. Grants at providers are not revoked by this.
#[utoipa::path(
    delete, path = "/tenants/{tenantId}", tag = "tenants", operation_id = "deleteTenant",
    params(("tenantId" = String, Path, description = "the tenant")),
    responses(
        (status = 200, body = DeletedTenant),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn delete(
    State(app): State<App>,
    PlatformAdmin(principal): PlatformAdmin,
    Path(tenant): Path<String>,
) -> Result<Json<DeletedTenant>, Problem> {
    let tenant: TenantId = tenant
        .parse()
        .map_err(|error| Problem::new(ErrorCode::InvalidRequest, format!("tenantId: {error}")))?;
    let (tenants, id) = (Arc::clone(app.tenants()), tenant.clone());
    // Apart from the request, so that a caller who goes away does not stop it.
    let deleting = tokio::spawn(async move { tenants.delete(&id, &principal.subject).await });
    let deleted = deleting
        .await
        .map_err(|_| Problem::new(ErrorCode::Internal, "the deletion of a tenant ended early"))??;
    let deleted = deleted.ok_or_else(|| Problem::new(ErrorCode::NotFound, "this tenant has nothing here"))?;
    Ok(Json(DeletedTenant { tenant_id: tenant.to_string(), deleted }))
}
