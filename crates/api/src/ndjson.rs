//! Answers of any length: one JSON value a line (`application/x-ndjson`), page by page, as fast as the client reads.

use std::time::Instant;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, header};
use model::Coded;
use serde::Serialize;
use serde_json::Value;
use tracing::{Instrument as _, Span};

use crate::RequestContext;
use crate::problem::Problem;

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "application/x-ndjson";

/// What a line usually fits in: a page is then written without growing.
const USUAL_LINE_BYTES: usize = 256;

/// Whether the client asks for lines by their name; `*/*` does not.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .filter_map(|kind| kind.split(';').next())
        .any(|kind| kind.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}

/// The answer that gives the values of all `pages`, a line each.
///
/// The first page is waited for, so that what fails there is answered as any other problem. What fails later ends the
/// answer with a last line, `{"error": <problem>}`; beside it stand `retry_after`, the seconds to wait, where they are known,
/// and `next_page_token`, where the error [leads on](Break::next_page_token) to what did not come. Each further page is asked for once the one before has been taken; a
/// client that hangs up has `pages` dropped. The deadline of the request ends with the first page: each of the others
/// needs one of its own; that of a client that takes nothing is the server's. The log says how the answer ended.
pub(crate) async fn respond<T, E, P>(
    request: &RequestContext,
    pages: impl Stream<Item = Result<P, E>> + Send + 'static,
) -> Result<Response, Problem>
where
    T: Serialize,
    P: IntoIterator<Item = T> + Send,
    E: Break + Send,
{
    // There may be no first page, and streams that have ended may panic when they are asked again.
    let mut pages = Box::pin(pages.fuse());
    let first = pages.next().await.transpose()?;
    let mut answer = Answer::begin(request);
    let first = first.map(|page| answer.lines(page));
    let rest = stream::unfold((pages, answer), |(mut pages, mut answer)| async move {
        // After an error there is nothing: the stream may not know how to go on.
        if answer.end.is_some() {
            return None;
        }
        // What is logged meanwhile is of the request, whose handler is long done.
        let page = pages.next().instrument(answer.span.clone()).await;
        let line = match page {
            Some(Ok(page)) => Some(answer.lines(page)),
            Some(Err(error)) => Some(answer.last_line(&error)),
            None => answer.whole(),
        };
        Some((line?, (pages, answer)))
    });
    let all = stream::iter(first).chain(rest).map(Ok::<_, std::convert::Infallible>);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(all)).into_response())
}

/// An error that can break an answer off.
pub(crate) trait Break: Coded {
    /// By what the values that do not come any more are asked for, where they can be.
    fn next_page_token(&self) -> Option<&str> {
        None
    }
}

impl Break for connections::Error {}
impl Break for connectors::Error {}

impl Break for connectors::Interrupted {
    fn next_page_token(&self) -> Option<&str> {
        self.next_page_token.as_deref()
    }
}

/// The last line of an answer that broke off.
#[derive(Serialize)]
struct LastLine<'a> {
    error: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<&'a str>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy)]
enum End {
    Whole,
    BrokenOff,
}

/// An answer that is being given. When it goes, the log has how much of it there was.
struct Answer {
    request: RequestContext,
    span: Span,
    began: Instant,
    lines: u64,
    bytes: usize,
    /// `None` until all is said; still so when the client goes away, or the server.
    end: Option<End>,
}

impl Answer {
    fn begin(request: &RequestContext) -> Self {
        let (request, span) = (request.clone(), Span::current());
        Self { request, span, began: Instant::now(), lines: 0, bytes: 0, end: None }
    }

    fn lines<T: Serialize>(&mut self, page: impl IntoIterator<Item = T>) -> Bytes {
        let page = page.into_iter();
        let mut text = Vec::with_capacity(page.size_hint().0.saturating_mul(USUAL_LINE_BYTES));
        for value in page {
            // What answers are made of can always be written as JSON.
            if serde_json::to_writer(&mut text, &value).is_ok() {
                text.push(b'\n');
                self.lines += 1;
            }
        }
        self.bytes += text.len();
        text.into()
    }

    /// What a client finds in place of the values that do not come any more.
    fn last_line(&mut self, error: &impl Break) -> Bytes {
        self.end = Some(End::BrokenOff);
        let problem = self.span.in_scope(|| {
            let problem = Problem::of(error);
            tracing::warn!(error.code = problem.code().as_str(), "an answer broke off after it had begun");
            problem
        });
        let told = problem.headers().iter().find(|(name, _)| *name == header::RETRY_AFTER);
        let line = LastLine {
            error: serde_json::from_slice(&problem.body(Some(self.request.id()))).unwrap_or_default(),
            retry_after: told.and_then(|(_, wait)| wait.to_str().ok()?.parse().ok()),
            next_page_token: error.next_page_token(),
        };
        let mut line = serde_json::to_vec(&line).unwrap_or_default();
        line.push(b'\n');
        self.bytes += line.len();
        line.into()
    }

