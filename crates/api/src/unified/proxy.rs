//! Vendors' APIs as they are, for what no operation covers: what the operator's rules allow goes on to the vendor, with the
//! connection's token, and the vendor's answer comes back.

use ::connectors::http::RawPath;
use ::connectors::proxy::{Head, Passed};
use ::connectors::{Asker, Error};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest as _, Request, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use model::{CredentialKind, ErrorCode};
use utoipa::IntoParams;

use super::{foreign, whose};
use crate::App;
use crate::extract::{SESSION_TOKEN, User, unread_body};
use crate::problem::{Problem, ProblemBody};

const PREFIX: &str = "/api/v1/unified/proxy/";

static X_API_HOST: HeaderName = HeaderName::from_static("x-api-host");
static X_CONNECTION_ID: HeaderName = HeaderName::from_static("x-connection-id");
static X_CREDENTIAL: HeaderName = HeaderName::from_static("x-credential");
static X_USER_EMAIL: HeaderName = HeaderName::from_static("x-user-email");

/// What this route takes from the headers, because the query is the vendor's, but for `session_token`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it stands in the document for what is read from the request's head")]
pub(crate) struct RawHeaders {
    /// The user whose connection is meant; the credential's own e-mail address where left out.
    #[param(rename = "x-user-email")]
    user_email: Option<String>,
    /// One of several accounts; the default one where left out.
    #[param(rename = "x-connection-id")]
    connection_id: Option<String>,
    /// One of the connection's credentials, such as `user`; the first where left out.
    #[param(rename = "x-credential")]
    credential: Option<String>,
    /// One of the provider's `api_hosts`; the first where left out.
    #[param(rename = "x-api-host")]
    api_host: Option<String>,
}

/// The route. It takes any number of segments, which no macro can name; the document has it by hand.
pub(crate) fn routes() -> Router<App> {
    let methods = get(get_raw).post(post_raw).put(put_raw).patch(patch_raw).delete(delete_raw);
    Router::new().route("/api/v1/unified/proxy/{provider}/{*path}", methods)
}

