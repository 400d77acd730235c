//! The page of a session: what can be connected, and what is.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use connections::catalog::{Flow, Owner};
use connections::connection::{Connection, Status};
use connections::{Error, SessionProvider, SessionView};
use http::StatusCode;
use model::Timestamp;
use url::form_urlencoded;

use super::form::VARIABLE;
use super::html::{self, POPUP_SCRIPT, Script};
use super::told::{GoOn, Told};
use super::words;
use crate::App;
use crate::extract::Path;
use crate::problem::Problem;

/// What a user has entered into a form that was refused, so that it need not be entered again. Never a secret.
#[derive(Debug, Default)]
pub(super) struct Entered {
    pub(super) provider: String,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) client_id: String,
    pub(super) label: String,
}

#[derive(Template)]
#[template(path = "connect/session.html")]
struct Page<'a> {
    root: &'a str,
    base: &'a str,
    user_email: &'a str,
    minutes: String,
    told: Option<&'a Told>,
    go_on: Option<GoOn>,
    providers: Vec<ProviderView<'a>>,
    script: &'static str,
}

#[derive(Template)]
#[template(path = "connect/ended.html")]
struct Ended<'a> {
    root: &'a str,
    told: Option<&'a Told>,
    go_on: Option<GoOn>,
    script: &'static str,
}

struct ProviderView<'a> {
    id: &'a str,
    name: &'a str,
    /// The tenant for all whose users it is; `None` where each user has its own.
    tenant: Option<&'a str>,
    /// How another account is connected; `None` where none can be.
    flow: Option<Flow>,
    is_entered: bool,
    client_id: &'a str,
    label: &'a str,
    variables: Vec<VariableView<'a>>,
    connections: Vec<ConnectionView<'a>>,
}

impl ProviderView<'_> {
    fn can_consent(&self) -> bool {
        self.flow == Some(Flow::AuthorizationCode)
    }

    fn takes_key(&self) -> bool {
        self.flow == Some(Flow::ApiKey)
    }

    fn takes_client(&self) -> bool {
        self.flow == Some(Flow::ClientCredentials)
    }
}

struct VariableView<'a> {
    name: &'a str,
    field: String,
    label: &'a str,
    value: &'a str,
}

struct ConnectionView<'a> {
    id: &'a str,
    label: &'a str,
    account: Option<&'a str>,
    status: &'static str,
    class: &'static str,
    reason: Option<&'a str>,
    needs_reauth: bool,
    needs_site: bool,
    sites: Vec<SiteView<'a>>,
}

struct SiteView<'a> {
    id: &'a str,
    name: &'a str,
    is_chosen: bool,
}

/// The path of a session's page.
pub(super) fn address(app: &App, token: &str) -> String {
    format!("{}/connect/{token}", html::root(app))
}

/// Shows the page.
pub(super) async fn show(
    State(app): State<App>,
    Path(token): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let sealed = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "told");
    let message = sealed.and_then(|(_, sealed)| app.connections().open_for_page(&token, &sealed));
    // A message that cannot be read is of a later version, or nobody's: the page tells what is so in any case.
    let told = message.and_then(|message| serde_json::from_slice(&message).ok());
    render(&app, &token, StatusCode::OK, told, &Entered::default()).await
}

/// The page as it is now, with what has just happened.
pub(super) async fn render(
    app: &App,
    token: &str,
    status: StatusCode,
    told: Option<Told>,
    entered: &Entered,
) -> Response {
    let view = match app.connections().session(token).await {
        Ok(view) => view,
        Err(Error::SessionEnded) => return ended(app, told.as_ref()),
        Err(error) => {
            let status = Problem::of(&error).status();
            return html::message(app, status, "This page cannot be shown", false, &words::failure(&error));
        }
    };
    let base = address(app, token);
    let go_on = GoOn::new(app, view.return_to.as_deref(), told.as_ref());
    let script = script(told.as_ref(), go_on.as_ref());
    let page = Page {
        root: html::root(app),
        base: &base,
        user_email: &view.user_email,
        minutes: minutes(app.ambient().now(), view.expires_at),
        told: told.as_ref(),
        go_on,
        providers: providers(&view, entered),
        script: POPUP_SCRIPT,
    };
    html::page(app, status, &page, script)
}

/// The page of a session that has ended: at least what has happened in it is told.
fn ended(app: &App, told: Option<&Told>) -> Response {
    let go_on = told.and_then(|told| GoOn::new(app, None, Some(told)));
    let script = script(told, go_on.as_ref());
    let status = if told.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let page = Ended { root: html::root(app), told, go_on, script: POPUP_SCRIPT };
    html::page(app, status, &page, script)
}

/// There is somebody to tell only if there is something to tell and an origin that may hear it.
fn script(told: Option<&Told>, go_on: Option<&GoOn>) -> Script {
    if told.is_some() && go_on.is_some() { Script::Popup } else { Script::None }
}

fn minutes(now: Timestamp, end: Timestamp) -> String {
    let left = end.as_millisecond().saturating_sub(now.as_millisecond()).max(0) / 60_000;
    match left {
        0 => "minute".to_owned(),
        1 => "1 minute".to_owned(),
        more => format!("{more} minutes"),
    }
}

fn providers<'a>(view: &'a SessionView, entered: &'a Entered) -> Vec<ProviderView<'a>> {
    view.providers.iter().map(|each| provider(view, each, entered)).collect()
}

fn provider<'a>(view: &'a SessionView, each: &'a SessionProvider, entered: &'a Entered) -> ProviderView<'a> {
    let info = &each.provider;
    let id = info.id.as_str();
    let is_entered = entered.provider == id;
    let value = |name: &str| entered.variables.get(name).filter(|_| is_entered).map_or("", String::as_str);
    let variables = info.variables.iter().map(|(name, label)| VariableView {
        name,
        field: format!("{VARIABLE}{name}"),
        label,
        value: value(name),
    });
    ProviderView {
        id,
        name: &info.name,
        tenant: (info.owner == Owner::Tenant).then(|| view.tenant.as_str()),
        flow: info.configured.then_some(info.flow),
        is_entered,
        client_id: if is_entered { &entered.client_id } else { "" },
        label: if is_entered { &entered.label } else { "" },
        variables: variables.collect(),
        connections: each.connections.iter().map(connection).collect(),
    }
}

fn connection(each: &Connection) -> ConnectionView<'_> {
    let account = each.account.email.as_deref().or(each.account.name.as_deref());
    let (status, class) = match each.status {
        Status::Active => ("Connected", "good"),
        Status::NeedsSite => ("Choose a site", "bad"),
        Status::NeedsReauth => ("Reconnect needed", "bad"),
    };
    let sites = each.sites.iter().map(|site| SiteView {
        id: &site.id,
        name: &site.name,
        is_chosen: each.site.as_ref() == Some(&site.id),
    });
    ConnectionView {
        id: &each.id,
        label: &each.label,
        account: account.filter(|account| *account != each.label),
        status,
        class,
        reason: each.status_reason.as_deref(),
        needs_reauth: each.status == Status::NeedsReauth,
        needs_site: each.status == Status::NeedsSite,
        sites: sites.collect(),
    }
}
