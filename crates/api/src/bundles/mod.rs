//! Serving the files that pages load. These answers never change, so they are made for caches and for speed: no
//! credential is looked at, and the content comes as it was compressed at publish.

mod negotiation;
mod range;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use model::{Caller, ErrorCode};
use registry::{BundleFile, Encoding, FilePath};

use crate::extract::{MaybeCaller, Path};
use crate::plugins::plugin_id;
use crate::problem::{Problem, ProblemBody};
use crate::{App, rate_limit};

use negotiation::choose;
use range::{Wanted, wanted};

/// A year: what does not change may be kept for as long as caches keep anything.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// The current bundle is another with each publish: where it is must be asked each time.
const REVALIDATE: &str = "public, no-cache";

static CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const PREFIX: &str = "/plugins/bundles/";

/// The routes of immutable files.
pub(crate) fn routes() -> Router<App> {
    // A remainder, and not three segments: the older servers' addresses have any number of them.
    Router::new().route("/plugins/bundles/{*path}", get(file).options(preflight))
}

/// Serves a file of a version: `{pluginId}/v{version}/{filename}`. The older servers' addresses, any key of the blob
/// store, are found as well.
///
/// Answers carry a strong `ETag`, take `Range`, and come in `br`, `zstd` or `gzip` by `Accept-Encoding`.
#[utoipa::path(
    get, path = "/plugins/bundles/{pluginId}/v{version}/{filename}", tag = "bundles", operation_id = "getBundleFile",
    params(
        ("pluginId" = String, Path, description = "the plugin's id"),
        ("version" = String, Path, description = "the version"),
        ("filename" = String, Path, description = "the file's name, from a `bundleUrl`"),
    ),
    responses(
        (status = 200, content_type = "text/javascript", description = "the file"),
        (status = 206, content_type = "text/javascript", description = "the range asked for"),
        (status = 304, description = "not changed"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn file(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let answer = match find(&app, &parts).await {
        Ok(file) => serve(&app, &parts.method, &parts.headers, &file).await,
        Err(problem) => Err(problem),
    };
    answer.unwrap_or_else(refused)
}

/// From memory, or else from the database, which callers of made-up addresses must not keep busy: only those lookups
/// count against the limit of an address.
async fn find(app: &App, parts: &Parts) -> Result<Arc<BundleFile>, Problem> {
    let key = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let path = file_path(key);
    if let Some(path) = &path
        && let Some(file) = app.registry().remembered_file(path).await
    {
        return Ok(file);
    }
    rate_limit::count_address(app, &parts.extensions, &parts.headers)?;
    let lookup = async {
        match path {
            Some(path) => match app.registry().bundle_file(&path).await {
                Err(registry::Error::BundleNotFound) => app.registry().bundle_file_by_key(key).await,
                found => found,
            },
            None => app.registry().bundle_file_by_key(key).await,
        }
    };
    match tokio::time::timeout(app.options().deadline, lookup).await {
        Ok(found) => Ok(found?),
        Err(_) => Err(Problem::new(ErrorCode::Unavailable, "a bundle was not found in time")),
    }
}

/// Leads to the current bundle of a plugin. Its address is another with each publish, and what it imports is beside it.
#[utoipa::path(
    get, path = "/plugins/{id}/bundle", tag = "bundles", operation_id = "getCurrentBundle",
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 302, description = "to the plugin's `bundleUrl`"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn current(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let plugin = app.registry().plugin(caller.as_ref().map(Caller::tenant), &plugin_id(&id)?).await?;
    let address = app.registry().bundle_url(&plugin).ok_or(registry::Error::BundleNotFound)?;
    let headers =
        [(header::LOCATION, value(&address)?), (header::CACHE_CONTROL, HeaderValue::from_static(REVALIDATE))];
    Ok((StatusCode::FOUND, headers).into_response())
}

/// Script requests are simple ones; this is for pages that fetch with headers of their own.
async fn preflight() -> impl IntoResponse {
    [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ]
}

/// `id/vVERSION/filename`, where the key has that form.
fn file_path(key: &str) -> Option<FilePath> {
    let mut parts = key.split('/');
    let (plugin_id, version, filename) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let version = version.strip_prefix('v')?;
    Some(FilePath {
        plugin_id: plugin_id.to_owned(),
        version: version.to_owned(),
        filename: filename.to_owned(),
    })
}

async fn serve(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    file: &BundleFile,
) -> Result<Response, Problem> {
    let encoding = choose(headers, |encoding| file.is_kept_as(encoding)).ok_or_else(|| {
        Problem::new(ErrorCode::NotAcceptable, "the file is kept as identity, br, zstd and gzip")
    })?;
    let etag = entity_tag(file, encoding)?;
    if is_unchanged(headers, &etag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        common_headers(response.headers_mut(), etag);
        return Ok(response);
    }
    let content = app.registry().bundle_content(file, encoding).await?;
    // A range is defined for GET alone (RFC 9110, section 14.2).
    let part = if method == Method::GET { wanted(headers, &etag, content.len()) } else { Wanted::Whole };
    let mut response = match part {
        Wanted::Whole => with_length(StatusCode::OK, content, method),
        Wanted::Part(range) => {
            let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, content.len());
            let mut response = with_length(StatusCode::PARTIAL_CONTENT, content.slice(range), method);
            response.headers_mut().insert(header::CONTENT_RANGE, value(&content_range)?);
            response
        }
        Wanted::Nothing => {
            let problem = Problem::new(ErrorCode::RangeNotSatisfiable, "the file has no such range");
            return Err(
                problem.with_header(header::CONTENT_RANGE, value(&format!("bytes */{}", content.len()))?)
            );
        }
    };
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, value(&file.media_type)?);
    if encoding != Encoding::Identity {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.as_str()));
    }
    common_headers(answer, etag);
    Ok(response)
}

