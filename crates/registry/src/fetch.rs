//! What a manifest has elsewhere: a bundle is fetched once and then kept here, a remote entry stays where it is.

use std::time::Duration;

use bundler::Diagnostic;
use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use model::Violation;
use outbound::Client;
use reqwest::Response;
use tokio::time::timeout;
use url::Url;

use crate::plugin::BundleRef;
use crate::prepare::{MAX_BUNDLE, integrity};
use crate::source::Source;
use crate::{Draft, Error, Manifest};

/// How long a fetch may take, redirects and the last byte included.
const DEADLINE: Duration = Duration::from_secs(10);
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;

/// The media types of JavaScript (MIME Sniffing Standard, section 4.6): with others no browser loads a module either.
const JAVASCRIPT: [&str; 6] = [
    "text/javascript",
    "application/javascript",
    "application/x-javascript",
    "text/x-javascript",
    "application/ecmascript",
    "text/ecmascript",
];

/// Why there is nothing to be had at an address, as the end of a sentence that begins with its name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum FetchError {
    #[error("must be a URL")]
    NoUrl,
    #[error("cannot be fetched: {0}")]
    Outbound(#[from] outbound::Error),
    #[error("cannot be fetched: there was no whole answer within {} seconds", DEADLINE.as_secs())]
    Deadline,
    #[error("must lead to a file: it was answered with {0}")]
    Status(u16),
    #[error("must be served as JavaScript (text/javascript): it is served as {0:?}")]
    Type(String),
    #[error("must be served as it is, where no coding is accepted: it is served as {0:?}")]
    Coding(String),
}

/// The draft with the bundle itself where it had its address.
///
/// # Errors
/// [`Error::Manifest`] with what keeps it from being fetched, at `/bundleUrl`.
pub(crate) async fn with_bundle(client: &Client, draft: Draft) -> Result<Draft, Error> {
    let Some(Source::Url(url)) = &draft.source else { return Ok(draft) };
    let found = fetch(client, url, Some(&JAVASCRIPT)).await;
    let content =
        found.map_err(|error| Error::Manifest(vec![Violation::new("/bundleUrl", error.to_string())]))?;
    Ok(Draft { source: Some(Source::Bundle(content)), ..draft })
}

/// What a browser loads of a plugin that has a remote entry alone: nothing from here, and the entry's integrity where it can
/// be fetched. One that cannot may be within reach of browsers all the same, so that this is a warning.
pub(crate) async fn remote_entry(client: &Client, manifest: &Manifest) -> (BundleRef, Option<Diagnostic>) {
    let Some(url) = &manifest.remote_entry else { return (BundleRef::default(), None) };
    match fetch(client, url, None).await {
        Ok(content) => (BundleRef { integrity: Some(integrity(&content)), ..BundleRef::default() }, None),
        Err(error) => {
            let message = format!("remoteEntry {error}. It is published without an integrity");
            (BundleRef::default(), Some(Diagnostic::warning("remote_entry_unchecked", message)))
        }
    }
}

async fn fetch(client: &Client, url: &str, types: Option<&[&str]>) -> Result<Bytes, FetchError> {
    let mut url = Url::parse(url).map_err(|_| FetchError::NoUrl)?;
    url.set_fragment(None);
    let work = async {
        let request = client.request(Method::GET, url)?;
        let request =
            request.header(ACCEPT, "text/javascript, */*;q=0.1").header(ACCEPT_ENCODING, "identity");
        let response = client.send_following(request, MAX_REDIRECTS).await?;
        check(&response, types)?;
        Ok(outbound::read(response, MAX_BUNDLE).await?)
    };
    timeout(DEADLINE, work).await.unwrap_or(Err(FetchError::Deadline))
}

fn check(response: &Response, types: Option<&[&str]>) -> Result<(), FetchError> {
    if !response.status().is_success() {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let coding = header(response.headers(), CONTENT_ENCODING);
    if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
        return Err(FetchError::Coding(coding));
    }
    let media_type = header(response.headers(), CONTENT_TYPE);
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if types.is_some_and(|types| !types.contains(&essence.as_str())) {
        return Err(FetchError::Type(essence));
    }
    Ok(())
}

/// The start of a header's value; what would be no text in an answer is left out.
fn header(headers: &HeaderMap, name: HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::{IntoResponse, Redirect};
    use axum::routing::get;
    use outbound::{Guard, Settings};
    use tokio::net::TcpListener;

    use super::*;

    const SCRIPT: &str = "export default {name: 'Card', extensionPoints: {}};";

    async fn server() -> String {
        let typed =
            |media_type: &'static str| get(move || async move { ([("content-type", media_type)], SCRIPT) });
        let large = || async { ([("content-type", "text/javascript")], vec![b' '; MAX_BUNDLE + 1]) };
        let coded = || async { ([("content-type", "text/javascript"), ("content-encoding", "gzip")], "x") };
        let step = |to: &'static str| get(move || async move { Redirect::temporary(to).into_response() });
        let app = Router::new()
            .route("/a.js", typed("Text/JavaScript; charset=utf-8"))
            .route("/page", typed("text/html"))
            .route("/large", get(large))
            .route("/coded", get(coded))
            .route("/4", step("/3"))
            .route("/3", step("/2"))
            .route("/2", step("/1"))
            .route("/1", step("/a.js"))
            .route("/inside", step("http://127.0.0.2/"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        base
    }

    fn client(allow: &str) -> Client {
        let guard = Guard::new(allow.parse().unwrap(), Vec::new()).unwrap();
        guard.client(&Settings::default()).unwrap()
    }

    #[tokio::test]
    async fn a_bundle_is_fetched_by_up_to_three_redirects() {
        let (base, client) = (server().await, client("127.0.0.1"));
        for path in ["a.js", "a.js#part", "1", "3"] {
            let found = fetch(&client, &format!("{base}/{path}"), Some(&JAVASCRIPT)).await;
            assert_eq!(found.as_deref(), Ok(SCRIPT.as_bytes()), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_no_bundle_is_refused_with_the_reason() {
        let (base, client) = (server().await, client("127.0.0.1"));
        for (path, reason) in [
            ("4", "more than 3 times"),
            ("page", "it is served as \"text/html\""),
            ("large", "at most 5242880 bytes"),
            ("coded", "it is served as \"gzip\""),
            ("none", "answered with 404"),
            ("inside", "127.0.0.2 must have a public address"),
        ] {
            let error = fetch(&client, &format!("{base}/{path}"), Some(&JAVASCRIPT)).await.unwrap_err();
            assert!(error.to_string().contains(reason), "{path}: {error}");
        }
        let manifest = Manifest { remote_entry: Some(format!("{base}/page")), ..Manifest::default() };
        let (bundle, warning) = remote_entry(&client, &manifest).await;
        assert_eq!((bundle.integrity, warning), (Some(integrity(SCRIPT.as_bytes())), None));
    }

    #[tokio::test]
    async fn a_remote_entry_that_is_out_of_reach_has_no_integrity() {
        let base = server().await;
        let manifest = Manifest { remote_entry: Some(format!("{base}/a.js")), ..Manifest::default() };
        let (bundle, warning) = remote_entry(&client(""), &manifest).await;
        assert_eq!(bundle, BundleRef::default());
        let warning = warning.unwrap().to_string();
        assert!(warning.contains("127.0.0.1 must have a public address"), "{warning}");
    }
}
