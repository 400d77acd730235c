//! Bytes that others made, handed on as they come: to be saved, and never to be taken for a page of this server.

use std::time::{Duration, Instant};

use ::connectors::content::File;
use ::connectors::{Error, content};
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, HeaderValue, header};
use tracing::{Instrument as _, Span};

use crate::problem::Problem;

/// How long bytes may be under way in all. Within it, a vendor that sends nothing and a client that takes nothing are
/// given up much earlier.
pub(super) const DEADLINE: Duration = Duration::from_hours(1);

/// A page of this must do nothing and be nobody, should a browser show it all the same.
const POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

/// The longest name that a file is given, in characters.
const MAX_NAME: usize = 180;

/// The answer that gives a file.
///
/// Its first bytes are waited for, so that what fails there is answered as any other problem. What fails later breaks the
/// answer off, which ends the connection: no client can take it for whole. The log says how it ended.
///
/// # Errors
/// What fails before the first byte.
pub(super) async fn respond(file: File) -> Result<Response, Problem> {
    let File { name, media_type, length, mut bytes } = file;
    let first = bytes.next().await.transpose()?;
    let body = Body::from_stream(sent(first, bytes, DEADLINE));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type(&media_type));
    headers.insert(header::CONTENT_DISPOSITION, disposition(name.as_deref()));
    fence(headers);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(response)
}

/// Says of an answer that it is foreign: it is kept nowhere, and is taken for nothing but what it says it is.
pub(super) fn fence(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Why what was sent is not whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum Break {
    #[error(transparent)]
    Vendor(#[from] Error),
    #[error("it was under way for longer than it may be")]
    Late,
}

/// The first bytes and the others, until the deadline, counted for the log.
pub(super) fn sent(
    first: Option<Bytes>,
    rest: BoxStream<'static, Result<Bytes, Error>>,
    deadline: Duration,
) -> impl futures::Stream<Item = Result<Bytes, Break>> + Send + use<> {
    let until = tokio::time::Instant::now() + deadline;
    let rest = stream::unfold(Some(rest), move |rest| async move {
        let mut rest = rest?;
        match tokio::time::timeout_at(until, rest.next()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(rest))),
            Ok(Some(Err(error))) => Some((Err(Break::Vendor(error)), None)),
            Ok(None) => None,
            Err(_) => Some((Err(Break::Late), None)),
        }
    });
    let pieces = stream::iter(first.map(Ok)).chain(rest).boxed();
    stream::unfold((pieces, Way::begin()), |(mut pieces, mut way)| async move {
        // What is logged meanwhile is of the request, whose handler is long done.
        let piece = pieces.next().instrument(way.span.clone()).await;
        way.note(piece.as_ref());
        Some((piece?, (pieces, way)))
    })
}

/// How far a file has come. When it goes, the log has it.
struct Way {
    span: Span,
    began: Instant,
    bytes: u64,
    end: &'static str,
}

impl Way {
    fn begin() -> Self {
        // So it stays where the client goes away, or the server.
        Self { span: Span::current(), began: Instant::now(), bytes: 0, end: "given up" }
    }

