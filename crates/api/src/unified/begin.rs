//! Beginning a flow: the address at the provider, or a link that leads there.

use std::collections::BTreeMap;

use ::connections::{Begin, Begun, Link};
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use http::request::Parts;
use model::{CredentialKind, ErrorCode};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

use super::callback::{told, wants_page};
use super::{check_manages, user_email};
use crate::browser_cookie::BrowserCookie;
use crate::extract::{Json, Path, Query, User};
use crate::problem::{Problem, ProblemBody};
use crate::return_to::ReturnTo;
use crate::{App, connect};

/// What a flow is begun with.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BeginQuery {
    /// An opaque value that is handed back in the end, 512 bytes at most.
    state: Option<String>,
    /// What to ask for; repeat it for several. The provider's defaults where left out. Where one consent yields several
    /// credentials, `scopes[user]=…` asks for the one named `user`, and `scopes` for the first.
    #[param(required = false, explode)]
    scopes: Vec<String>,
    #[param(ignore)]
    further_scopes: BTreeMap<String, Vec<String>>,
    /// `false` lets the link of an API key go on to the provider at once, where your own page has told the user whose
    /// connection it will be. Otherwise the link asks first.
    #[param(required = false)]
    confirm: Option<bool>,
    /// Whose connection it will be: a user's own address; an admin or an API key may name any in its tenant. Not regarded
    /// where the provider's connections are the tenant's, which an admin begins.
    user_email: Option<String>,
    /// Where the browser goes in the end; its origin must be in RETURN_TO_ORIGINS.
    return_to: Option<String>,
    /// The values of the provider's variables, as `variables[subdomain]=acme`.
    #[param(required = false, style = DeepObject, explode)]
    variables: BTreeMap<String, String>,
}

impl<S: Send + Sync> FromRequestParts<S> for BeginQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut query = Self::default();
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if value.contains('\0') {
                return Err(Problem::new(ErrorCode::InvalidRequest, "the query must not contain %00"));
            }
            query.take(&name, value.into_owned())?;
        }
        Ok(query)
    }
}

impl BeginQuery {
    /// Takes one pair of the query; what is not known is left out, as in other queries.
    fn take(&mut self, name: &str, value: String) -> Result<(), Problem> {
        // No scope has a blank in it, so several may come in one value.
        let scopes = || value.split_whitespace().map(str::to_owned);
        match name {
            "state" => once(name, &mut self.state, value),
            "user_email" => once(name, &mut self.user_email, value),
            "return_to" => once(name, &mut self.return_to, value),
            "scopes" => {
                self.scopes.extend(scopes());
                Ok(())
            }
            "confirm" => {
                let confirm = value
                    .parse()
                    .map_err(|_| Problem::new(ErrorCode::InvalidRequest, "confirm must be true or false"))?;
                once(name, &mut self.confirm, confirm)
            }
            _ => {
                if let Some(credential) = member(name, "scopes") {
                    self.further_scopes.entry(credential.to_owned()).or_default().extend(scopes());
                } else if let Some(variable) = member(name, "variables") {
                    self.variables.insert(variable.to_owned(), value);
                }
                Ok(())
            }
        }
    }
}

/// The name within brackets of a parameter such as `variables[subdomain]`.
fn member<'a>(parameter: &'a str, of: &str) -> Option<&'a str> {
    parameter.strip_prefix(of)?.strip_prefix('[')?.strip_suffix(']')
}

fn once<T>(name: &str, field: &mut Option<T>, value: T) -> Result<(), Problem> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Problem::new(ErrorCode::InvalidRequest, format!("{name} must be given once"))),
    }
}

/// Where to send the user's browser.
#[derive(Debug, Serialize, ToSchema)]
struct BegunBody {
    /// `true`.
    success: bool,
    /// The provider.
    #[schema(example = "google")]
    provider: String,
    /// Where the user consents.
    #[schema(format = "uri")]
    auth_url: String,
    /// The caller's own `state` if it gave one, else the flow's.
    state: String,
}

