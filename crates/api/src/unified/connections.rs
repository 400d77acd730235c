//! Connections as things of their own: listed, made without consent, changed and revoked.

use std::collections::BTreeMap;

use ::connections::catalog::Owner;
use ::connections::connection::{Connection, Credential, Site, Status};
use ::connections::{Changes, Direct, DirectGrant, Listing};
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use model::{CredentialKind, ErrorCode, Role, Timestamp, Violation};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::RevokedBody;
use super::whose::{changeable, check_manages, user_at, visible};
use super::{AccountBody, required_user_email};
use crate::App;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, change, remove))
}

/// The same handlers under the path that is short.
pub(super) fn aliases() -> axum::Router<App> {
    axum::Router::new()
        .route("/connections", get(list).post(create))
        .route("/connections/{id}", get(show).patch(change).delete(remove))
}

/// A connection. No token is in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
pub(super) struct ConnectionBody {
    /// By which it is named.
    id: String,
    /// The provider.
    #[schema(example = "google")]
    provider: String,
    /// Whose it is; null where it is the tenant's, for all its users.
    user_email: Option<String>,
    /// What its user calls it.
    label: String,
    /// Whether it is the one that is meant where none is named.
    default: bool,
    /// `active`, `needs_site` or `needs_reauth`.
    #[schema(value_type = String)]
    status: Status,
    /// Why it does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
    /// Who consented.
    account: AccountBody,
    /// What was granted.
    scopes: Vec<String>,
    /// When the first access token ends; it is renewed before.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When the grant itself will die unless its user consents again, as far as is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    dies_at: Option<Timestamp>,
    /// Its credentials, where there are several.
    credentials: Vec<CredentialBody>,
    /// The sites that the grant covers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sites: Vec<SiteBody>,
    /// The id of the chosen site.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    /// The values of the provider's variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    variables: BTreeMap<String, String>,
    /// When its user last consented.
    #[schema(value_type = String, format = DateTime)]
    authorized_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When it was last used, to the hour.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

/// One credential of a connection.
#[derive(Debug, Serialize, ToSchema)]
struct CredentialBody {
    /// `main`, or `bot` and `user`.
    name: String,
    scopes: Vec<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Whether it is renewed without its user.
    refreshable: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    refreshed_at: Option<Timestamp>,
}

/// A site that a grant covers.
#[derive(Debug, Serialize, ToSchema)]
struct SiteBody {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl From<Credential> for CredentialBody {
    fn from(credential: Credential) -> Self {
        Self {
            name: credential.name,
            scopes: credential.scopes,
            expires_at: credential.expires_at,
            refreshable: credential.has_refresh_token,
            refreshed_at: credential.refreshed_at,
        }
    }
}

impl From<Site> for SiteBody {
    fn from(site: Site) -> Self {
        Self { id: site.id, name: site.name, address: site.address }
    }
}

impl From<Connection> for ConnectionBody {
    fn from(connection: Connection) -> Self {
        Self {
            scopes: connection.scopes(),
            expires_at: connection.expires_at(),
            dies_at: connection.credentials.iter().filter_map(|credential| credential.dies_at).min(),
            user_email: connection.user().map(str::to_owned),
            id: connection.id,
            provider: connection.provider.to_string(),
            label: connection.label,
            default: connection.is_default,
            status: connection.status,
            status_reason: connection.status_reason,
            account: connection.account.into(),
            credentials: connection.credentials.into_iter().map(Into::into).collect(),
            sites: connection.sites.into_iter().map(Into::into).collect(),
            site: connection.site,
            variables: connection.variables,
            authorized_at: connection.authorized_at,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
            last_used_at: connection.last_used_at,
        }
    }
}

/// A page of connections.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionsBody {
    /// `true`.
    success: bool,
    /// Oldest first.
    connections: Vec<ConnectionBody>,
    /// What to send as `cursor` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which connections.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Those that this user may use: its own and the tenant's. A user sees these alone; an admin and an API key see all
    /// where it is left out.
    user_email: Option<String>,
    /// To this provider.
    provider: Option<String>,
    /// In this status: `active`, `needs_site` or `needs_reauth`.
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    /// Only those whose grant is known to die before this moment (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    dies_before: Option<String>,
    /// The `next_cursor` of an earlier answer.
    cursor: Option<String>,
    /// At most so many, 50 where left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Lists connections, oldest first.
#[utoipa::path(
    get, path = "/api/v1/unified/connections", tag = "connections", operation_id = "listConnections", params(ListQuery),
    responses(
        (status = 200, body = ConnectionsBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn list(
    State(app): State<App>,
    caller: User,
    Query(query): Query<ListQuery>,
) -> Result<Json<ConnectionsBody>, Problem> {
    let user_email = if sees_all(&caller) && query.user_email.is_none() {
        None
    } else {
        Some(required_user_email(&caller, query.user_email.as_deref())?)
    };
    let listing = Listing {
        user_email,
        provider: query.provider,
        status: query.status,
        dies_before: query.dies_before.as_deref().map(moment).transpose()?,
        cursor: query.cursor,
        limit: query.limit,
    };
    let page = app.connections().list(caller.tenant(), &listing).await?;
    let connections = page.connections.into_iter().map(ConnectionBody::from).collect();
    Ok(Json(ConnectionsBody { success: true, connections, next_cursor: page.next_cursor }))
}

pub(super) fn sees_all(caller: &User) -> bool {
    caller.is_at_least(Role::Admin) || caller.principal().credential == CredentialKind::ApiKey
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    let time = text.parse::<jiff::Timestamp>().map_err(|_| {
        Problem::new(ErrorCode::InvalidRequest, "dies_before must be a time such as 2027-01-01T00:00:00Z")
    })?;
    Ok(Timestamp::from_millisecond(time.as_millisecond()))
}

/// What a connection without consent is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateConnection {
    /// The provider, one whose flow is `api_key` or `client_credentials`.
    provider: String,
    /// Whose connection it will be; the credential's own e-mail address where left out. Not regarded where the
    /// provider's connections are the tenant's, which an admin makes.
    user_email: Option<String>,
    /// What its user calls it.
    label: Option<String>,
    /// The values of the provider's variables.
    #[serde(default)]
    variables: BTreeMap<String, String>,
    /// A key that the provider issued.
    #[schema(value_type = Option<String>, format = Password)]
    api_key: Option<SecretString>,
    /// A client's id at the provider.
    client_id: Option<String>,
    /// Its secret.
    #[schema(value_type = Option<String>, format = Password)]
    client_secret: Option<SecretString>,
}

impl CreateConnection {
    fn grant(&self) -> Result<DirectGrant, Problem> {
        match (&self.api_key, &self.client_id, &self.client_secret) {
            (Some(key), None, None) => Ok(DirectGrant::ApiKey(key.clone())),
            (None, Some(client_id), Some(client_secret)) => Ok(DirectGrant::ClientCredentials {
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
            }),
            _ => Err(Problem::new(ErrorCode::ValidationFailed, "the body is not what this route takes")
                .with_violations(vec![Violation::new(
                    "",
                    "give api_key alone, or client_id with client_secret",
                )])),
        }
    }
}

/// Makes a connection to a provider that has no consent page, by an API key or client credentials.
#[utoipa::path(
    post, path = "/api/v1/unified/connections", tag = "connections", operation_id = "createConnection",
    request_body = CreateConnection,
    responses(
        (status = 201, body = ConnectionBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn create(
    State(app): State<App>,
    caller: User,
    Json(body): Json<CreateConnection>,
) -> Result<(StatusCode, Json<ConnectionBody>), Problem> {
    let owner = app.connections().provider(&body.provider).map_or(Owner::User, |provider| provider.owner);
    check_manages(&caller, owner)?;
    let direct = Direct {
        tenant: caller.tenant().clone(),
        actor: caller.principal().subject.clone(),
        user_email: user_at(&app, &caller, &body.provider, body.user_email.as_deref())?,
        grant: body.grant()?,
        provider: body.provider,
        label: body.label,
        variables: body.variables,
    };
    let connected = app.connections().connect(direct).await?;
    Ok((StatusCode::CREATED, Json(connected.connection.into())))
}

/// Shows a connection.
#[utoipa::path(
    get, path = "/api/v1/unified/connections/{id}", tag = "connections", operation_id = "getConnection",
    params(("id" = String, Path, description = "the connection's `id`")),
    responses(
        (status = 200, body = ConnectionBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn show(
    State(app): State<App>,
    caller: User,
    Path(id): Path<String>,
) -> Result<Json<ConnectionBody>, Problem> {
    Ok(Json(visible(&app, &caller, &id).await?.into()))
}

/// What is to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeConnection {
    /// What its user calls it, 1 to 100 characters.
    label: Option<String>,
    /// `true` makes it the one that is meant where none is named.
    default: Option<bool>,
    /// The id of the site to work with.
    site: Option<String>,
}

/// Changes a connection's label, its place as default, or its site.
#[utoipa::path(
    patch, path = "/api/v1/unified/connections/{id}", tag = "connections", operation_id = "updateConnection",
    params(("id" = String, Path, description = "the connection's `id`")), request_body = ChangeConnection,
    responses(
        (status = 200, body = ConnectionBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn change(
    State(app): State<App>,
    caller: User,
    Path(id): Path<String>,
    Json(body): Json<ChangeConnection>,
) -> Result<Json<ConnectionBody>, Problem> {
    let connection = changeable(&app, &caller, &id).await?;
    if body.default == Some(false) {
        let detail = "default can only be set to true: the one that was the default gives way";
        return Err(Problem::new(ErrorCode::ValidationFailed, "the body is not what this route takes")
            .with_violations(vec![Violation::new("/default", detail)]));
    }
    let changes = Changes { label: body.label, make_default: body.default.is_some(), site: body.site };
    let by = &caller.principal().subject;
    Ok(Json(app.connections().update(caller.tenant(), &connection.id, changes, by).await?.into()))
}

/// Revokes a connection: at the provider as far as it offers a way, and here in any case.
#[utoipa::path(
    delete, path = "/api/v1/unified/connections/{id}", tag = "connections", operation_id = "deleteConnection",
    params(("id" = String, Path, description = "the connection's `id`")),
    responses(
        (status = 200, body = RevokedBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn remove(
    State(app): State<App>,
    caller: User,
    Path(id): Path<String>,
) -> Result<Json<RevokedBody>, Problem> {
    let connection = changeable(&app, &caller, &id).await?;
    let by = &caller.principal().subject;
    Ok(Json(app.connections().revoke(caller.tenant(), &connection.id, by).await?.into()))
}
