//! What the forms of a session's page do. Whoever holds the link may do it, for the session's user alone.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use connections::{Consent, DirectGrant, Error};
use http::StatusCode;

use super::back;
use super::form::Form;
use super::page::{self, Entered};
use super::told::Told;
use crate::App;
use crate::browser_cookie::BrowserCookie;
use crate::extract::Path;
use crate::problem::Problem;

/// Sends the browser to a provider, to connect an account or to consent again to one that is connected.
pub(super) async fn authorize(
    State(app): State<App>,
    Path(token): Path<String>,
    cookie: BrowserCookie,
    form: Form,
) -> Response {
    let entered = entered(&form);
    let consent = match form.text("connection") {
        Some(id) => Consent::Again(id),
        None => Consent::Account { provider: entered.provider.clone(), variables: entered.variables.clone() },
    };
    match app.connections().begin_in_session(&token, consent, cookie.browser()).await {
        Ok(url) => ([cookie.header()], Redirect::to(url.as_str())).into_response(),
        Err(error) => refused(&app, &token, &error, &entered).await,
    }
}

/// Connects by a key or by client credentials.
pub(super) async fn key(State(app): State<App>, Path(token): Path<String>, form: Form) -> Response {
    let entered = entered(&form);
    let grant = match form.text("client_id") {
        Some(client_id) => {
            DirectGrant::ClientCredentials { client_id, client_secret: form.secret("client_secret") }
        }
        None => DirectGrant::ApiKey(form.secret("api_key")),
    };
    let variables = entered.variables.clone();
    let connected =
        app.connections().connect_in_session(&token, &entered.provider, variables, form.text("label"), grant);
    match connected.await {
        Ok(connected) => back(&app, &token, &Told::connected(&connected)),
        Err(error) => refused(&app, &token, &error, &entered).await,
    }
}

/// Revokes a connection.
pub(super) async fn disconnect(State(app): State<App>, Path(token): Path<String>, form: Form) -> Response {
    let id = form.text("connection").unwrap_or_default();
    match app.connections().revoke_in_session(&token, &id).await {
        Ok(revocation) => {
            let name = revocation.connection.provider.as_str();
            let provider = app.connections().provider(name);
            let provider_name = provider.as_ref().map_or(name, |provider| provider.name.as_str());
            back(&app, &token, &Told::disconnected(provider_name, &revocation))
        }
        Err(error) => refused(&app, &token, &error, &Entered::default()).await,
    }
}

/// Chooses the site that a connection works with.
pub(super) async fn site(State(app): State<App>, Path(token): Path<String>, form: Form) -> Response {
    let (id, site) = (form.text("connection").unwrap_or_default(), form.text("site").unwrap_or_default());
    match app.connections().choose_site_in_session(&token, &id, site).await {
        Ok(connection) => back(&app, &token, &Told::site_chosen(&connection)),
        Err(error) => refused(&app, &token, &error, &Entered::default()).await,
    }
}

/// The page again, with what was wrong and what was entered.
async fn refused(app: &App, token: &str, error: &Error, entered: &Entered) -> Response {
    let status = Problem::of(error).status();
    // A 401 would make browsers ask for a password.
    let status = if status == StatusCode::UNAUTHORIZED { StatusCode::UNPROCESSABLE_ENTITY } else { status };
    let told = (!matches!(error, Error::SessionEnded)).then(|| Told::failed(&entered.provider, error));
    page::render(app, token, status, told, entered).await
}

fn entered(form: &Form) -> Entered {
    Entered {
        provider: form.text("provider").unwrap_or_default(),
        variables: form.variables(),
        client_id: form.text("client_id").unwrap_or_default(),
        label: form.text("label").unwrap_or_default(),
    }
}