/// Who completes the flow.
enum Binding {
    /// The browser that this answer goes to.
    ThisBrowser,
    /// Whichever browser opens the link first, after its user has seen what it begins or not.
    Link { confirm: bool },
    /// Any: a developer's program on its own machine.
    Any,
}

impl Binding {
    /// A user's credential comes from the user's browser; a backend's API key does not. A page of another site cannot be
    /// given a cookie, so its user opens a link instead. Who opens a link is told first whose connection it begins, because
    /// whoever was given it may have passed it on; a backend whose own page says so may have that left out.
    fn of(caller: &User, headers: &HeaderMap, confirm: bool) -> Self {
        let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
        match (caller.principal().credential, site) {
            (CredentialKind::ApiKey, _) => Self::Link { confirm },
            // A platform's token comes from a page that the platform frames: a browser may keep cookies out of there too.
            (CredentialKind::StoreSession, _) | (CredentialKind::User, Some(b"cross-site")) => {
                Self::Link { confirm: true }
            }
            (CredentialKind::Development, None) => Self::Any,
            (CredentialKind::User | CredentialKind::Development, _) => Self::ThisBrowser,
        }
    }
}

/// Begins a connection: gives the address where the user consents.
///
/// For a user's credential the answer also sets a cookie: the same browser must come back from the provider. For an API key
/// or a platform's session token the address is a link on this server, and the browser that opens it must come back.
#[utoipa::path(
    get, path = "/api/v1/unified/auth/{provider}/url", tag = "connections", operation_id = "beginConnection",
    params(("provider" = String, Path, description = "the provider's name in the catalog"), BeginQuery),
    responses(
        (status = 200, body = BegunBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn url(
    State(app): State<App>,
    caller: User,
    headers: HeaderMap,
    Path(provider): Path<String>,
    query: BeginQuery,
) -> Result<Response, Problem> {
    let binding = Binding::of(&caller, &headers, query.confirm.unwrap_or(true));
    let wanted = wanted(&app, &caller, &provider, query)?;
    let connections = app.connections();
    let (begun, cookie) = match binding {
        Binding::Link { confirm } => (connections.begin_link(wanted, confirm).await?, None),
        Binding::Any => (connections.begin(wanted, None).await?, None),
        Binding::ThisBrowser => {
            let cookie = BrowserCookie::of(&app, &headers);
            (connections.begin(wanted, Some(cookie.browser())).await?, Some(cookie))
        }
    };
    let Begun { auth_url, state } = begun;
    let body = BegunBody { success: true, provider, auth_url: auth_url.into(), state };
    let mut response = Json(body).into_response();
    if let Some((name, value)) = cookie.as_ref().map(BrowserCookie::header) {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn wanted(app: &App, caller: &User, provider: &str, query: BeginQuery) -> Result<Begin, Problem> {
    check_manages(caller, app.connections().provider(provider)?.owner)?;
    let return_to = query.return_to.as_deref().map(|url| ReturnTo::parse(url, app.return_to())).transpose();
    let return_to =
        return_to.map_err(|violation| Problem::new(ErrorCode::InvalidRequest, violation.detail))?;
    Ok(Begin {
        tenant: caller.tenant().clone(),
        actor: caller.principal().subject.clone(),
        provider: provider.to_owned(),
        user_email: user_email(caller, query.user_email.as_deref())?,
        scopes: query.scopes,
        further_scopes: query.further_scopes,
        return_to: return_to.map(|url| url.with(&[]).into()),
        app_state: query.state,
        variables: query.variables,
        session: None,
    })
}

/// A link that begins a flow.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LinkQuery {
    /// The sealed flow.
    link: String,
}

/// Opens a link that `GET …/url` gave: binds the flow to this browser and goes on to the provider.
#[utoipa::path(
    get, path = "/api/v1/unified/auth/{provider}/begin", tag = "connections", operation_id = "openConnectionLink",
    params(("provider" = String, Path, description = "the provider's name in the catalog"), LinkQuery),
    responses(
        (status = 200, description = "a page that asks whether to go on", content_type = "text/html"),
        (status = 303, description = "to the provider"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn open_link(
    State(app): State<App>,
    parts: Parts,
    Path(provider): Path<String>,
    Query(query): Query<LinkQuery>,
) -> Response {
    let link = match app.connections().link(&provider, &query.link) {
        Ok(link) => link,
        Err(error) => return told(&app, &parts.headers, error.into()),
    };
    if link.confirm && !is_program(&app, &parts) {
        return asked(&app, &parts.headers, &link, false);
    }
    follow(&app, &parts.headers, &provider, &query.link).await
}

/// Goes on to the provider, after the user has seen what the link begins. A browser that does not say so is asked.
#[utoipa::path(
    post, path = "/api/v1/unified/auth/{provider}/begin", tag = "connections", operation_id = "confirmConnectionLink",
    params(("provider" = String, Path, description = "the provider's name in the catalog"), LinkQuery),
    responses(
        (status = 200, description = "a page that asks whether to go on", content_type = "text/html"),
        (status = 303, description = "to the provider"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn confirm_link(
    State(app): State<App>,
    parts: Parts,
    Path(provider): Path<String>,
    Query(query): Query<LinkQuery>,
) -> Response {
    if !is_confirmed(&app, &parts) {
        // Old browsers do not say where a form comes from, and none says it to another machine over plain HTTP. Whoever has
        // sent them here, they see the page that asks, as they do by the link.
        if wants_page(&parts.headers) && !parts.headers.contains_key("sec-fetch-site") {
            return match app.connections().link(&provider, &query.link) {
                Ok(link) => asked(&app, &parts.headers, &link, true),
                Err(error) => told(&app, &parts.headers, error.into()),
            };
        }
        let detail =
            "only the page of this server may go on from here: open the link itself, with cookies allowed";
        return told(&app, &parts.headers, Problem::new(ErrorCode::OriginNotAllowed, detail));
    }
    follow(&app, &parts.headers, &provider, &query.link).await
}

/// The page that asks, with the cookie that shows that it was seen.
fn asked(app: &App, headers: &HeaderMap, link: &Link, is_again: bool) -> Response {
    let page = connect::pages::confirm(app, link, is_again);
    ([BrowserCookie::of(app, headers).header()], page).into_response()
}

/// Whether a form of this server's own pages sends the request, which its user has read.
///
/// Who made the link knows its address, so the proof must come from the browser. Either it says itself that one of this
/// server's own pages has sent the form (`Sec-Fetch-Site`, which no page can set): that holds also for a page in a frame of
/// another site, which no cookie can be given to. That a link leads here from an own page would prove nothing, as pages carry
/// links that others chose (`return_to`); but none carries a form whose address others chose, and no redirect makes a POST of
/// a link. Or, from browsers that do not say so, the cookie that came with the page which asks: it comes back from no page of
/// another site (`SameSite=Lax`).
fn is_confirmed(app: &App, parts: &Parts) -> bool {
    let headers = &parts.headers;
    let says_own = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    let has_seen = || !BrowserCookie::of(app, headers).browser().is_new();
    says_own
        || is_program(app, parts)
        || (connect::is_own_page(headers, &app.options().public_url) && has_seen())
}

/// Whether it is a developer's program that asks, which nobody lures: in development, where browsers name the site that a
/// request comes from, as they do for this machine.
fn is_program(app: &App, parts: &Parts) -> bool {
    let options = app.options();
    options.development
        && !parts.headers.contains_key("sec-fetch-site")
        && options.origins.permits_development(parts)
}

async fn follow(app: &App, headers: &HeaderMap, provider: &str, link: &str) -> Response {
    let cookie = BrowserCookie::of(app, headers);
    match app.connections().follow_link(provider, link, cookie.browser()).await {
        Ok(url) => ([cookie.header()], Redirect::to(url.as_str())).into_response(),
        Err(error) => told(app, headers, error.into()),
    }
}
