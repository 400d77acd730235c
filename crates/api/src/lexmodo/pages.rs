//! The pages: shown in a frame of the platform's admin, or on their own, with JavaScript and without.

use askama::Template;
use axum::response::{IntoResponse, Response};
use connections::{Error, vault};
use http::{HeaderValue, StatusCode, header};
use identity::StoreSession;
use model::{Coded as _, ErrorCode};

use super::Visit;
use super::consent::is_passing;
use super::door::Door;
use crate::connect::html::{self, Script};
use crate::connect::words;
use crate::problem::Problem;

/// Goes on by itself where the page is framed: the frame's ancestors are the platform's alone, so that it is the platform that
/// has opened it. Browsers may want a click first, which the button is for.
const SCRIPT: &str = include_str!("../../templates/lexmodo/go_on.js");

/// What the script is allowed by: its SHA-256.
const SCRIPT_HASH: &str = "sha256-Kw1/6qethHONEJqc9m8zBc8ydWrCi1KT1SOj5CjamWs=";

/// After how many seconds it is worth trying again, where nothing says better.
const RETRY_SECONDS: u64 = 10;

#[derive(Template)]
#[template(path = "lexmodo/ready.html")]
struct Ready<'a> {
    root: &'a str,
    plugin: &'a str,
    code: &'a str,
    kind: Option<&'a str>,
    store: u64,
    admin: Option<&'a str>,
    reads_customers: bool,
}

#[derive(Template)]
#[template(path = "lexmodo/consent.html")]
struct Consent<'a> {
    root: &'a str,
    plugin: &'a str,
    provider: &'a str,
    store: u64,
    admin: Option<&'a str>,
    door: &'a Door,
    is_renewal: bool,
    script: &'static str,
}

#[derive(Template)]
#[template(path = "lexmodo/trouble.html")]
struct Trouble<'a> {
    root: &'a str,
    title: &'a str,
    sentences: &'a [String],
    can_retry: bool,
    plugin: &'a str,
    provider: &'a str,
    plugin_page: &'a str,
}

/// Who is shown the page, by the name that people know best.
fn admin(session: &StoreSession) -> Option<&str> {
    session.admin_name.as_deref().or(session.admin_email.as_deref())
}

/// Says that the plugin is ready.
pub(super) fn ready(visit: &Visit, session: &StoreSession) -> Response {
    let page = Ready {
        root: html::root(&visit.app),
        plugin: &visit.plugin.plugin_name,
        code: &visit.plugin.plugin_code,
        kind: visit.plugin.plugin_type.as_deref(),
        store: session.store_id,
        admin: admin(session),
        reads_customers: visit.plugin.reads_customers,
    };
    framed(visit, StatusCode::OK, &page, Script::None)
}

/// Leads the whole window through `door`, to where the consent begins.
pub(super) fn consent(visit: &Visit, session: &StoreSession, door: &Door, is_renewal: bool) -> Response {
    let page = Consent {
        root: html::root(&visit.app),
        plugin: &visit.plugin.plugin_name,
        provider: &visit.provider_name(),
        store: session.store_id,
        admin: admin(session),
        door,
        is_renewal,
        script: SCRIPT,
    };
    framed(visit, StatusCode::OK, &page, Script::Hash(SCRIPT_HASH))
}

/// Says that the session token is not good, or that it cannot be looked at now.
pub(super) fn refused(visit: &Visit, problem: Problem) -> Response {
    let title = "This page cannot be shown";
    let sentences = [
        "Your session here has ended, or was never one.".to_owned(),
        format!("Open {} again from your store's administration.", visit.plugin.plugin_name),
    ];
    let other = [words::sentence(problem.detail())];
    let is_session = problem.status() == StatusCode::UNAUTHORIZED;
    let sentences = if is_session { &sentences[..] } else { &other };
    told(visit, problem, title, sentences, false)
}