    fn note(&mut self, piece: Option<&Result<Bytes, Break>>) {
        match piece {
            Some(Ok(piece)) => self.bytes += u64::try_from(piece.len()).unwrap_or(u64::MAX),
            Some(Err(error)) => {
                self.end = "broken off";
                self.span.in_scope(
                    || tracing::warn!(%error, "a vendor's answer broke off while it was passed on"),
                );
            }
            None => self.end = "whole",
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (bytes, end) = (self.bytes, self.end);
        self.span
            .in_scope(|| tracing::info!(end, bytes, duration_ms, "a vendor's answer has been passed on"));
    }
}

/// The media type, if it is one.
fn content_type(media_type: &str) -> HeaderValue {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
    let is_one = essence.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
    let given = HeaderValue::from_str(media_type).ok().filter(|_| is_one && media_type.is_ascii());
    given.unwrap_or(HeaderValue::from_static(content::BINARY))
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// To be saved under this name: in ASCII for those who know no better, and whole (RFC 6266, RFC 8187).
fn disposition(name: Option<&str>) -> HeaderValue {
    let plain = HeaderValue::from_static("attachment");
    let name: String = name.map(safe).unwrap_or_default();
    if name.is_empty() {
        return plain;
    }
    let ascii: String = name
        .chars()
        .map(|letter| if letter.is_ascii() && !matches!(letter, '"' | '%') { letter } else { '_' })
        .collect();
    let whole = if ascii == name { String::new() } else { format!("; filename*=UTF-8''{}", extended(&name)) };
    HeaderValue::from_str(&format!("attachment; filename=\"{ascii}\"{whole}")).unwrap_or(plain)
}

/// A name that leads nowhere and reads as it is: no path, no hidden file, nothing that turns the direction of writing.
fn safe(name: &str) -> String {
    let is_unseen = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let seen = name.chars().filter(|letter| !is_unseen(*letter));
    let parted = seen.map(|letter| if matches!(letter, '/' | '\\' | ':') { '_' } else { letter });
    let text: String = parted.collect();
    let text = text.trim().trim_start_matches('.').trim();
    let count = text.chars().count();
    // What is too long keeps its end, by which programs know it.
    let (head, tail) = (MAX_NAME.saturating_sub(20), count.saturating_sub(20));
    let kept = |at: usize| count <= MAX_NAME || at < head || at >= tail;
    text.chars().enumerate().filter(|(at, _)| kept(*at)).map(|(_, letter)| letter).collect()
}

/// RFC 8187, section 3.2.
fn extended(text: &str) -> String {
    use std::fmt::Write as _;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte);
    text.bytes().fold(String::new(), |mut written, byte| {
        if is_plain(byte) {
            written.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(written, "%{byte:02X}");
        }
        written
    })
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures::TryStreamExt as _;
    use model::ErrorCode;

    use super::*;

    fn away() -> Error {
        Error::NotFound { what: "file", id: "f".into() }
    }

    fn file(pieces: Vec<Result<&'static str, Error>>) -> File {
        let pieces = stream::iter(pieces).map_ok(|text| Bytes::from_static(text.as_bytes()));
        let (name, media_type) = (Some("Plan.html".into()), "text/html; charset=utf-8".into());
        File { name, media_type, length: Some(6), bytes: pieces.boxed() }
    }

    #[tokio::test]
    async fn a_file_is_for_saving() {
        let response = respond(file(vec![Ok("abc"), Ok(""), Ok("def")])).await.unwrap();
        let header = |name: header::HeaderName| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header(header::CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header(header::CONTENT_DISPOSITION), "attachment; filename=\"Plan.html\"");
        assert_eq!(header(header::CONTENT_LENGTH), "6");
        assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header(header::CACHE_CONTROL), "no-store");
        assert!(header(header::CONTENT_SECURITY_POLICY).contains("sandbox"));
        assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "abcdef");
        let empty = File { length: None, ..file(vec![]) };
        let response = respond(empty).await.unwrap();
        assert!(!response.headers().contains_key(header::CONTENT_LENGTH));
        assert_eq!(to_bytes(response.into_body(), 100).await.unwrap(), "");
    }

    #[tokio::test]
    async fn what_fails_first_is_a_problem_and_what_fails_later_breaks_off() {
        let problem = respond(file(vec![Err(away()), Ok("abc")])).await.unwrap_err();
        assert_eq!(problem.code(), ErrorCode::NotFound);
        let response = respond(file(vec![Ok("abc"), Err(away()), Ok("def")])).await.unwrap();
        let pieces: Vec<_> = response.into_body().into_data_stream().collect().await;
        assert_eq!((pieces.len(), pieces[0].as_ref().unwrap().as_ref()), (2, &b"abc"[..]));
        assert!(pieces[1].is_err(), "and nothing after it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_does_not_take_for_ever() {
        let slow = stream::repeat(()).then(|()| async {
            tokio::time::sleep(Duration::from_secs(7)).await;
            Ok(Bytes::from_static(b"x"))
        });
        let began = tokio::time::Instant::now();
        let pieces: Vec<_> = sent(None, slow.boxed(), DEADLINE).collect().await;
        assert!(matches!(pieces.last(), Some(Err(Break::Late))));
        assert_eq!((pieces.len(), began.elapsed()), (515, DEADLINE));
    }

    #[test]
    fn names_are_told_in_two_ways_and_lead_nowhere() {
        for (name, told) in [
            ("a b.pdf", "attachment; filename=\"a b.pdf\""),
            ("", "attachment"),
            ("..", "attachment"),
            ("../../etc/passwd", "attachment; filename=\"_.._etc_passwd\""),
            ("C:\\x.exe", "attachment; filename=\"C__x.exe\""),
            (".bashrc", "attachment; filename=\"bashrc\""),
            ("a\r\nSet-Cookie: x=1", "attachment; filename=\"aSet-Cookie_ x=1\""),
            ("\u{202e}fdp.exe", "attachment; filename=\"fdp.exe\""),
            ("a\"b%41.txt", "attachment; filename=\"a_b_41.txt\"; filename*=UTF-8''a%22b%2541.txt"),
            ("ż€.csv", "attachment; filename=\"__.csv\"; filename*=UTF-8''%C5%BC%E2%82%AC.csv"),
        ] {
            assert_eq!(disposition(Some(name)), told, "{name:?}");
        }
        assert_eq!(disposition(None), "attachment");
        let long = disposition(Some(&format!("{}.pdf", "x".repeat(5000))));
        assert!(long.len() < 250 && long.to_str().unwrap().ends_with(".pdf\""), "{long:?}");
    }

    #[test]
    fn only_media_types_are_told_as_such() {
        for kept in ["text/csv", "text/plain; charset=iso-8859-2", "application/vnd.a+json"] {
            assert_eq!(content_type(kept), kept);
        }
        for other in ["", "text", "text/", "te xt/plain", "text/plain\r\nx: y", "text/ż", "text/plain; a=ż"]
        {
            assert_eq!(content_type(other), content::BINARY, "{other:?}");
        }
    }
}
