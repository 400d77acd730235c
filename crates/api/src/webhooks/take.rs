//! Where senders send webhooks. No credential is asked for: what they send proves itself, or its address does.

use std::future::Future;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use events::Answer;
use events::webhook::{Destination, Taken, WebhookRequest};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use model::{ErrorCode, PluginId, TenantId};
use runtime::upstream;
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::Instant;
use url::form_urlencoded;
use utoipa::ToSchema;

use crate::extract::Json;
use crate::layers::AsItIs;
use crate::problem::{Problem, ProblemBody};
use crate::{App, RequestContext};

const SECRET: &str = "/webhooks/in/";
const DOCUMENTED: &str = "/webhooks/plugins/";

/// The longest path behind an address, and the longest query, in bytes.
const MAX_TEXT: usize = 2048;

/// What a sender is told of a webhook that is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TakenWebhook)]
pub(crate) struct TakenBody {
    /// `accepted`: it is durable, and the plugin is given it.
    #[schema(example = "accepted")]
    status: &'static str,
}

/// Whether a path is one that senders send webhooks to.
pub(crate) fn is_one(path: &str) -> bool {
    path.starts_with(SECRET) || path.starts_with(DOCUMENTED)
}

/// Takes a webhook at the secret address of an installation. Any method will do, and any path below it, which the plugin is told. The
/// body is held against the scheme in the plugin's manifest, byte for byte, and kept before this answers. One that was taken before
/// is answered alike and not delivered again.
#[utoipa::path(
    post, path = "/webhooks/in/{token}", tag = "webhooks", operation_id = "takeWebhook",
    params(("token" = String, Path, description = "the secret end of the installation's address")),
    request_body(content = String, content_type = "*/*", description = "whatever the sender sends, as it has signed it"),
    responses(
        (status = 202, body = TakenBody, description = "kept; with `mode: reply` what the plugin has answered, if it did so within 3 s"),
        (status = 200, description = "the answer to a challenge", body = String, content_type = "text/plain"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "not signed with one of the live secrets, or too late"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "the plugin is switched off"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "no plugin takes webhooks there"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "the tenant has set no secret"),
        (status = 413, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "too many wait; come again when Retry-After says"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[expect(dead_code, reason = "it stands in the document for the routes of all methods")]
pub(crate) fn take_secret() {}

/// Takes a webhook at the documented address of a plugin, for senders that cannot be given a secret address. It must be signed as the
/// plugin's manifest says, and name its tenant in `x-tenant-id` or `tenantId`. Otherwise as at the secret address.
#[utoipa::path(
    post, path = "/webhooks/plugins/{pluginId}", tag = "webhooks", operation_id = "takePluginWebhook",
    params(
        ("pluginId" = String, Path, description = "the plugin's id", example = "payment-card"),
        ("tenantId" = Option<String>, Query, description = "the tenant, where no header names it", example = "acme"),
        ("x-tenant-id" = Option<String>, Header, description = "the tenant"),
    ),
    request_body(content = String, content_type = "*/*", description = "whatever the sender sends, as it has signed it"),
    responses(
        (status = 202, body = TakenBody, description = "kept; with `mode: reply` what the plugin has answered, if it did so within 3 s"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "not signed with one of the live secrets, or too late"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "the tenant has no such plugin that takes webhooks"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[expect(dead_code, reason = "it stands in the document for the routes of all methods")]
pub(crate) fn take_documented() {}

pub(super) async fn secret(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (token, path) = split(parts.uri.path(), SECRET);
    let destination = Destination::Secret(SecretString::from(token));
    let path = path.to_owned();
    answer(&app, destination, path, (parts, body)).await
}

pub(super) async fn documented(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (id, path) = split(parts.uri.path(), DOCUMENTED);
    let plugin: PluginId = id.parse().map_err(|_| Problem::of(&events::Error::NoSuchWebhookAddress))?;
    let destination = Destination::Documented(named_tenant(&parts)?, plugin);
    let path = path.to_owned();
    answer(&app, destination, path, (parts, body)).await
}

async fn answer(
    app: &App,
    destination: Destination,
    path: String,
    (parts, body): (Parts, Body),
) -> Result<Response, Problem> {
    let begun = Instant::now();
    // Who guesses is stopped before anything is looked up for it; who sends what is good is not counted by address.
    let address = app.client_address(&parts.extensions, &parts.headers);
    if let Some(address) = address {
        app.rate_limits().check_failures(address)?;
    }
    let taken = Box::pin(taken(app, destination, path, begun, (parts, body)));
    let taken = within(app.options().deadline, taken).await;
    if let (Some(address), Err(problem)) = (address, &taken)
        && is_guess(problem)
    {
        app.rate_limits().count_failure(address);
    }
    taken
}

/// Whether who sent this may be guessing: not where it had proven itself before it was refused, nor where time ran out.
fn is_guess(problem: &Problem) -> bool {
    use ErrorCode::{PluginDisabled, RateLimited, RequestTimeout};
    problem.status().is_client_error()
        && !matches!(problem.code(), RateLimited | PluginDisabled | RequestTimeout)
}

async fn taken(
    app: &App,
    destination: Destination,
    path: String,
    begun: Instant,
    (parts, body): (Parts, Body),
) -> Result<Response, Problem> {
    let query = parts.uri.query().unwrap_or_default().to_owned();
    if path.len() > MAX_TEXT || query.len() > MAX_TEXT {
        let detail = format!("path and query must have at most {MAX_TEXT} bytes each");
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    // Before anything of the body is read: it is read for those alone who can be meant.
    let door = app.webhooks().door(destination).await?;
    if let Some(context) = parts.extensions.get::<RequestContext>() {
        context.note_tenant(door.tenant());
    }
    let max = app.options().max_webhook_bytes;
    let size = body.size_hint().exact().map_or(Ok(max), |said| {
        usize::try_from(said).ok().filter(|said| *said <= max).ok_or_else(|| too_large(max))
    })?;
    let room = app.webhooks().room(size)?;
    let body = read(body, max).await?;
    let request = WebhookRequest {
        begun,
        room,
        method: parts.method.as_str().to_owned(),
        path,
        query,
        visible: upstream::without_credentials(parts.headers.clone()),
        headers: parts.headers,
        body,
    };
    let proven = app.webhooks().verify(door, request).await?;
    app.rate_limits().count_webhook(proven.door().tenant(), proven.door().plugin())?;
    Ok(match app.webhooks().take(proven).await? {
        Taken::Challenge(text) => (StatusCode::OK, text).into_response(),
        Taken::Kept => (StatusCode::ACCEPTED, Json(TakenBody { status: "accepted" })).into_response(),
        Taken::Answered(answer) => answered(answer)?,
    })
}

/// What follows the prefix, up to the next slash, and the rest as it stands.
fn split<'a>(path: &'a str, prefix: &str) -> (&'a str, &'a str) {
    let rest = path.strip_prefix(prefix).unwrap_or_default();
    let (first, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (first, if rest.is_empty() { "/" } else { rest })
}

/// The tenant that header or query name; both may, if they name the same.
fn named_tenant(parts: &Parts) -> Result<TenantId, Problem> {
    let invalid = |detail: &'static str| Problem::new(ErrorCode::InvalidRequest, detail);
    let mut named: Vec<String> = Vec::new();
    for value in parts.headers.get_all("x-tenant-id") {
        named.push(value.to_str().map_err(|_| invalid("x-tenant-id must be plain ASCII"))?.to_owned());
    }
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    named.extend(query.filter(|(name, _)| name == "tenantId").map(|(_, value)| value.into_owned()));
    named.dedup();
    match &named[..] {
        [one] => one
            .parse()
            .map_err(|error| Problem::new(ErrorCode::InvalidRequest, format!("the tenant: {error}"))),
        [] => Err(invalid(
            "name the tenant in x-tenant-id or tenantId; or send to the plugin's secret address, which GET /plugins/{id}/webhook-url tells",
        )),
        _ => Err(invalid("name one tenant, in x-tenant-id or tenantId")),
    }
}

fn too_large(max: usize) -> Problem {
    Problem::new(ErrorCode::PayloadTooLarge, format!("a webhook must have at most {max} bytes"))
}

async fn read(body: Body, max: usize) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, max).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_large(max)
        } else {
            Problem::new(ErrorCode::InvalidRequest, "the body did not arrive whole")
        }
    })
}