/// Says how the plugin is opened.
pub(super) fn nothing_given(visit: &Visit) -> Response {
    let name = &visit.plugin.plugin_name;
    let detail = format!(
        "the plugin's page is opened by the platform, with a session_token: open {name} from the store's administration"
    );
    let sentences = [format!("{name} is opened from your store's administration.")];
    let problem = Problem::new(ErrorCode::InvalidRequest, detail);
    told(visit, problem, "This page cannot be shown", &sentences, false)
}

/// Says that whether the store is connected cannot be told now, or that it can be used only later.
pub(super) fn unavailable(visit: &Visit, error: &Error) -> Response {
    let title = format!("{} is not available at the moment", visit.plugin.plugin_name);
    let sentences = match error {
        Error::Vault(vault::Error::AppBroken { .. }) => vec![
            format!("{} does not accept this plugin's credentials.", visit.provider_name()),
            "Whoever runs the plugin must correct them.".to_owned(),
        ],
        Error::Vault(_) if is_passing(error) => vec![
            format!("{} does not answer as it should.", visit.provider_name()),
            "Your store is still connected. Try again in a few minutes.".to_owned(),
        ],
        other => words::failure(other),
    };
    told(visit, with_patience(visit, error), &title, &sentences, is_passing(error))
}

/// Says why the store was not connected.
pub(super) fn not_connected(visit: &Visit, error: &Error) -> Response {
    let title = match error {
        Error::FlowRedeemed => "This was done before",
        _ => "Your store was not connected",
    };
    // The code in this page's address can be redeemed once, so trying again means to begin again.
    told(visit, with_patience(visit, error), title, &words::failure(error), false)
}

/// The problem that `error` is, always with a time after which it is worth trying again if it is one that passes.
fn with_patience(visit: &Visit, error: &Error) -> Problem {
    let problem = Problem::of(error);
    let is_told = error.retry_after(visit.app.ambient().now()).is_some();
    if is_told || !is_passing(error) {
        return problem;
    }
    problem.with_header(header::RETRY_AFTER, RETRY_SECONDS)
}

/// A page for people, the problem for programs.
fn told(visit: &Visit, problem: Problem, title: &str, sentences: &[String], can_retry: bool) -> Response {
    if !visit.wants_page() {
        return problem.into_response();
    }
    let plugin_page = visit.plugin.page();
    let page = Trouble {
        root: html::root(&visit.app),
        title,
        sentences,
        can_retry,
        plugin: &visit.plugin.plugin_name,
        provider: &visit.provider_name(),
        plugin_page: plugin_page.as_str(),
    };
    let mut response = framed(visit, problem.status(), &page, Script::None);
    // Retry-After, and the scheme that a 401 must name.
    let headers = response.headers_mut();
    for (name, value) in problem.headers() {
        headers.insert(name.clone(), value.clone());
    }
    if problem.status() == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn framed(visit: &Visit, status: StatusCode, page: &impl Template, script: Script) -> Response {
    html::framed_page(&visit.app, status, page, script, &visit.plugin.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_the_one_that_is_allowed() {
        use base64::Engine as _;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SCRIPT.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(digest);
        assert_eq!(SCRIPT_HASH, format!("sha256-{hash}"));
    }

    #[test]
    fn names_that_others_chose_are_text() {
        let hostile = "<img src=x onerror=alert(1)>\" onfocus=\"alert(2)";
        let ready = Ready {
            root: "",
            plugin: hostile,
            code: hostile,
            kind: Some(hostile),
            store: 7,
            admin: Some(hostile),
            reads_customers: true,
        };
        let consent = Consent {
            root: "",
            plugin: hostile,
            provider: hostile,
            store: 7,
            admin: Some(hostile),
            door: &Door::Form(hostile.to_owned()),
            is_renewal: true,
            script: SCRIPT,
        };
        for page in [ready.render().unwrap(), consent.render().unwrap()] {
            assert!(!page.contains("<img") && !page.contains("\" onfocus"), "{page}");
            assert!(page.contains("&#60;img"), "{page}");
        }
    }
}
