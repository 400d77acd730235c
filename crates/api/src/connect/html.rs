//! Pages as answers: their headers, their one stylesheet and their one script.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use model::ErrorCode;

use crate::App;
use crate::layers::MayBeFramed;
use crate::problem::Problem;

/// Tells the page that has opened this one what has happened, and offers to close this one.
pub(super) const POPUP_SCRIPT: &str = include_str!("../../templates/connect/popup.js");

/// What the script is allowed by: its SHA-256 (CSP Level 3, section 6.7.2). No other script runs.
const POPUP_HASH: &str = "sha256-+CKyzsQ9EDpioHEa4+6t78LIgMPnndgi9BHJ7c57m64=";

const STYLE: &str = include_str!("../../templates/connect/style.css");

/// Which script a page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    None,
    /// [`POPUP_SCRIPT`].
    Popup,
    /// Another, by its SHA-256 as a policy names it: `sha256-…`.
    Hash(&'static str),
}

/// The page as an answer, to be shown in no frame.
pub(crate) fn page(app: &App, status: StatusCode, template: &impl Template, script: Script) -> Response {
    answer(app, status, template, script, "'none'")
}

/// The page as an answer, which pages of `origin` alone may show in a frame.
pub(crate) fn framed_page(
    app: &App,
    status: StatusCode,
    template: &impl Template,
    script: Script,
    origin: &str,
) -> Response {
    let mut response = answer(app, status, template, script, origin);
    response.extensions_mut().insert(MayBeFramed);
    response
}

fn answer(
    app: &App,
    status: StatusCode,
    template: &impl Template,
    script: Script,
    ancestors: &str,
) -> Response {
    let text = match template.render() {
        Ok(text) => text,
        Err(error) => return Problem::new(ErrorCode::Internal, error.to_string()).into_response(),
    };
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(policy) = HeaderValue::from_str(&policy(app.is_https(), script, ancestors)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Chromium holds `form-action` against every redirect that follows a form, and providers redirect to hosts that nobody
/// can list (`auth.atlassian.com` to `id.atlassian.com`, any to the company's own sign-in); so any TLS host is allowed.
fn policy(is_https: bool, script: Script, ancestors: &str) -> String {
    let plain = if is_https { "" } else { " http:" };
    let script = match script {
        Script::None => String::new(),
        Script::Popup => format!(" script-src '{POPUP_HASH}';"),
        Script::Hash(hash) => format!(" script-src '{hash}';"),
    };
    format!(
        "default-src 'none'; style-src 'self';{script} form-action 'self' https:{plain}; frame-ancestors {ancestors}; \
         base-uri 'none'"
    )
}

/// Where this server's pages begin, as a path: empty, or what a proxy before the server adds.
pub(crate) fn root(app: &App) -> &str {
    app.options().public_url.path().trim_end_matches('/')
}

/// The stylesheet of the pages.
pub(super) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
    ];
    (headers, STYLE).into_response()
}

#[derive(Template)]
#[template(path = "connect/message.html")]
struct Message<'a> {
    root: &'a str,
    title: &'a str,
    is_good: bool,
    sentences: &'a [String],
}

/// A page that says one thing.
pub(super) fn message(
    app: &App,
    status: StatusCode,
    title: &str,
    is_good: bool,
    sentences: &[String],
) -> Response {
    page(app, status, &Message { root: root(app), title, is_good, sentences }, Script::None)
}

/// A page that says why something was not done.
pub(super) fn refusal(app: &App, status: StatusCode, sentence: &str) -> Response {
    message(app, status, "This was not done", false, &[sentence.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_the_one_that_is_allowed() {
        use base64::Engine as _;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, POPUP_SCRIPT.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(digest);
        assert_eq!(POPUP_HASH, format!("sha256-{hash}"));
    }

    #[test]
    fn pages_load_nothing_from_elsewhere() {
        let policy = policy(true, Script::Popup, "'none'");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'sha256-"), "{policy}");
        assert!(!policy.contains("http:") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none';"), "{policy}");
        let framed = super::policy(false, Script::Hash("sha256-x"), "https://admin.example");
        assert!(framed.contains("form-action 'self' https: http:; frame-ancestors https://admin.example;"));
        assert!(framed.contains("script-src 'sha256-x';"), "{framed}");
    }

    #[test]
    fn a_message_cannot_bring_markup_along() {
        let sentences = ["<img src=x onerror=alert(1)>".to_owned()];
        let page =
            Message { root: "", title: "<b>", is_good: false, sentences: &sentences }.render().unwrap();
        assert!(!page.contains("<img") && !page.contains("<b>"), "{page}");
    }
}
