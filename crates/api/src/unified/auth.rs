//! The state of connections, provider by provider.

use std::collections::BTreeMap;

use ::connections::connection::{Connection, Status};
use ::connections::{Revocation, Validity, Whose};
use axum::extract::State;
use http::{HeaderMap, header};
use model::{ErrorCode, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{AccountBody, required_user_email, whose};
use crate::App;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};

/// Whose connection is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WhoseQuery {
    /// The user; the credential's own e-mail address where left out.
    user_email: Option<String>,
    /// One of several accounts; the default one where left out.
    connection_id: Option<String>,
}

impl WhoseQuery {
    async fn whose(self, app: &App, caller: &User, provider: String) -> Result<Whose, Problem> {
        whose::whose(app, caller, provider, self.user_email.as_deref(), self.connection_id).await
    }
}

/// Whether a connection works.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ValidityBody {
    /// Whether the provider has just accepted it.
    valid: bool,
    /// Why not, as the code of the error that its use would bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "reauthorization_required")]
    reason: Option<&'static str>,
    /// Who consented.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_info: Option<AccountBody>,
    /// What was granted.
    scopes: Vec<String>,
    /// When the access token ends; it is renewed before.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<String>,
}

impl From<Validity> for ValidityBody {
    fn from(validity: Validity) -> Self {
        let connection = validity.connection;
        Self {
            valid: validity.reason.is_none(),
            reason: validity.reason.map(ErrorCode::as_str),
            scopes: connection.as_ref().map(Connection::scopes).unwrap_or_default(),
            expires_at: connection.as_ref().and_then(Connection::expires_at),
            connection_id: connection.as_ref().map(|connection| connection.id.clone()),
            user_info: connection.map(|connection| connection.account.into()),
        }
    }
}

