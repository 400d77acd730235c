//! Answers without an end: events as they come, in `text/event-stream`.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>
//!
//! The frames are written here, and not by axum, because the form of an event is made once for all who follow it.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use events::feed::{Follower, Shape, Step, Told};
use futures::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use model::{Ambient, ErrorCode};
use storage::LoggedEvent;
use tokio::time::Instant;

use crate::App;
use crate::extract::Standing;
use crate::layers::AsItIs;
use crate::problem::Problem;

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "text/event-stream";
/// How often something is said at least, so that neither side nor a proxy between takes the other for gone. The credential is
/// looked at as often.
const BEAT: Duration = Duration::from_secs(15);
/// How long a stream lasts at least, and what a random part of is added. Then the client asks again, perhaps elsewhere.
const LASTS: Duration = Duration::from_mins(9);
const LASTS_LONGER: Duration = Duration::from_mins(2);
/// How long a client is to wait before it asks again, at least, and what a random part of is added, so that they do not all come
/// at once when a server ends.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_LONGER: Duration = Duration::from_secs(2);
/// How long a stream waits for the database to come back.
const PATIENCE: Duration = Duration::from_secs(30);

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Where a stream is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Now.
    Now,
    /// Behind this place.
    After(i64),
    /// Now, and the client is to know that it has missed something: the place that it names is none.
    Anew,
}

impl Begin {
    /// What a request says: `Last-Event-ID`, which a client sends by itself when it asks again, or else `after`.
    pub(crate) fn of(parts: &Parts, after: Option<&str>) -> Result<Self, Problem> {
        if let Some(last) = parts.headers.get(&LAST_EVENT_ID).filter(|last| !last.is_empty()) {
            return Ok(last.to_str().ok().and_then(place).map_or(Self::Anew, Self::After));
        }
        match after.filter(|after| !after.is_empty()) {
            None => Ok(Self::Now),
            Some(after) => {
                let detail = "after must be the id of an event of a stream, or the next of GET /events";
                place(after).map(Self::After).ok_or_else(|| Problem::new(ErrorCode::InvalidRequest, detail))
            }
        }
    }

    /// The place, where there is one.
    pub(crate) fn place(self) -> Option<i64> {
        match self {
            Self::After(place) => Some(place),
            Self::Now | Self::Anew => None,
        }
    }
}

/// A place of the log as the wire has it.
pub(crate) fn place(text: &str) -> Option<i64> {
    text.parse().ok().filter(|place| *place >= 0)
}

/// The frame of an event whose data is `json`, on one line.
pub(crate) fn frame(place: i64, json: &str) -> Bytes {
    format!("id: {place}\ndata: {json}\n\n").into()
}

/// How the events of a stream are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// What they are to be.
    pub(crate) shape: Shape,
    /// Makes a frame.
    pub(crate) make: fn(&LoggedEvent) -> Bytes,
}

/// The answer that gives what `follower` is given, until the server ends, the `standing` does, or it has lasted for long.
pub(crate) fn respond(
    app: &App,
    (follower, begin): (Follower, Begin),
    form: Form,
    standing: Option<Standing>,
) -> Response {
    let now = Instant::now();
    let ambient = app.ambient().clone();
    let stream = Stream {
        said: None,
        is_anew: begin == Begin::Anew,
        beat: now + BEAT,
        end: now + LASTS + ambient.part_of(LASTS_LONGER),
        patient_until: None,
        follower,
        form,
        standing,
        ambient,
    };
    let frames = stream::unfold(stream, |mut stream| async move {
        let frame = stream.next().await?;
        Some((Ok::<_, Infallible>(frame), stream))
    });
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies such as nginx are not to gather it.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    let mut response = (headers, Body::from_stream(frames)).into_response();
    response.extensions_mut().insert(AsItIs);
    response
}

