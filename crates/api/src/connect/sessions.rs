//! Making connect sessions: for a product's backend, or for a user of its own.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use connections::NewSession;
use http::{HeaderValue, StatusCode, header};
use model::{ErrorCode, Timestamp};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Json, User};
use crate::problem::{Problem, ProblemBody};
use crate::return_to::ReturnTo;
use crate::unified::{check_manages, required_user_email};

/// For whom a link is, and what it allows.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateConnectSession {
    /// Whose accounts are connected: a user's own address, which is meant where this is left out; an admin or an API key
    /// may name any in its tenant.
    #[schema(example = "ann@acme.example")]
    user_email: Option<String>,
    /// The providers to choose from, by their name in the catalog; all that are configured where left out or empty, but
    /// those whose connections are the tenant's: these must be named, which is for an admin.
    #[serde(default)]
    #[schema(example = json!(["google", "slack"]))]
    providers: Vec<String>,
    /// Where the user goes on to in the end; its origin must be in RETURN_TO_ORIGINS.
    #[schema(format = "uri", example = "https://app.acme.example/settings")]
    return_to: Option<String>,
}

/// A link for an end user.
#[derive(Serialize, ToSchema)]
struct ConnectSession {
    /// Its id, as it stands in events as `connect-session:<id>`. It opens nothing.
    id: String,
    /// What the user opens. Whoever has it acts for that user: give it to nobody else. It cannot be had again.
    #[schema(format = "uri")]
    url: String,
    /// When it ends, 10 minutes after it was made.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Makes a link to a page on which an end user connects and disconnects accounts.
#[utoipa::path(
    post, path = "/api/v1/unified/connect/sessions", tag = "connections", operation_id = "createConnectSession",
    request_body = CreateConnectSession,
    responses(
        (status = 201, body = ConnectSession),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn create(
    State(app): State<App>,
    caller: User,
    Json(body): Json<CreateConnectSession>,
) -> Result<Response, Problem> {
    let return_to = body.return_to.as_deref().map(|url| ReturnTo::parse(url, app.return_to())).transpose();
    let return_to = return_to.map_err(|violation| {
        Problem::new(ErrorCode::ValidationFailed, "the browser may not be sent to this address")
            .with_violations(vec![violation])
    })?;
    let user_email = required_user_email(&caller, body.user_email.as_deref())?;
    for provider in body.providers.iter().filter_map(|name| app.connections().provider(name).ok()) {
        check_manages(&caller, provider.owner)?;
    }
    let new = NewSession {
        tenant: caller.tenant().clone(),
        user_email,
        providers: body.providers,
        return_to: return_to.map(|address| address.as_str().to_owned()),
        created_by: caller.principal().subject.clone(),
    };
    let session = app.connections().create_session(new).await?;
    let body = ConnectSession {
        id: session.id,
        url: session.url.expose_secret().to_owned(),
        expires_at: session.expires_at,
    };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, no_store, Json(body)).into_response())
}
