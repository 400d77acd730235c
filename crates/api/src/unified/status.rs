//! What the unified surface has to offer.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Json, User};
use crate::problem::{Problem, ProblemBody};

/// Where to go from here; what stands in braces is to be put in.
const ENDPOINTS: [(&str, &str); 19] = [
    ("activity", "/api/v1/unified/activity"),
    ("auth", "/api/v1/unified/auth/providers"),
    ("channels", "/api/v1/unified/connectors/{connector}/channels"),
    ("comments", "/api/v1/unified/connectors/{connector}/items/{id}/comments"),
    ("connections", "/api/v1/unified/connections"),
    ("connectors", "/api/v1/unified/connectors"),
    ("containers", "/api/v1/unified/connectors/{connector}/containers"),
    ("content", "/api/v1/unified/connectors/{connector}/items/{id}/content"),
    ("docs", "/docs"),
    ("gmail", "/api/v1/unified/gmail/emails"),
    ("issues", "/api/v1/unified/connectors/{connector}/projects/{id}/issues"),
    ("items", "/api/v1/unified/connectors/{connector}/items"),
    ("jira", "/api/v1/unified/jira/projects"),
    ("messages", "/api/v1/unified/connectors/{connector}/channels/{id}/messages"),
    ("my_issues", "/api/v1/unified/connectors/{connector}/my-issues"),
    ("projects", "/api/v1/unified/connectors/{connector}/projects"),
    ("search", "/api/v1/unified/connectors/{connector}/search"),
    ("slack", "/api/v1/unified/slack/channels"),
    ("users", "/api/v1/unified/connectors/{connector}/users"),
];

/// What the unified surface has to offer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServiceStatusBody {
    /// `true`.
    success: bool,
    /// Always `jackfield`.
    #[schema(example = "jackfield")]
    service: &'static str,
    /// The version of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The providers that connections can be made to.
    #[schema(example = json!(["google", "lexmodo"]))]
    providers: Vec<String>,
    /// The connectors that can be used.
    #[schema(example = json!(["lexmodo"]))]
    connectors: Vec<&'static str>,
    /// Where to go from here, by what is there.
    endpoints: BTreeMap<&'static str, &'static str>,
}

/// Tells what the unified surface has to offer the caller's tenant: what is set up, and where it is described.
#[utoipa::path(
    get, path = "/api/v1/unified/status", tag = "connectors", operation_id = "unifiedStatus",
    responses(
        (status = 200, body = ServiceStatusBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn status(State(app): State<App>, caller: User) -> Result<Json<ServiceStatusBody>, Problem> {
    let providers = app.connections().providers(caller.tenant()).await?.into_iter();
    let connectors = app.connectors().list(caller.tenant()).await?.into_iter();
    Ok(Json(ServiceStatusBody {
        success: true,
        service: "jackfield",
        version: env!("CARGO_PKG_VERSION"),
        providers: providers.filter(|info| info.configured).map(|info| info.id.to_string()).collect(),
        connectors: connectors.filter(|info| info.configured).map(|info| info.description.id).collect(),
        endpoints: ENDPOINTS.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_is_in_the_contract() {
        let document: serde_json::Value = serde_json::from_str(&crate::openapi::document()).unwrap();
        for (name, path) in ENDPOINTS.into_iter().filter(|(name, _)| *name != "docs") {
            assert!(document["paths"][path].get("get").is_some(), "{name}: {path}");
        }
    }
}