    /// There are no more values, and so no line.
    fn whole(&mut self) -> Option<Bytes> {
        self.end = Some(End::Whole);
        None
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let end = match self.end {
            Some(End::Whole) => "whole",
            Some(End::BrokenOff) => "broken off",
            None => "given up",
        };
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (lines, bytes) = (self.lines, self.bytes);
        self.span.in_scope(|| tracing::info!(end, lines, bytes, duration_ms, "a stream of lines has ended"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::to_bytes;
    use model::ErrorCode;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the vendor is away")]
    struct Away;

    impl Coded for Away {
        fn code(&self) -> ErrorCode {
            ErrorCode::UpstreamUnavailable
        }
    }

    impl Break for Away {}

    /// What says when and where it can be gone on.
    #[derive(Debug, thiserror::Error)]
    #[error("the vendor wants fewer calls")]
    struct Pausing;

    impl Coded for Pausing {
        fn code(&self) -> ErrorCode {
            ErrorCode::UpstreamRateLimited
        }

        fn retry_after(&self, _: model::Timestamp) -> Option<std::time::Duration> {
            Some(std::time::Duration::from_secs(7))
        }
    }

    impl Break for Pausing {
        fn next_page_token(&self) -> Option<&str> {
            Some("page-2")
        }
    }

    fn request() -> RequestContext {
        RequestContext::new("r1".into())
    }

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), 65_536).await.unwrap().to_vec()).unwrap()
    }

    fn accepting(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (header::ACCEPT, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn lines_are_for_those_who_name_them() {
        assert!(is_asked_for(&accepting(&["application/x-ndjson"])));
        assert!(is_asked_for(&accepting(&["text/html, Application/X-NDJSON;q=0.9"])));
        assert!(is_asked_for(&accepting(&["text/html", "application/x-ndjson"])));
        for other in [&[][..], &["*/*"], &["application/json"], &["application/x-ndjson-seq"]] {
            assert!(!is_asked_for(&accepting(other)), "{other:?}");
        }
    }

    #[tokio::test]
    async fn each_value_is_a_line() {
        let pages = stream::iter([Ok::<_, Away>(vec!["a\nb", "c"]), Ok(vec![]), Ok(vec!["d"])]);
        let response = respond(&request(), pages).await.unwrap();
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(text(response).await, "\"a\\nb\"\n\"c\"\n\"d\"\n");
        // A stream that panics when it is asked once more than it may be.
        let none = stream::unfold((), |()| async { None::<(Result<Vec<u8>, Away>, ())> });
        assert_eq!(text(respond(&request(), none).await.unwrap()).await, "");
    }

    #[tokio::test]
    async fn what_fails_first_is_a_problem_and_what_fails_later_is_the_last_line() {
        let at_once = stream::iter([Err::<Vec<u8>, _>(Away), Ok(vec![1])]);
        let problem = respond(&request(), at_once).await.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::UpstreamUnavailable);

        let later = stream::iter([Ok(vec![1]), Err(Away), Ok(vec![2]), Err(Away)]);
        let text = text(respond(&request(), later).await.unwrap()).await;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, "1"), "{text}");
        let last: Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(last.as_object().unwrap().len(), 1, "{last}");
        assert_eq!(last["error"]["code"], "upstream_unavailable");
        assert_eq!((&last["error"]["status"], &last["error"]["request_id"]), (&502.into(), &"r1".into()));
    }

    #[tokio::test]
    async fn the_last_line_tells_when_and_where_to_go_on() {
        let pages = stream::iter([Ok(vec![1]), Err(Pausing)]);
        let text = text(respond(&request(), pages).await.unwrap()).await;
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((&last["retry_after"], &last["next_page_token"]), (&7.into(), &"page-2".into()));
        assert_eq!(last["error"]["code"], "upstream_rate_limited");
    }

    #[tokio::test]
    async fn pages_are_asked_for_as_they_are_taken() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let endless = stream::repeat_with(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Away>(vec!["x"])
        });
        let response = respond(&request(), endless).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let mut body = response.into_body().into_data_stream();
        for _ in 0..3 {
            body.next().await.unwrap().unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }
}
