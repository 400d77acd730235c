//! `/authorize`: a person sees who asks for what, and decides.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::Sandbox;
use crate::error::{Code, OAuthError};
use crate::grants::Consent;
use crate::page::{ConsentPage, ErrorPage, redirect};
use crate::parameters::{Form, Parameters, Query};
use crate::people::{PEOPLE, Person, find};
use crate::request::{AuthorizationRequest, ReturnAddress};
use crate::scope::{Scope, Scopes};

/// `GET /authorize`: the page on which people decide.
pub(crate) async fn ask(State(sandbox): State<Arc<Sandbox>>, Query(parameters): Query) -> Response {
    answer(&sandbox, &parameters, |address, request| {
        let hint = parameters.get("login_hint").and_then(find);
        let choice = Choice::first(hint, &request.scopes);
        Ok(page(&sandbox, &parameters, address, &request.scopes, &choice))
    })
}

/// `POST /authorize`: what a person decided. The form repeats the authorization request, which is checked again.
pub(crate) async fn decide(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    form: Result<Form, OAuthError>,
) -> Response {
    let Form(form) = match form {
        Ok(form) => form,
        Err(error) => return ErrorPage::of(&error).into_response(StatusCode::BAD_REQUEST),
    };
    if !is_own_page(&headers) {
        let error =
            OAuthError::new(Code::AccessDenied, "the form was sent by a page that is not of this server");
        return ErrorPage::of(&error).into_response(StatusCode::FORBIDDEN);
    }
    answer(&sandbox, &form, |address, request| decided(&sandbox, &form, address, request))
}

/// Checks the request, and tells errors to whom they concern.
fn answer(
    sandbox: &Sandbox,
    parameters: &Parameters,
    proceed: impl FnOnce(&ReturnAddress, AuthorizationRequest) -> Result<Response, OAuthError>,
) -> Response {
    let address = match ReturnAddress::of(sandbox, parameters) {
        Ok(address) => address,
        Err(error) => return ErrorPage::of(&error).into_response(StatusCode::BAD_REQUEST),
    };
    let outcome = AuthorizationRequest::of(parameters).and_then(|request| proceed(&address, request));
    outcome.or_else(|error| refusal(sandbox, &address, &error)).unwrap_or_else(|error| {
        // The registered address is no URL: nobody but the person can be told.
        ErrorPage::of(&error).into_response(StatusCode::BAD_REQUEST)
    })
}

fn decided(
    sandbox: &Sandbox,
    form: &Parameters,
    address: &ReturnAddress,
    request: AuthorizationRequest,
) -> Result<Response, OAuthError> {
    if form.get("decision") != Some("allow") {
        return Err(OAuthError::new(Code::AccessDenied, "the person said no"));
    }
    let person = form.get("person").and_then(find);
    let scopes = request.scopes.narrowed_to(form.all("grant"));
    let (Some(person), false) = (person, scopes.is_empty()) else {
        let choice = Choice { person, scopes, is_incomplete: true };
        return Ok(page(sandbox, form, address, &request.scopes, &choice));
    };
    let redirect_uri = address.redirect_uri.clone();
    let consent = Consent { person, scopes, redirect_uri, challenge: request.challenge };
    let code = sandbox.grants().grant(consent, &sandbox.config.ambient);
    address.with(sandbox.issuer(), &[("code", &code)]).map(|url| redirect(&url))
}

fn refusal(sandbox: &Sandbox, address: &ReturnAddress, error: &OAuthError) -> Result<Response, OAuthError> {
    let answer = [("error", error.code.as_str()), ("error_description", &error.description)];
    address.with(sandbox.issuer(), &answer).map(|url| redirect(&url))
}

/// What stands chosen on the page.
struct Choice {
    person: Option<&'static Person>,
    scopes: Scopes,
    /// Whether the form came back with something missing.
    is_incomplete: bool,
}

impl Choice {
    fn first(hint: Option<&'static Person>, scopes: &Scopes) -> Self {
        Self { person: hint.or(PEOPLE.first()), scopes: scopes.clone(), is_incomplete: false }
    }
}

/// The parameters of the request that the form repeats.
const REPEATED: [&str; 7] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
];

fn page(
    sandbox: &Sandbox,
    parameters: &Parameters,
    address: &ReturnAddress,
    asked: &Scopes,
    choice: &Choice,
) -> Response {
    let back = Url::parse(&address.redirect_uri).ok();
    let page = ConsentPage {
        client_name: &sandbox.config.client_name,
        return_host: back.as_ref().map(Url::authority).unwrap_or_default(),
        people: PEOPLE.iter().map(|person| (person, choice.person == Some(person))).collect(),
        scopes: asked
            .iter()
            .map(|scope| (scope, choice.scopes.contains(scope)))
            .collect::<Vec<(Scope, bool)>>(),
        repeated: REPEATED
            .into_iter()
            .filter_map(|name| parameters.get(name).map(|value| (name, value)))
            .collect(),
        is_incomplete: choice.is_incomplete,
    };
    let status = if choice.is_incomplete { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    page.into_response(status)
}

/// Whether a form comes from a page of this server, as browsers tell it. Nobody is logged in here, so a forged form could
/// only spare a person the click; but what is learnt here should be what is right elsewhere. What is no browser sends
/// neither header, and can decide for nobody but itself.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(ORIGIN.as_str()) else { return true };
    let host = text(HOST.as_str()).unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, authority)| authority == host)
}