/// Asks the provider whether a connection works, renewing the access token once if need be.
#[utoipa::path(
    get, path = "/api/v1/unified/auth/{provider}/validate", tag = "connections", operation_id = "validateConnection",
    params(("provider" = String, Path, description = "the provider's name in the catalog"), WhoseQuery),
    responses(
        (status = 200, body = ValidityBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn validate(
    State(app): State<App>,
    caller: User,
    Path(provider): Path<String>,
    Query(query): Query<WhoseQuery>,
) -> Result<Json<ValidityBody>, Problem> {
    let whose = query.whose(&app, &caller, provider).await?;
    let validity = app.connections().validate(&whose, &caller.principal().subject).await?;
    Ok(Json(validity.into()))
}

/// A connection whose access token was renewed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefreshedBody {
    /// `true`.
    success: bool,
    /// The provider.
    provider: String,
    /// The user that was asked for; null where nobody was, because the connection is the tenant's.
    user_email: Option<String>,
    /// What it is worth now.
    result: RefreshResult,
}

/// What a renewed connection is worth.
#[derive(Debug, Serialize, ToSchema)]
struct RefreshResult {
    /// When the new access token ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// What is granted.
    scopes: Vec<String>,
}

/// Renews the access token of a connection now. Not needed in the course of things: tokens are renewed ahead of their end.
#[utoipa::path(
    post, path = "/api/v1/unified/auth/{provider}/refresh", tag = "connections", operation_id = "refreshConnection",
    params(("provider" = String, Path, description = "the provider's name in the catalog"), WhoseQuery),
    responses(
        (status = 200, body = RefreshedBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn refresh(
    State(app): State<App>,
    caller: User,
    Path(provider): Path<String>,
    Query(query): Query<WhoseQuery>,
) -> Result<Json<RefreshedBody>, Problem> {
    let whose = query.whose(&app, &caller, provider).await?;
    whose::check_manages(&caller, app.connections().meant(&whose).await?.owner())?;
    let connection = app.connections().refresh(&whose, &caller.principal().subject).await?;
    let result = RefreshResult { expires_at: connection.expires_at(), scopes: connection.scopes() };
    Ok(Json(RefreshedBody {
        success: true,
        provider: connection.provider.to_string(),
        user_email: whose::asked(&whose),
        result,
    }))
}

/// The same as POST, for clients that know it as GET.
#[utoipa::path(
    get, path = "/api/v1/unified/auth/{provider}/refresh", tag = "connections", operation_id = "refreshConnectionByGet",
    params(("provider" = String, Path, description = "the provider's name in the catalog"), WhoseQuery),
    responses(
        (status = 200, body = RefreshedBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn refresh_by_get(
    State(app): State<App>,
    caller: User,
    headers: HeaderMap,
    path: Path<String>,
    query: Query<WhoseQuery>,
) -> Result<Json<RefreshedBody>, Problem> {
    // The guard of cookies lets GET pass, and this one changes something.
    let by_cookie = !headers.contains_key(header::AUTHORIZATION);
    if by_cookie && !app.options().origins.permits_change(&headers) {
        let detail =
            "a page of another origin may not do this by a session cookie: send `Authorization: Bearer …`";
        return Err(Problem::new(ErrorCode::OriginNotAllowed, detail));
    }
    refresh(State(app), caller, path, query).await
}

/// What became of a connection that was revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevokedBody {
    /// `true`: it is deleted here in any case.
    success: bool,
    /// The provider.
    provider: String,
    /// Whose connection it was; for one that is the tenant's, the user that was asked for, if any was.
    user_email: Option<String>,
    /// The connection.
    connection_id: String,
    /// Whether the provider has confirmed that none of the tokens holds any more.
    revoked_at_provider: bool,
    /// What the provider did, credential by credential.
    credentials: Vec<RevokedCredentialBody>,
}

/// What the provider did with one credential.
#[derive(Debug, Serialize, ToSchema)]
struct RevokedCredentialBody {
    /// Its name within the connection.
    name: String,
    /// Whether the provider has confirmed.
    revoked_at_provider: bool,
    /// Why it has not, and what remains to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Revocation> for RevokedBody {
    fn from(revocation: Revocation) -> Self {
        let revoked_at_provider = revocation.is_complete();
        let credentials = revocation.credentials.into_iter().map(|credential| RevokedCredentialBody {
            name: credential.name,
            revoked_at_provider: credential.at_provider,
            reason: credential.reason,
        });
        Self {
            success: true,
            provider: revocation.connection.provider.to_string(),
            user_email: revocation.connection.user().map(str::to_owned),
            connection_id: revocation.connection.id,
            revoked_at_provider,
            credentials: credentials.collect(),
        }
    }
}

/// Revokes a connection: at the provider as far as it offers a way, and here in any case.
#[utoipa::path(
    delete, path = "/api/v1/unified/auth/{provider}/revoke", tag = "connections", operation_id = "revokeConnection",
    params(("provider" = String, Path, description = "the provider's name in the catalog"), WhoseQuery),
    responses(
        (status = 200, body = RevokedBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: User,
    Path(provider): Path<String>,
    Query(query): Query<WhoseQuery>,
) -> Result<Json<RevokedBody>, Problem> {
    let whose = query.whose(&app, &caller, provider).await?;
    let connection = app.connections().meant(&whose).await?;
    whose::check_manages(&caller, connection.owner())?;
    let by = &caller.principal().subject;
    let revocation = app.connections().revoke(caller.tenant(), &connection.id, by).await?;
    Ok(Json(RevokedBody { user_email: whose::asked(&whose), ..revocation.into() }))
}

/// Which user.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UserQuery {
    /// The user; the credential's own e-mail address where left out.
    user_email: Option<String>,
}

/// What a user has connected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusBody {
    /// `true`.
    success: bool,
    /// The user.
    user_email: String,
    /// By provider.
    providers: BTreeMap<String, ProviderStatus>,
}

/// A user's default connection to a provider, or the tenant's.
#[derive(Debug, Default, Serialize, ToSchema)]
struct ProviderStatus {
    /// Whether there is one that works.
    connected: bool,
    /// Who consented.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_info: Option<AccountBody>,
    /// When the access token ends; it is renewed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Why it does not work: `connection_required`, `needs_reauth` or `needs_site`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<String>,
}

impl From<Option<Connection>> for ProviderStatus {
    fn from(connection: Option<Connection>) -> Self {
        let Some(connection) = connection else {
            return Self { reason: Some("connection_required"), ..Self::default() };
        };
        Self {
            connected: connection.status == Status::Active,
            reason: (connection.status != Status::Active).then_some(connection.status.as_str()),
            expires_at: connection.expires_at(),
            user_info: Some(connection.account.into()),
            connection_id: Some(connection.id),
        }
    }
}

/// Tells what a user has connected, provider by provider, without asking the providers.
#[utoipa::path(
    get, path = "/api/v1/unified/auth/status", tag = "connections", operation_id = "connectionStatus", params(UserQuery),
    responses(
        (status = 200, body = StatusBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn status(
    State(app): State<App>,
    caller: User,
    Query(query): Query<UserQuery>,
) -> Result<Json<StatusBody>, Problem> {
    let user_email = required_user_email(&caller, query.user_email.as_deref())?;
    let found = app.connections().status(caller.tenant(), &user_email).await?;
    let providers = found.into_iter().map(|(name, connection)| (name, connection.into())).collect();
    Ok(Json(StatusBody { success: true, user_email, providers }))
}

/// The providers there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProvidersBody {
    /// `true`.
    success: bool,
    /// By their name in the catalog.
    providers: BTreeMap<String, ProviderBody>,
}

/// A provider.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderBody {
    /// Its name for people.
    #[schema(example = "Google")]
    name: String,
    /// Whether connections can be made to it: there is an OAuth app, or none is needed.
    configured: bool,
    /// What is asked for where a caller asks for nothing.
    scopes: Vec<String>,
    /// Where it sends browsers back to: to be registered there.
    redirect_uri: Option<String>,
    /// How connections come about: `authorization_code`, `client_credentials` or `api_key`.
    flow: &'static str,
    /// Whose connections to it are: `user`, each user's own; or `tenant`, one for all users, which an admin begins.
    owner: &'static str,
    /// What each connection brings along, by name, with what it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    variables: BTreeMap<String, String>,
}

/// Lists the providers.
#[utoipa::path(
    get, path = "/api/v1/unified/auth/providers", tag = "connections", operation_id = "listProviders",
    responses(
        (status = 200, body = ProvidersBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn providers(State(app): State<App>, caller: User) -> Result<Json<ProvidersBody>, Problem> {
    let infos = app.connections().providers(caller.tenant()).await?;
    let providers = infos.into_iter().map(|info| {
        let body = ProviderBody {
            name: info.name,
            configured: info.configured,
            scopes: info.scopes,
            redirect_uri: info.redirect_uri,
            flow: info.flow.as_str(),
            owner: info.owner.as_str(),
            variables: info.variables,
        };
        (info.id.to_string(), body)
    });
    Ok(Json(ProvidersBody { success: true, providers: providers.collect() }))
}
