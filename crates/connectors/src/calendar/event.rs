//! An event as an item: <https://developers.google.com/workspace/calendar/api/v3/reference/events#resource>

use serde::Deserialize;
use serde_json::{Map, Value};

use super::id::EventId;
use crate::answer::{moment, put};
use crate::{Author, Item};

/// An event. What an answer leaves out is empty, but for the id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    id: String,
    etag: Option<String>,
    status: Option<String>,
    html_link: Option<String>,
    created: Option<String>,
    updated: Option<String>,
    summary: Option<String>,
    description: Option<String>,
    location: Option<String>,
    creator: Option<Person>,
    organizer: Option<Person>,
    #[serde(default)]
    start: Moment,
    #[serde(default)]
    end: Moment,
    #[serde(default)]
    recurrence: Vec<String>,
    recurring_event_id: Option<String>,
    #[serde(default)]
    original_start_time: Moment,
    transparency: Option<String>,
    visibility: Option<String>,
    #[serde(rename = "eventType")]
    kind: Option<String>,
    #[serde(rename = "iCalUID")]
    ical_uid: Option<String>,
    #[serde(default)]
    attendees: Vec<Person>,
    hangout_link: Option<String>,
    #[serde(default)]
    conference_data: Conference,
}

/// A day, or a moment of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Moment {
    date: Option<String>,
    date_time: Option<String>,
    time_zone: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Person {
    id: Option<String>,
    email: Option<String>,
    display_name: Option<String>,
    response_status: Option<String>,
    organizer: bool,
    optional: bool,
    #[serde(rename = "self")]
    is_self: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conference {
    entry_points: Vec<EntryPoint>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EntryPoint {
    entry_point_type: String,
    uri: Option<String>,
}

/// The item that an event of this calendar is.
pub(super) fn item(event: &Event, calendar: &str, raw: Option<Value>) -> Item {
    let description = event.description.as_deref().filter(|text| !text.is_empty());
    let is_html = description.is_some_and(is_html);
    let text = description.map(|text| if is_html { crate::html::text(text) } else { text.to_owned() });
    let mut extra = extra(event, calendar);
    put(&mut extra, "html", description.filter(|_| is_html));
    Item {
        id: EventId { calendar, event: &event.id }.joined(),
        kind: "event",
        title: event.summary.clone(),
        text,
        url: event.html_link.clone(),
        author: event.creator.as_ref().or(event.organizer.as_ref()).map(author),
        container_id: Some(calendar.to_owned()),
        created_at: event.created.as_deref().and_then(moment),
        updated_at: event.updated.as_deref().and_then(moment),
        etag: event.etag.clone(),
        extra,
        raw,
    }
}

/// Descriptions are plain text or HTML, and nothing says which.
fn is_html(text: &str) -> bool {
    ["</", "<br", "<p>", "<b>"].iter().any(|tag| text.contains(tag))
}

fn author(person: &Person) -> Author {
    Author { id: person.id.clone(), name: person.display_name.clone(), email: person.email.clone() }
}

fn extra(event: &Event, calendar: &str) -> Map<String, Value> {
    let mut extra = Map::new();
    put(&mut extra, "event_id", event.id.as_str());
    put(&mut extra, "calendar_id", calendar);
    put(&mut extra, "status", event.status.as_deref());
    put(&mut extra, "start", event.start.text());
    put(&mut extra, "end", event.end.text());
    put(&mut extra, "is_all_day", event.start.date.is_some());
    put(&mut extra, "time_zone", event.start.time_zone.as_deref());
    put(&mut extra, "location", event.location.as_deref());
    put(&mut extra, "organizer", event.organizer.as_ref().map(person));
    put(&mut extra, "attendees", event.attendees.iter().map(person).collect::<Vec<_>>());
    put(&mut extra, "recurrence", event.recurrence.clone());
    put(&mut extra, "recurring_event_id", event.recurring_event_id.as_deref());
    put(&mut extra, "original_start", event.original_start_time.text());
    put(&mut extra, "meeting_url", event.meeting_url());
    put(&mut extra, "visibility", event.visibility.as_deref());
    put(&mut extra, "transparency", event.transparency.as_deref());
    put(&mut extra, "event_type", event.kind.as_deref());
    put(&mut extra, "ical_uid", event.ical_uid.as_deref());
    extra
}

fn person(person: &Person) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "email", person.email.as_deref());
    put(&mut fields, "name", person.display_name.as_deref());
    put(&mut fields, "response", person.response_status.as_deref());
    for (name, holds) in
        [("is_organizer", person.organizer), ("is_optional", person.optional), ("is_self", person.is_self)]
    {
        put(&mut fields, name, holds.then_some(true));
    }
    Value::Object(fields)
}

impl Moment {
    fn text(&self) -> Option<&str> {
        self.date_time.as_deref().or(self.date.as_deref())
    }
}

impl Event {
    fn meeting_url(&self) -> Option<&str> {
        let mut points = self.conference_data.entry_points.iter();
        let video =
            points.find(|point| point.entry_point_type == "video").and_then(|point| point.uri.as_deref());
        video.or(self.hangout_link.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(event: Value) -> Item {
        item(&serde_json::from_value(event).unwrap(), "primary", None)
    }

    #[test]
    fn descriptions_are_read_as_text() {
        let read = of(json!({"id": "e", "description": "<p>a &amp; b</p>"}));
        assert_eq!(read.text.as_deref().map(str::trim), Some("a & b"));
        assert_eq!(read.extra["html"], "<p>a &amp; b</p>");
        let plain = of(json!({"id": "e", "description": "1 < 2 & 3"}));
        assert_eq!((plain.text.as_deref(), plain.extra.get("html")), (Some("1 < 2 & 3"), None));
    }

    #[test]
    fn a_meeting_is_found_where_it_is_told() {
        let points = json!([{"entryPointType": "phone", "uri": "tel:1"}, {"entryPointType": "video", "uri": "https://m/1"}]);
        let read =
            of(json!({"id": "e", "hangoutLink": "https://h/1", "conferenceData": {"entryPoints": points}}));
        assert_eq!(read.extra["meeting_url"], "https://m/1");
        assert_eq!(of(json!({"id": "e", "hangoutLink": "https://h/1"})).extra["meeting_url"], "https://h/1");
    }
}