/// A HEAD is answered as the GET would be, without the content.
fn with_length(status: StatusCode, content: Bytes, method: &Method) -> Response {
    let length = HeaderValue::from(content.len());
    let body = if method == Method::HEAD { Body::empty() } else { Body::from(content) };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::CONTENT_LENGTH, length);
    response
}

fn common_headers(headers: &mut HeaderMap, etag: HeaderValue) {
    headers.insert(header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    cross_origin(headers);
}

fn cross_origin(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY.clone(), HeaderValue::from_static("cross-origin"));
}

/// A page must be able to read why a file is missing.
fn refused(problem: Problem) -> Response {
    let mut response = problem.into_response();
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    cross_origin(headers);
    response
}

/// A tag of its own for each coding (RFC 9110, section 8.8.3.3).
fn entity_tag(file: &BundleFile, encoding: Encoding) -> Result<HeaderValue, Problem> {
    let digest = file.digest.get(..32).unwrap_or(&file.digest);
    match encoding {
        Encoding::Identity => value(&format!("\"{digest}\"")),
        coded => value(&format!("\"{digest}-{}\"", coded.as_str())),
    }
}

fn is_unchanged(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let Ok(etag) = etag.to_str() else { return false };
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|known| known.to_str().ok());
    known
        .flat_map(|known| known.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_versions_have_one_form() {
        let path = file_path("card/v1.0.0/index-1.js").unwrap();
        assert_eq!(
            (path.plugin_id.as_str(), path.version.as_str(), path.filename.as_str()),
            ("card", "1.0.0", "index-1.js")
        );
        for key in ["", "card", "card/v1.0.0", "card/1.0.0/index.js", "card/v1.0.0/a/b.js"] {
            assert_eq!(file_path(key), None, "{key:?}");
        }
    }

    #[test]
    fn known_tags_are_compared_weakly() {
        let etag = HeaderValue::from_static("\"abc\"");
        for (known, unchanged) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", \"abc\"", true),
            ("*", true),
            ("\"x\"", false),
            ("abc", false),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(known))]);
            assert_eq!(is_unchanged(&headers, &etag), unchanged, "{known}");
        }
        let mut headers = HeaderMap::new();
        headers.append(header::IF_NONE_MATCH, HeaderValue::from_static("\"x\""));
        headers.append(header::IF_NONE_MATCH, HeaderValue::from_static("\"abc\""));
        assert!(is_unchanged(&headers, &etag), "two lines are one list");
    }
}