/// Makes a handler for each method, alike but for the method's name.
macro_rules! handlers {
    ($($method:ident $name:ident $id:literal $(#[doc = $help:literal])+;)+) => {
        $(
            $(#[doc = $help])+
            #[utoipa::path(
                $method, path = "/api/v1/unified/proxy/{provider}/{path}", tag = "connectors", operation_id = $id,
                params(
                    ("provider" = String, Path, description = "a connector's name or alias, or a provider's", example = "slack"),
                    (
                        "path" = String, Path, example = "conversations.list",
                        description = "the path below the root of the connector's API for this connection, or below the \
                                       provider's host; it may have slashes",
                    ),
                    RawHeaders,
                ),
                responses(
                    (status = "default", description = "what the vendor has answered, good or not"),
                    (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
                    (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
                ),
                security(("bearer" = []), ("session" = [])),
            )]
            pub(crate) async fn $name(
                State(app): State<App>,
                caller: User,
                request: Request,
            ) -> Result<Response, Problem> {
                forward(&app, &caller, request).await
            }
        )+
    };
}

handlers! {
    get get_raw "getRaw"
        /// Sends a `GET` (or `HEAD`) to the vendor's own API, where the operator's rules allow it.
        ;
    post post_raw "postRaw"
        /// Sends a `POST` to the vendor's own API, where the operator's rules allow it. It is sent once.
        ;
    put put_raw "putRaw"
        /// Sends a `PUT` to the vendor's own API, where the operator's rules allow it.
        ;
    patch patch_raw "patchRaw"
        /// Sends a `PATCH` to the vendor's own API, where the operator's rules allow it. It is sent once.
        ;
    delete delete_raw "deleteRaw"
        /// Sends a `DELETE` to the vendor's own API, where the operator's rules allow it.
        ;
}

async fn forward(app: &App, caller: &User, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    check_is_meant(app, caller, &parts)?;
    let has_bearer = parts.headers.contains_key(header::AUTHORIZATION);
    let head = head(&parts)?;
    let passage = app.connectors().passage(caller.principal().role, head, SESSION_TOKEN)?;
    let asker = asker(app, caller, passage.provider(), &parts.headers).await?;
    let request = Request::from_parts(parts, body);
    let body = Bytes::from_request(request, &()).await.map_err(|rejection| unread_body(&rejection))?;
    let passed = app.connectors().pass(&asker, passage, body).await?;
    Ok(response(passed, has_bearer))
}

/// Whether the caller means this, and no page of another site that has the browser send it. Elsewhere a `GET` changes
/// nothing; at a vendor it may, so that here every method must come from a page that may change something.
fn check_is_meant(app: &App, caller: &User, parts: &Parts) -> Result<(), Problem> {
    let comes_by_itself =
        matches!(caller.principal().credential, CredentialKind::User | CredentialKind::Development)
            && !parts.headers.contains_key(header::AUTHORIZATION);
    if !comes_by_itself || app.options().origins.permits_change(&parts.headers) {
        return Ok(());
    }
    let detail = "a page of another origin may call no vendor by a session cookie, whatever the method: list its origin in \
                  ALLOWED_ORIGINS, or send `Authorization: Bearer …`";
    Err(Problem::new(ErrorCode::OriginNotAllowed, detail))
}

fn head(parts: &Parts) -> Result<Head, Problem> {
    // The path as it stands: decoded it would no longer tell what the vendor is sent.
    let rest = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok(Head {
        name: name.to_owned(),
        host: single(&parts.headers, &X_API_HOST)?,
        credential: single(&parts.headers, &X_CREDENTIAL)?,
        method: parts.method.clone(),
        path: RawPath::parse(path)?,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.clone(),
    })
}

async fn asker(app: &App, caller: &User, provider: &str, headers: &HeaderMap) -> Result<Asker, Problem> {
    let named = single(headers, &X_USER_EMAIL)?;
    let connection = single(headers, &X_CONNECTION_ID)?;
    let whose = whose::whose(app, caller, provider.to_owned(), named.as_deref(), connection).await;
    let whose = whose.map_err(|problem| match (problem.code(), &named) {
        // Elsewhere it is a parameter, which here would be the vendor's.
        (ErrorCode::InvalidRequest, None) => Problem::new(
            ErrorCode::InvalidRequest,
            "the header x-user-email must say whose connection is meant, because the credential names no e-mail address",
        ),
        _ => problem,
    })?;
    Ok(Asker {
        tenant: whose.tenant,
        actor: caller.principal().subject.clone(),
        user_email: whose.user_email,
        connection: whose.connection,
    })
}

/// The value of a header that may be there once; an empty one counts as none.
fn single(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let text = text.ok_or_else(|| {
        Problem::new(ErrorCode::InvalidRequest, format!("{name} must be given once, in plain ASCII"))
    })?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

fn response(mut passed: Passed, has_bearer: bool) -> Response {
    let status = passed.status;
    let mut headers = std::mem::take(&mut passed.headers);
    if status.is_redirection() && !has_bearer {
        // A browser that came by a cookie would be sent on from here to wherever the vendor says.
        headers.remove(header::LOCATION);
    }
    foreign::fence(&mut headers);
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    let mut response = Response::new(body(passed.into_stream().boxed()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// What the vendor sends, for as long as anything may be under way: it may never end by itself.
fn body(pieces: BoxStream<'static, Result<Bytes, Error>>) -> Body {
    Body::from_stream(foreign::sent(None, pieces, foreign::DEADLINE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_never_ends_is_broken_off() {
        let endless = stream::repeat(()).then(|()| async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            Ok(Bytes::from_static(b"x"))
        });
        let pieces: Vec<_> = body(endless.boxed()).into_data_stream().take(1000).collect().await;
        assert!(pieces.len() < 1000 && pieces.last().unwrap().is_err(), "{}", pieces.len());
    }

    fn parts(uri: &str, headers: &[(&'static str, &'static str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_path_is_taken_as_it_stands() {
        let read = |uri: &str| {
            let head = head(&parts(uri, &[])).ok()?;
            Some(format!("{} {:?} {}", head.name, head.path.segments(), head.query))
        };
        for (rest, expected) in [
            ("slack/chat.postMessage?a=%20b", Some(r#"slack ["chat.postMessage"] a=%20b"#)),
            ("drive/files/a%23b/", Some(r#"drive ["files", "a#b", ""] "#)),
            ("drive/files%2Fx", None),
            ("drive/", None),
            ("drive//evil.example/x", None),
            ("drive/..%2f..", None),
            ("drive/../../x", None),
        ] {
            assert_eq!(read(&format!("{PREFIX}{rest}")).as_deref(), expected, "{rest}");
        }
    }

    #[test]
    fn our_own_headers_are_given_once() {
        let read = |headers| single(&parts("/", headers).headers, &X_API_HOST).ok();
        assert_eq!(read(&[("x-api-host", " a ")]), Some(Some("a".to_owned())));
        assert_eq!(read(&[("x-api-host", "")]), Some(None));
        assert_eq!(read(&[]), Some(None));
        assert_eq!(read(&[("x-api-host", "a"), ("x-api-host", "b")]), None);
        assert_eq!(read(&[("x-api-host", "ä")]), None);
    }
}