/// What a plugin has answered, as a sender may get it.
fn answered(answer: Answer) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(answer.status).ok().filter(|status| !status.is_informational());
    let status = status.ok_or_else(|| {
        Problem::new(ErrorCode::PluginFailed, "the plugin's answer has no status that HTTP knows")
    })?;
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    *response.headers_mut() = upstream::fit_for_callers(headers);
    response.headers_mut().remove(header::LOCATION);
    response.extensions_mut().insert(AsItIs);
    Ok(response)
}

async fn within<T>(deadline: Duration, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
        let detail = format!("the webhook was not taken within {} s: send it again", deadline.as_secs_f64());
        Err(Problem::new(ErrorCode::RequestTimeout, detail))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_an_address_is_taken_as_it_stands() {
        assert_eq!(split("/webhooks/in/tok", SECRET), ("tok", "/"));
        assert_eq!(split("/webhooks/in/tok/", SECRET), ("tok", "/"));
        assert_eq!(split("/webhooks/in/tok/a%2Fb/../c", SECRET), ("tok", "/a%2Fb/../c"));
        assert!(is_one("/webhooks/in/x") && is_one("/webhooks/plugins/x") && !is_one("/webhooks/deliveries"));
    }

    #[test]
    fn one_tenant_is_named() {
        let named = |query: &str, headers: &[&str]| {
            let mut request = Request::builder().uri(format!("/webhooks/plugins/x?{query}"));
            for value in headers {
                request = request.header("x-tenant-id", *value);
            }
            let (parts, _) = request.body(Body::empty()).unwrap().into_parts();
            named_tenant(&parts).ok().map(|tenant| tenant.to_string())
        };
        assert_eq!(named("tenantId=acme", &[]).as_deref(), Some("acme"));
        assert_eq!(named("", &["acme"]).as_deref(), Some("acme"));
        assert_eq!(named("tenantId=acme", &["acme"]).as_deref(), Some("acme"));
        for (query, headers) in [
            ("", &[][..]),
            ("tenantId=acme", &["other"][..]),
            ("", &["acme", "other"][..]),
            ("tenantId=a%20b", &[][..]),
        ] {
            assert_eq!(named(query, headers), None, "{query} {headers:?}");
        }
    }

    #[test]
    fn an_answer_sets_no_cookie_and_leads_nowhere() {
        let headers = [("set-cookie", "a=b"), ("location", "https://evil.example"), ("x-own", "1")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let response = answered(Answer { status: 302, headers, body: Bytes::new() }).unwrap();
        assert_eq!(response.status(), 302);
        assert!(
            !response.headers().contains_key("set-cookie") && !response.headers().contains_key("location")
        );
        assert_eq!(response.headers()["x-own"], "1");
        let odd =
            answered(Answer { status: 101, headers: std::collections::BTreeMap::new(), body: Bytes::new() });
        assert_eq!(odd.unwrap_err().code(), ErrorCode::PluginFailed);
    }
}
