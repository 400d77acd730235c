//! The handshake: from a session token to the page that fits.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use connections::{Begin, Error, Whose};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, StatusCode, header};
use identity::StoreSession;
use model::{Coded as _, ErrorCode};
use secrecy::{ExposeSecret as _, SecretString};

use super::door::Door;
use super::{PROVIDER, Visit, pages};
use crate::connect::html;
use crate::problem::Problem;
use crate::{App, RequestContext};

/// Leads to `/callback` with the query as it came, letter by letter.
pub(super) fn redirect(app: &App, query: &str) -> Response {
    let address = format!("{}/callback?{query}", html::root(app));
    match HeaderValue::from_maybe_shared(address) {
        Ok(address) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, address)]).into_response(),
        Err(_) => {
            Problem::new(ErrorCode::InvalidRequest, "the query must be plain ASCII, the rest percent-encoded")
                .into_response()
        }
    }
}

/// The session that `token` proves. The request then acts for its store.
pub(super) fn session(visit: &Visit, token: &SecretString) -> Result<StoreSession, Problem> {
    let session = visit.app.authenticator().store_session(token.expose_secret())?;
    if let Some(context) = visit.parts.extensions.get::<RequestContext>() {
        context.note_tenant(&session.tenant());
    }
    visit.app.rate_limits().count_tenant(&session.tenant())?;
    Ok(session)
}

/// The page for whom the platform shows the plugin.
pub(super) async fn show(visit: &Visit, token: &SecretString) -> Response {
    let session = match session(visit, token) {
        Ok(session) => session,
        Err(problem) => return pages::refused(visit, problem),
    };
    match usable(&visit.app, &session).await {
        Ok(()) => pages::ready(visit, &session),
        Err(error) => match error.code() {
            ErrorCode::ConnectionRequired => ask(visit, &session, false).await,
            ErrorCode::ReauthorizationRequired => ask(visit, &session, true).await,
            // Nobody is asked to consent because a server does not answer: it would not help, and would be asked for ever.
            _ => pages::unavailable(visit, &error),
        },
    }
}

/// Whether there is a token of the store that holds, renewed if need be.
async fn usable(app: &App, session: &StoreSession) -> Result<(), Error> {
    let whose = Whose {
        tenant: session.tenant(),
        // The connection is the store's: no user of it is meant.
        user_email: String::new(),
        provider: PROVIDER.to_owned(),
        connection: None,
    };
    let connection = app.connections().meant(&whose).await?;
    let key = app.connections().credential(&whose.tenant, &connection);
    app.connections().vault().access_token(&key).await?;
    Ok(())
}

/// The page that asks for consent, with a link that begins it: the flow is bound to the browser that follows it, in a window
/// of this server's own, where its cookie is no third party's.
async fn ask(visit: &Visit, session: &StoreSession, is_renewal: bool) -> Response {
    let begin = Begin {
        tenant: session.tenant(),
        actor: session.principal().subject,
        provider: PROVIDER.to_owned(),
        user_email: None,
        scopes: Vec::new(),
        further_scopes: BTreeMap::new(),
        return_to: None,
        app_state: None,
        variables: BTreeMap::new(),
        session: None,
    };
    match door(visit, begin).await {
        Ok(door) => pages::consent(visit, session, &door, is_renewal),
        Err(error) => pages::unavailable(visit, &error),
    }
}

/// The way from the page to the link that begins the flow, on the host that browsers come back to.
async fn door(visit: &Visit, begin: Begin) -> Result<Door, Error> {
    let connections = visit.app.connections();
    let redirect_uri = connections.redirect_uri(&connections.provider(PROVIDER)?.id)?;
    let link = connections.begin_link(begin, true).await?;
    Ok(Door::of(&link.auth_url, host(&visit.parts).as_deref(), &redirect_uri))
}

/// The host that the browser asks, without a port.
fn host(parts: &Parts) -> Option<String> {
    let named =
        parts.headers.get(header::HOST).and_then(|value| value.to_str().ok()?.parse::<Authority>().ok());
    named.as_ref().or(parts.uri.authority()).map(|authority| authority.host().to_ascii_lowercase())
}
