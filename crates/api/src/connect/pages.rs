//! Pages that stand alone: for flows that were begun without a session and lead back to no page of the product.

use askama::Template;
use axum::response::Response;
use connections::catalog::Owner;
use connections::{Connected, Link};
use http::StatusCode;

use super::html::{self, Script};
use super::told::Told;
use super::words;
use crate::App;
use crate::problem::Problem;

#[derive(Template)]
#[template(path = "connect/confirm.html")]
struct Confirm<'a> {
    root: &'a str,
    provider_name: &'a str,
    user_email: Option<&'a str>,
    tenant: &'a str,
    is_for_all: bool,
    is_again: bool,
}

/// Says that an account is connected.
pub(crate) fn connected(app: &App, connected: &Connected) -> Response {
    let told = Told::connected(connected);
    html::message(app, StatusCode::OK, "Your account is connected", true, &told.sentences)
}

/// Says why no account was connected.
pub(crate) fn failed(app: &App, problem: &Problem) -> Response {
    let sentences = [words::sentence(problem.detail())];
    html::message(app, problem.status(), "Your account was not connected", false, &sentences)
}

/// Asks whether to begin what a link would begin. Its one button sends the same address again, as POST. Who may have been
/// asked before is told what may be in the way.
pub(crate) fn confirm(app: &App, link: &Link, is_again: bool) -> Response {
    let page = Confirm {
        root: html::root(app),
        provider_name: &link.provider_name,
        user_email: link.user_email.as_deref(),
        tenant: link.tenant.as_str(),
        is_for_all: link.owner == Owner::Tenant,
        is_again,
    };
    html::page(app, StatusCode::OK, &page, Script::None)
}
