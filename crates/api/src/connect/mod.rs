//! Connect sessions over HTTP: the route by which a product asks for a link, and the pages behind the link, on which an
//! end user connects and disconnects accounts. The pages work without scripts.

mod actions;
mod form;
pub(crate) mod html;
mod page;
pub(crate) mod pages;
mod sessions;
mod told;
pub(crate) mod words;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use connections::Completion;
use secrecy::{ExposeSecret as _, SecretString};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
pub(crate) use form::is_own_page;
use told::Told;

/// The routes of the contract.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(sessions::create))
}

/// The same under the shorter path.
pub(crate) fn aliases() -> Router<App> {
    Router::new().route("/connect/sessions", post(sessions::create))
}

/// What browsers navigate to. To stand outside of CORS: no page of another origin has business with them.
pub(crate) fn hosted() -> Router<App> {
    Router::new()
        .route("/connect/assets/style.css", get(html::style))
        .route("/connect/{token}", get(page::show))
        .route("/connect/{token}/authorize", post(actions::authorize))
        .route("/connect/{token}/key", post(actions::key))
        .route("/connect/{token}/disconnect", post(actions::disconnect))
        .route("/connect/{token}/site", post(actions::site))
}

/// Leads the browser back from the provider to the page of the session that the flow was part of.
pub(crate) fn result(app: &App, session: &SecretString, provider: &str, completion: &Completion) -> Response {
    let told = match &completion.result {
        Ok(connected) => Told::connected(connected),
        Err(error) => Told::failed(provider, error),
    };
    // Kept beside the session, which may have ended while its user was at the provider.
    back(app, session.expose_secret(), &told.returning_to(completion.return_to.as_deref()))
}

/// Leads to the page of a session, which then tells `told`.
fn back(app: &App, token: &str, told: &Told) -> Response {
    let path = page::address(app, token);
    let sealed = serde_json::to_vec(told).ok();
    let sealed = sealed.and_then(|message| app.connections().seal_for_page(token, &message).ok());
    let address = sealed.map_or_else(|| path.clone(), |sealed| format!("{path}?told={sealed}"));
    Redirect::to(&address).into_response()
}
