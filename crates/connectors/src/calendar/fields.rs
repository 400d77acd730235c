//! What callers write of an event, in Google's words.

use serde_json::{Map, Value, json};

use crate::Error;
use crate::fields::Fields;

const KNOWN: [&str; 12] = [
    "calendar_id",
    "title",
    "text",
    "location",
    "start",
    "end",
    "time_zone",
    "attendees",
    "recurrence",
    "send_updates",
    "etag",
    "raw",
];

/// Whether an event is made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Create,
    Update,
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Written<'a> {
    /// The event, or what changes of it, in Google's words.
    pub(super) body: Map<String, Value>,
    /// The calendar that it is to be in.
    pub(super) calendar: Option<&'a str>,
    /// Who is told of it by mail.
    pub(super) send_updates: Option<&'a str>,
    /// The version that is to be changed, if it is still that one.
    pub(super) etag: Option<&'a str>,
}

/// Reads the fields of a body.
///
/// # Errors
/// [`Error::Invalid`] with all that is wrong.
pub(super) fn read(given: &Map<String, Value>, purpose: Purpose) -> Result<Written<'_>, Error> {
    let mut fields = Fields::new(given, &KNOWN);
    // What stands under its own name goes before the same in Google's words.
    let mut body = fields.object("raw").cloned().unwrap_or_default();
    for (name, theirs) in [("title", "summary"), ("text", "description"), ("location", "location")] {
        if let Some(text) = fields.text(name) {
            body.insert(theirs.to_owned(), text.into());
        }
    }
    let zone = fields.line("time_zone");
    for name in ["start", "end"] {
        if let Some(moment) = moment(&mut fields, name, zone, purpose) {
            body.insert(name.to_owned(), moment);
        } else if purpose == Purpose::Create && fields.value(name).is_none() && !body.contains_key(name) {
            fields.refuse(format!("/{name}"), "must be given");
        }
    }
    if let Some(attendees) = attendees(&mut fields) {
        body.insert("attendees".to_owned(), attendees);
    }
    let recurrence = fields.lines("recurrence");
    if fields.value("recurrence").is_some() {
        body.insert("recurrence".to_owned(), recurrence.into());
    }
    let send_updates = fields.one_of("send_updates", &["all", "externalOnly", "none"]);
    let (calendar, etag) = (fields.line("calendar_id"), fields.line("etag"));
    match purpose {
        Purpose::Create if etag.is_some() => fields.refuse("/etag", "is for changing an event"),
        Purpose::Update if calendar.is_some() => {
            fields.refuse("/calendar_id", "cannot be changed; the event's id tells its calendar");
        }
        Purpose::Update if body.is_empty() => fields.refuse("", "must change something"),
        _ => {}
    }
    fields.finish(Written { body, calendar, send_updates, etag })
}

/// A day, a moment with its offset, a moment on the clocks of `zone`, or an object in Google's words.
fn moment(fields: &mut Fields<'_>, name: &str, zone: Option<&str>, purpose: Purpose) -> Option<Value> {
    let value = fields.value(name)?;
    if value.is_object() {
        return Some(value.clone());
    }
    let text = value.as_str().unwrap_or_default();
    let is_day = text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
    let has_offset = text.parse::<jiff::Timestamp>().is_ok();
    let is_local = !has_offset && text.len() > 10 && text.parse::<jiff::civil::DateTime>().is_ok();
    let is_told = is_day || has_offset || (is_local && zone.is_some());
    if !is_told {
        let right =
            "must be like 2026-12-25, 2026-12-25T09:00:00+01:00, or 2026-12-25T09:00:00 with time_zone";
        fields.refuse(format!("/{name}"), right);
        return None;
    }
    let (theirs, other) = if is_day { ("date", "dateTime") } else { ("dateTime", "date") };
    let mut moment = json!({theirs: text});
    if let Some(moment) = moment.as_object_mut() {
        if purpose == Purpose::Update {
            // A change is merged into what there is, where only one of both may be.
            moment.insert(other.to_owned(), Value::Null);
        }
        if let (Some(zone), false) = (zone, is_day) {
            moment.insert("timeZone".to_owned(), zone.into());
        }
    }
    Some(moment)
}

/// Addresses, or objects with `email` and what else Google knows of an attendee.
fn attendees(fields: &mut Fields<'_>) -> Option<Value> {
    fields.value("attendees")?;
    let attendee = |each: &Value| match each {
        Value::String(email) if email.contains('@') => Some(json!({"email": email})),
        Value::Object(person) if person.get("email").is_some_and(Value::is_string) => Some(each.clone()),
        _ => None,
    };
    let read: Vec<Option<Value>> = fields.list("attendees").iter().map(attendee).collect();
    for (index, each) in read.iter().enumerate() {
        if each.is_none() {
            fields
                .refuse(format!("/attendees/{index}"), "must be an e-mail address, or an object with email");
        }
    }
    Some(read.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn of(given: &Value, purpose: Purpose) -> Result<Value, Vec<String>> {
        let read = read(given.as_object().unwrap(), purpose).map(|written| Value::Object(written.body));
        read.map_err(|error| error.violations().into_iter().map(|each| each.pointer).collect())
    }

    #[test]
    fn moments_are_days_or_have_a_place() {
        let made = |start: Value| {
            of(&json!({"start": start, "end": "2026-12-26", "time_zone": "Europe/Warsaw"}), Purpose::Create)
        };
        for (start, expected) in [
            (json!("2026-12-25"), json!({"date": "2026-12-25"})),
            (
                json!("2026-12-25T09:00:00Z"),
                json!({"dateTime": "2026-12-25T09:00:00Z", "timeZone": "Europe/Warsaw"}),
            ),
            (
                json!("2026-12-25T09:00:00"),
                json!({"dateTime": "2026-12-25T09:00:00", "timeZone": "Europe/Warsaw"}),
            ),
            (json!({"date": "2026-12-25"}), json!({"date": "2026-12-25"})),
        ] {
            assert_eq!(made(start).unwrap()["start"], expected);
        }
        for wrong in [json!("tomorrow"), json!("2026-13-01"), json!(7), json!("")] {
            assert_eq!(made(wrong), Err(vec!["/start".to_owned()]));
        }
        let nowhere = json!({"start": "2026-12-25T09:00:00", "end": "2026-12-25"});
        assert_eq!(of(&nowhere, Purpose::Create), Err(vec!["/start".to_owned()]));
    }

    #[test]
    fn a_change_replaces_the_other_kind_of_moment() {
        let changed = of(&json!({"start": "2026-12-25", "raw": {"colorId": "7"}}), Purpose::Update);
        assert_eq!(
            changed.unwrap(),
            json!({"colorId": "7", "start": {"date": "2026-12-25", "dateTime": null}})
        );
    }

    #[test]
    fn what_is_wrong_is_told_at_once() {
        let wrong =
            json!({"titel": "x", "attendees": ["a@b.example", 7], "send_updates": "some", "etag": "1"});
        assert_eq!(
            of(&wrong, Purpose::Create).unwrap_err(),
            ["/titel", "/start", "/end", "/attendees/1", "/send_updates", "/etag"]
        );
        assert_eq!(of(&json!({}), Purpose::Update).unwrap_err(), [""]);
        assert_eq!(of(&json!({"calendar_id": "x"}), Purpose::Update).unwrap_err(), ["/calendar_id"]);
    }
}