struct Stream {
    follower: Follower,
    form: Form,
    standing: Option<Standing>,
    ambient: Ambient,
    /// The place that the client knows; `None` before anything was said.
    said: Option<i64>,
    is_anew: bool,
    beat: Instant,
    end: Instant,
    patient_until: Option<Instant>,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        if self.said.is_none() {
            return Some(self.first());
        }
        loop {
            let now = Instant::now();
            if now >= self.end {
                return None;
            }
            if now >= self.beat {
                self.beat = now + BEAT;
                return self.alive().await;
            }
            match tokio::time::timeout_at(self.beat.min(self.end), self.follower.next()).await {
                Err(_) => {}
                Ok(Ok(step)) => {
                    self.patient_until = None;
                    return self.said(step);
                }
                Ok(Err(error)) => {
                    let until = *self.patient_until.get_or_insert(now + PATIENCE);
                    tracing::warn!(error = &error as &dyn std::error::Error, "a stream of events waits");
                    if now >= until {
                        return None;
                    }
                    tokio::time::sleep(RETRY + self.ambient.part_of(RETRY_LONGER)).await;
                }
            }
        }
    }

    /// What is said at once: where the stream begins, so that a client that is cut off before anything has happened misses nothing.
    fn first(&mut self) -> Bytes {
        let place = self.follower.place();
        self.said = Some(place);
        let retry = (RETRY + self.ambient.part_of(RETRY_LONGER)).as_millis();
        let reset = if self.is_anew { reset(place) } else { String::new() };
        format!("retry: {retry}\nid: {place}\n\n{reset}").into()
    }

    fn said(&mut self, step: Step) -> Option<Bytes> {
        match step {
            Step::Event(told) => Some(self.event(&told)),
            Step::Missed { oldest } => {
                self.said = Some(oldest);
                Some(reset(oldest).into())
            }
            Step::Ended => None,
        }
    }

    fn event(&mut self, told: &Told) -> Bytes {
        self.said = Some(told.event().seq);
        told.form(self.form.shape, self.form.make)
    }

    /// A sign of life, with the place if it has moved; none where the credential has ended.
    async fn alive(&mut self) -> Option<Bytes> {
        // Boxed, as it is seldom asked and would make every stream larger.
        if let Some(standing) = &self.standing
            && !Box::pin(standing.holds()).await
        {
            return None;
        }
        let place = self.follower.place();
        if self.said.is_some_and(|said| place > said) {
            self.said = Some(place);
            return Some(format!("id: {place}\n\n").into());
        }
        Some(Bytes::from_static(b":\n\n"))
    }
}

/// Tells that some events are not told any more.
fn reset(oldest: i64) -> String {
    format!("event: reset\nid: {oldest}\ndata: {{\"oldest\":\"{oldest}\"}}\n\n")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn begin(last: Option<&str>, after: Option<&str>) -> Option<Begin> {
        let request =
            last.iter().fold(Request::builder(), |request, last| request.header("last-event-id", *last));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Begin::of(&parts, after).ok()
    }

    #[test]
    fn a_stream_begins_where_the_client_has_come_to() {
        assert_eq!(begin(None, None), Some(Begin::Now));
        assert_eq!(begin(None, Some("")), Some(Begin::Now));
        assert_eq!(begin(Some(""), Some("7")), Some(Begin::After(7)));
        assert_eq!(begin(Some("9"), Some("7")), Some(Begin::After(9)), "the client has gone on since");
        // What an id is that was never given cannot be gone on from; who writes a wrong address is told.
        for last in ["x", "-1", "1e3", "99999999999999999999"] {
            assert_eq!(begin(Some(last), None), Some(Begin::Anew), "{last}");
            assert_eq!(begin(None, Some(last)), None, "{last}");
        }
    }

    #[test]
    fn frames_are_as_event_streams_are_written() {
        assert_eq!(frame(7, "{}"), "id: 7\ndata: {}\n\n");
        assert_eq!(reset(3), "event: reset\nid: 3\ndata: {\"oldest\":\"3\"}\n\n");
    }
}
