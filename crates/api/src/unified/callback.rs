//! Where providers send browsers back to.

use ::connections::connection::Status;
use ::connections::{Callback, Completion, Connected};
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, header};
use model::{CredentialKind, Timestamp};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::browser_cookie::BrowserCookie;
use crate::extract::{Json, MaybeCaller, Path, Query};
use crate::problem::{Problem, ProblemBody};
use crate::return_to::ReturnTo;
use crate::{App, connect};

/// What a provider answers with (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207).
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CallbackQuery {
    /// The flow's state.
    state: Option<String>,
    /// The code to be redeemed.
    #[param(value_type = Option<String>)]
    code: Option<SecretString>,
    /// Why there is no code.
    error: Option<String>,
    /// Who answers.
    iss: Option<String>,
}

/// A connection that a user has consented to. No token is in it.
#[derive(Debug, Serialize, ToSchema)]
struct ConnectedBody {
    /// `true`.
    success: bool,
    /// The provider.
    #[schema(example = "google")]
    provider: String,
    /// Whose connection it is; null where it is the tenant's, for all its users.
    user_email: Option<String>,
    /// The account's id at the provider.
    user_id: String,
    /// The account's name.
    user_name: Option<String>,
    /// What was granted.
    scopes: Vec<String>,
    /// What was asked for and not granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_scopes: Vec<String>,
    /// When the access token ends; it is renewed before.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The connection.
    connection_id: String,
    /// `active`, or `needs_site` where the user must choose a site with PATCH /connections/{id}.
    #[schema(value_type = String)]
    status: Status,
    /// The caller's own value.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

/// Completes a connection: the provider sends the user's browser here.
///
/// With `return_to` the browser goes on there, with `status=connected` and `connection_id`, or `status=error` and `error`,
/// and the caller's own `state` in the query.
#[utoipa::path(
    get, path = "/api/v1/unified/auth/{provider}/callback", tag = "connections", operation_id = "completeConnection",
    params(("provider" = String, Path, description = "the provider's name in the catalog"), CallbackQuery),
    responses(
        (status = 200, body = ConnectedBody),
        (status = 303, description = "to `return_to`"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn callback(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    cookie: BrowserCookie,
    headers: HeaderMap,
    Path(provider): Path<String>,
    Query(query): Query<CallbackQuery>,
) -> Response {
    // In development every request has a caller, and its default tenant is nobody's wish.
    let caller = caller.filter(|caller| caller.principal().credential != CredentialKind::Development);
    let callback = Callback {
        provider: &provider,
        tenant: caller.as_ref().map(model::Caller::tenant),
        browser: Some(cookie.browser()),
        state: query.state.as_deref(),
        code: query.code,
        error: query.error.as_deref(),
        iss: query.iss.as_deref(),
    };
    match app.connections().complete(callback).await {
        Ok(completion) => answer(&app, &headers, &provider, completion),
        Err(error) => told(&app, &headers, error.into()),
    }
}

fn answer(app: &App, headers: &HeaderMap, provider: &str, completion: Completion) -> Response {
    if let Some(response) = led_back(app, provider, &completion) {
        return response;
    }
    match completion.result {
        Ok(connected) if wants_page(headers) => connect::pages::connected(app, &connected),
        Ok(connected) => Json(body(connected, completion.app_state)).into_response(),
        Err(error) => told(app, headers, error.into()),
    }
}

/// Where the flow itself says that the browser goes: to the page of its connect session, or to its `return_to`.
pub(crate) fn led_back(app: &App, provider: &str, completion: &Completion) -> Option<Response> {
    if let Some(session) = &completion.session {
        return Some(connect::result(app, session, provider, completion));
    }
    let return_to = ReturnTo::parse(completion.return_to.as_deref()?, app.return_to()).ok()?;
    Some(go_back(&return_to, provider, completion))
}

pub(super) fn told(app: &App, headers: &HeaderMap, problem: Problem) -> Response {
    if wants_page(headers) { connect::pages::failed(app, &problem) } else { problem.into_response() }
}

/// Whether a person is looking: browsers ask for HTML first when they navigate.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.trim_start().to_ascii_lowercase().starts_with("text/html")
}

fn go_back(return_to: &ReturnTo, provider: &str, completion: &Completion) -> Response {
    let problem = completion.result.as_ref().map_err(Problem::of);
    let mut pairs = vec![("provider", provider)];
    match &problem {
        Ok(connected) => {
            pairs.extend([("status", "connected"), ("connection_id", connected.connection.id.as_str())]);
        }
        Err(problem) => pairs.extend([
            ("status", "error"),
            ("error", problem.code().as_str()),
            ("error_description", problem.detail()),
        ]),
    }
    pairs.extend(completion.app_state.as_deref().map(|state| ("state", state)));
    Redirect::to(return_to.with(&pairs).as_str()).into_response()
}

fn body(connected: Connected, state: Option<String>) -> ConnectedBody {
    let connection = connected.connection;
    ConnectedBody {
        success: true,
        scopes: connection.scopes(),
        expires_at: connection.expires_at(),
        provider: connection.provider.to_string(),
        user_email: connection.user().map(str::to_owned),
        user_id: connection.account.id,
        user_name: connection.account.name,
        missing_scopes: connected.missing_scopes,
        connection_id: connection.id,
        status: connection.status,
        state,
    }
}
