//! A request that a handler of a script answers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use model::ErrorCode;
use registry::{BackendKind, Deployment};
use runtime::upstream::{self, BackendPath};
use runtime::{HandlerRequest, Runtime, User as Acting, Who};
use url::{Url, form_urlencoded};

use crate::App;
use crate::extract::{SESSION_TOKEN, User, is_json, read_json};
use crate::problem::Problem;

/// Has the handler of the route answer.
pub(super) async fn call(
    app: &App,
    (caller, deployment): (&User, &Arc<Deployment>),
    (path, request_id): (&BackendPath, &str),
    request: Request,
) -> Result<Response, Problem> {
    match &deployment.kind {
        Some(BackendKind::Script) => {}
        Some(BackendKind::Component | BackendKind::Upstream(_)) => {
            return Err(runtime::Error::NoHandlers(deployment.plugin.to_string()).into());
        }
        None => return Err(runtime::Error::NoBackend(deployment.plugin.to_string()).into()),
    }
    let runtime = app.runtime();
    let matched = Runtime::route(deployment, request.method().as_str(), path)?;
    let path = if path.as_str().is_empty() { "/" } else { path.as_str() };
    let (parts, body) = request.into_parts();
    let bytes = read(body, app.options().max_body_bytes).await?;
    let body = body_of(&parts.headers, bytes)?;
    let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let query = query.filter(|(name, _)| name != SESSION_TOKEN);
    let request = HandlerRequest {
        handler: matched.handler,
        params: matched.params,
        method: parts.method.as_str().to_owned(),
        path: path.to_owned(),
        query: query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        headers: upstream::without_credentials(parts.headers),
        body,
        ..HandlerRequest::default()
    };
    let user = Acting::from(caller.principal());
    let who = Who { user: Some(user), request_id: Some(request_id.to_owned()), hops: 0 };
    let answer = runtime.call(deployment, who, request).await?;
    let mut response = Response::new(Body::from(answer.bytes()));
    *response.status_mut() = answer.status;
    let location =
        answer.headers.get(header::LOCATION).filter(|place| is_web(place, &app.options().public_url));
    let location = location.cloned();
    *response.headers_mut() = upstream::fit_for_callers(answer.headers);
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Whether `place` leads somewhere in the web: a whole address, or one on this server.
fn is_web(place: &HeaderValue, public_url: &Url) -> bool {
    let place = place.to_str().ok().and_then(|text| public_url.join(text).ok());
    place.is_some_and(|place| matches!(place.scheme(), "http" | "https"))
}

pub(super) async fn read(body: Body, max: usize) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, max).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            Problem::new(ErrorCode::PayloadTooLarge, format!("the body must have at most {max} bytes"))
        } else {
            Problem::new(ErrorCode::InvalidRequest, "the body did not arrive whole")
        }
    })
}

/// The body as the handler gets it: JSON parsed where it is announced, text as such, anything else as bytes.
fn body_of(headers: &HeaderMap, bytes: Bytes) -> Result<runtime::Body, Problem> {
    if bytes.is_empty() {
        return Ok(runtime::Body::None);
    }
    if is_json(headers) {
        return read_json(&bytes).map(runtime::Body::Json);
    }
    let is_coded = headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
    Ok(match std::str::from_utf8(&bytes).map(str::to_owned) {
        Ok(text) if !is_coded => runtime::Body::Text(text),
        _ => runtime::Body::Bytes(bytes),
    })
}

#[cfg(test)]
mod tests {
    use runtime::Body::{Bytes as Raw, Json, None, Text};
    use serde_json::json;

    use super::*;

    fn body(media_type: &'static str, bytes: &'static [u8]) -> Option<runtime::Body> {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))].into_iter().collect();
        body_of(&headers, Bytes::from_static(bytes)).ok()
    }

    #[test]
    fn a_body_is_what_it_says_it_is() {
        assert_eq!(body("application/json", b"{\"a\":1}"), Some(Json(json!({"a": 1}))));
        assert_eq!(body("application/json", b"{"), Option::None);
        assert_eq!(body("application/json", b""), Some(None));
        assert_eq!(body("text/plain", "ż".as_bytes()), Some(Text("ż".into())));
        assert_eq!(body("application/x-www-form-urlencoded", b"a=1"), Some(Text("a=1".into())));
        assert_eq!(body("image/png", b"\x89PNG"), Some(Raw(Bytes::from_static(b"\x89PNG"))));
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound() {
        assert_eq!(read(Body::from("12345"), 5).await.unwrap(), "12345");
        assert_eq!(read(Body::from("123456"), 5).await.unwrap_err().code(), ErrorCode::PayloadTooLarge);
    }

    #[test]
    fn a_handler_leads_into_the_web_alone() {
        let url = Url::parse("https://plugins.example").unwrap();
        for (place, is_one) in [("/x", true), ("https://a.example", true), ("javascript:alert(1)", false)] {
            assert_eq!(is_web(&HeaderValue::from_static(place), &url), is_one, "{place}");
        }
    }
}
