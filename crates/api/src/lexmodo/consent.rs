//! The end of the consent: the platform's authorization server sends the browser back.

use axum::response::{IntoResponse, Redirect, Response};
use connections::{Callback, Error};
use model::{Coded as _, ErrorCode};

use super::{CallbackQuery, PROVIDER, Visit, handshake, pages};
use crate::browser_cookie::BrowserCookie;
use crate::unified;

/// Redeems the code for the store that the flow was begun for, and leads to the plugin's page in the platform's admin.
pub(super) async fn complete(visit: &Visit, query: CallbackQuery) -> Response {
    // The flow's own state says which store. Where the platform says it, too, it must say the same.
    let session = query.session_token.as_ref().map(|token| handshake::session(visit, token)).transpose();
    let tenant = match session {
        Ok(session) => session.map(|session| session.tenant()),
        Err(problem) => return pages::refused(visit, problem),
    };
    let cookie = BrowserCookie::of(&visit.app, &visit.parts.headers);
    let callback = Callback {
        provider: PROVIDER,
        tenant: tenant.as_ref(),
        browser: Some(cookie.browser()),
        state: query.state.as_deref(),
        code: query.code,
        error: query.error.as_deref(),
        iss: query.iss.as_deref(),
    };
    let completion = match visit.app.connections().complete(callback).await {
        Ok(completion) => completion,
        Err(error) => return pages::not_connected(visit, &error),
    };
    if let Some(response) = unified::led_back(&visit.app, PROVIDER, &completion) {
        return response;
    }
    match completion.result {
        Ok(_) => Redirect::to(visit.plugin.page().as_str()).into_response(),
        Err(error) => pages::not_connected(visit, &error),
    }
}

/// Whether another try may end better by itself.
pub(super) fn is_passing(error: &Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::UpstreamUnavailable
            | ErrorCode::UpstreamTimeout
            | ErrorCode::UpstreamRateLimited
            | ErrorCode::Unavailable
            | ErrorCode::RateLimited
    )
}
