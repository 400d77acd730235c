//! What plugins ask for, and what a tenant's admin has agreed to.

use std::collections::BTreeSet;

use axum::extract::State;
use registry::{Access, Consent, Grants, Whose};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::plugin_id;
use crate::App;
use crate::extract::{Admin, Json, Path};
use crate::problem::{Problem, ProblemBody};

/// What a plugin may do.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schema(as = Grants)]
pub(crate) struct GrantsBody {
    /// What it may do in the host product.
    permissions: BTreeSet<String>,
    /// The hosts that its backend may call, or is.
    hosts: BTreeSet<String>,
    /// The secrets of its configuration that its backend may read.
    secrets: BTreeSet<String>,
    /// The secrets that are put into its requests on the way out, which it does not see.
    secret_uses: Vec<SecretUseBody>,
    /// The connectors that its backend may use.
    connections: Vec<ConnectionBody>,
    /// The events of the tenant that it and its pages may see: types, or patterns such as `order.*`.
    events: BTreeSet<String>,
}

/// A secret that is put into requests to a host.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretUse)]
struct SecretUseBody {
    secret: String,
    host: String,
}

/// A connector that a backend may use.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GrantedConnection)]
struct ConnectionBody {
    #[schema(example = "gmail")]
    connector: String,
    /// `write` allows what `read` does.
    #[serde(default)]
    #[schema(value_type = String, example = "read", pattern = "^(read|write)$")]
    access: Access,
    /// `caller`: of the user whose request it answers; `tenant`: of anybody in the tenant.
    #[serde(default)]
    #[schema(value_type = String, example = "caller", pattern = "^(caller|tenant)$")]
    whose: Whose,
}

impl From<Grants> for GrantsBody {
    fn from(grants: Grants) -> Self {
        let Grants { permissions, hosts, secrets, secret_uses, connections, events } = grants;
        let secret_use = |each: registry::SecretUse| SecretUseBody { secret: each.secret, host: each.host };
        let connection = |ask: registry::ConnectionAsk| ConnectionBody {
            connector: ask.connector,
            access: ask.access,
            whose: ask.whose,
        };
        Self {
            permissions,
            hosts,
            secrets,
            secret_uses: secret_uses.into_iter().map(secret_use).collect(),
            connections: connections.into_iter().map(connection).collect(),
            events,
        }
    }
}

impl From<GrantsBody> for Grants {
    fn from(body: GrantsBody) -> Self {
        let GrantsBody { permissions, hosts, secrets, secret_uses, connections, events } = body;
        let secret_use = |each: SecretUseBody| registry::SecretUse { secret: each.secret, host: each.host };
        let connection = |ask: ConnectionBody| registry::ConnectionAsk {
            connector: ask.connector,
            access: ask.access,
            whose: ask.whose,
        };
        Self {
            permissions,
            hosts,
            secrets,
            secret_uses: secret_uses.into_iter().map(secret_use).collect(),
            connections: connections.into_iter().map(connection).collect(),
            events,
        }
    }
}

/// What an installed plugin asks for, beside what was agreed to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Consent)]
pub(super) struct ConsentBody {
    /// What the installed version asks for.
    asked: GrantsBody,
    /// What was agreed to; `null` where the plugin was installed before anybody was asked.
    #[schema(nullable)]
    consented: Option<GrantsBody>,
    /// What is asked for and not agreed to. The plugin runs without it.
    missing: GrantsBody,
}

impl From<Consent> for ConsentBody {
    fn from(consent: Consent) -> Self {
        let Consent { asked, consented, missing } = consent;
        Self { asked: asked.into(), consented: consented.map(Into::into), missing: missing.into() }
    }
}

/// Tells what an installed plugin asks for, and what of it was agreed to.
#[utoipa::path(
    get, path = "/plugins/{id}/consent", tag = "plugins", operation_id = "getPluginConsent",
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = ConsentBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn get(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<ConsentBody>, Problem> {
    Ok(Json(app.registry().consent(caller.tenant(), &plugin_id(&id)?).await?.into()))
}

/// Agrees to what the installed version of a plugin asks for, which the body must be, so that nobody agrees to what was not
/// shown.
#[utoipa::path(
    put, path = "/plugins/{id}/consent", tag = "plugins", operation_id = "consentToPlugin", request_body = GrantsBody,
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = ConsentBody),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "not what it asks for; `errors` names what differs"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn put(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
    Json(grants): Json<GrantsBody>,
) -> Result<Json<ConsentBody>, Problem> {
    let by = &caller.principal().subject;
    let consent = app.registry().consent_to(caller.tenant(), &plugin_id(&id)?, &grants.into(), by).await?;
    Ok(Json(consent.into()))
}
