//! Google Calendar: as it is emulated, with events in it, and for its gaps as told.

use connectors::calendar::CalendarConnector;
use connectors::connector::{Connector as _, Data as _, Listing};
use connectors::containers::Containers as _;
use model::{Coded as _, ErrorCode};
use serde_json::{Value, json};
use testkit::Emulate;

use super::world::World;
use crate::caller::{fields, filtered, ids, pages_of};
use crate::http::vendor::{FakeVendor, Turn, good, status};

async fn emulated() -> (World<Emulate>, CalendarConnector) {
    let world = World::emulated().await;
    let calendar = CalendarConnector::new(&world.http);
    (world, calendar)
}

async fn fake(turns: impl IntoIterator<Item = Turn>) -> (World<FakeVendor>, CalendarConnector) {
    let world = World::fake(turns).await;
    let calendar = CalendarConnector::new(&world.http);
    (world, calendar)
}

fn event() -> Value {
    json!({
        "kind": "calendar#event", "id": "e1", "etag": "\"33\"", "status": "confirmed", "summary": "Review",
        "htmlLink": "https://calendar.google.com/e1", "created": "2026-11-01T10:00:00.000Z",
        "updated": "2026-11-02T10:00:00.500Z", "creator": {"email": "ben@example.com"},
        "organizer": {"email": "ann@example.com", "self": true}, "start": {"date": "2026-12-25"},
        "end": {"date": "2026-12-26"}, "recurrence": ["RRULE:FREQ=YEARLY"], "iCalUID": "u1", "colorId": "7",
        "attendees": [{"email": "ben@example.com", "optional": true, "responseStatus": "accepted"}],
    })
}

#[tokio::test]
async fn events_are_listed_page_by_page() {
    let (world, calendar) = emulated().await;
    calendar.test(&world.context).await.unwrap();
    let first = calendar.list(&world.context, &pages_of(1)).await.unwrap();
    assert_eq!(ids(&first.items), ["event-1"]);
    let review = &first.items[0];
    assert_eq!((review.kind, review.title.as_deref()), ("event", Some("Review of the quarter")));
    assert_eq!(review.text.as_deref(), Some("Figures for October"));
    assert_eq!(review.container_id.as_deref(), Some("primary"));
    assert_eq!((&review.extra["location"], &review.extra["is_all_day"]), (&json!("Room 4"), &json!(false)));
    assert_eq!(review.extra["start"], "2026-11-24T09:00:00.000Z");
    assert_eq!(review.extra["attendees"][1]["name"], "Ben Baker");
    assert!(review.etag.is_some() && review.updated_at.is_some());
    let listing = Listing { cursor: first.next, ..pages_of(1) };
    let second = calendar.list(&world.context, &listing).await.unwrap();
    assert_eq!((ids(&second.items), second.next), (vec!["event-2"], None));
    assert_eq!(second.items[0].extra["is_all_day"], true);
    assert_eq!(second.items[0].extra["start"], "2026-12-25");
}

#[tokio::test]
async fn events_are_found_and_narrowed() {
    let (world, calendar) = emulated().await;
    let found = calendar.search(&world.context, "october", &pages_of(50)).await.unwrap();
    assert_eq!(ids(&found.items), ["event-1"]);
    let team = calendar.list(&world.context, &filtered(&[("calendar_id", "team")])).await.unwrap();
    assert_eq!(ids(&team.items), ["team:event-3"]);
    let late =
        calendar.list(&world.context, &filtered(&[("time_min", "2026-12-01T00:00:00+01:00")])).await.unwrap();
    assert_eq!(ids(&late.items), ["event-2"]);
    let nowhere = calendar.list(&world.context, &filtered(&[("calendar_id", "none")])).await.unwrap_err();
    assert_eq!(nowhere.to_string(), "there is no calendar none");
    // https://developers.google.com/workspace/calendar/api/v3/reference/events/list#orderBy
    let mut unordered = filtered(&[("single_events", "false")]);
    unordered.filters.insert("order_by", "startTime".to_owned());
    for wrong in [
        filtered(&[("time_min", "today")]),
        filtered(&[("order_by", "size")]),
        filtered(&[("single_events", "1")]),
        unordered,
    ] {
        let error = calendar.list(&world.context, &wrong).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ValidationFailed, "{wrong:?}");
    }
}

#[tokio::test]
async fn calendars_are_listed() {
    let (world, calendar) = emulated().await;
    let all = calendar.containers(&world.raw(), &pages_of(50)).await.unwrap();
    let told: Vec<_> = all.items.iter().map(|each| (each.id.as_str(), each.name.as_str())).collect();
    assert_eq!(told, [("primary", "ann@example.com"), ("team", "Team")]);
    assert_eq!((all.items[1].kind, &all.items[1].extra["time_zone"]), ("calendar", &json!("UTC")));
    assert_eq!(all.items[0].extra["is_primary"], true);
    assert_eq!(all.items[0].raw.as_ref().unwrap()["kind"], "calendar#calendarListEntry");
}

#[tokio::test]
async fn calendars_come_page_by_page() {
    let entry = json!({
        "id": "c1", "summary": "Holidays", "summaryOverride": "Free days", "description": "Of Poland",
        "timeZone": "Europe/Warsaw", "accessRole": "reader", "selected": true,
    });
    let turns = [good(&json!({"items": [entry], "nextPageToken": "p2"})), good(&json!({"etag": "1"}))];
    let (world, calendar) = fake(turns).await;
    let first = calendar.containers(&world.context, &pages_of(7)).await.unwrap();
    assert_eq!(
        (first.items[0].name.as_str(), first.items[0].text.as_deref()),
        ("Free days", Some("Of Poland"))
    );
    assert_eq!(
        Value::Object(first.items[0].extra.clone()),
        json!({"time_zone": "Europe/Warsaw", "access_role": "reader", "is_primary": false})
    );
    let last = Listing { cursor: first.next, ..pages_of(7) };
    let last = calendar.containers(&world.context, &last).await.unwrap();
    assert_eq!((last.items.len(), last.next), (0, None));
    assert_eq!(
        world.lines(),
        [
            "GET /calendar/v3/users/me/calendarList?maxResults=7",
            "GET /calendar/v3/users/me/calendarList?maxResults=7&pageToken=p2",
        ]
    );
    world.vendor.then([good(&json!({}))]);
    let api = calendar.surfaces().raw.unwrap().api(&world.context).unwrap();
    api.get(["colors"]).done().await.unwrap();
    assert_eq!(world.lines()[2], "GET /calendar/v3/colors");
}

#[tokio::test]
async fn what_is_made_is_found_until_it_is_deleted() {
    let (world, calendar) = emulated().await;
    let lunch = fields(json!({
        "calendar_id": "team", "title": "Lunch", "text": "With Łukasz", "location": "Café", "time_zone": "UTC",
        "start": "2026-11-26T12:00:00", "end": "2026-11-26T13:00:00Z", "attendees": ["lukasz@example.org"],
    }));
    let made = calendar.create(&world.raw(), &lunch).await.unwrap();
    assert!(made.id.starts_with("team:") && made.raw.is_some());
    assert_eq!(made.extra["attendees"][0]["email"], "lukasz@example.org");
    let team = filtered(&[("calendar_id", "team")]);
    let found = calendar.search(&world.context, "łukasz", &team).await.unwrap();
    assert_eq!(ids(&found.items), [made.id.as_str()]);
    calendar.delete(&world.context, &made.id).await.unwrap();
    assert_eq!(ids(&calendar.list(&world.context, &team).await.unwrap().items), ["team:event-3"]);
    let again = calendar.delete(&world.context, &made.id).await.unwrap_err();
    assert_eq!(again.to_string(), format!("there is no event {}", made.id));
}

#[tokio::test]
async fn an_event_is_complete_where_all_is_wanted() {
    let (world, calendar) = fake([good(&event()), good(&event())]).await;
    let item = calendar.get(&world.raw(), "team@group.calendar.google.com:e1").await.unwrap();
    assert_eq!(world.lines(), ["GET /calendar/v3/calendars/team@group.calendar.google.com/events/e1"]);
    assert_eq!(item.raw, Some(event()));
    assert_eq!(item.etag.as_deref(), Some("\"33\""));
    assert_eq!(item.author.unwrap().email.as_deref(), Some("ben@example.com"));
    assert_eq!(item.updated_at.unwrap().to_string(), "2026-11-02T10:00:00.500Z");
    assert_eq!(item.url.as_deref(), Some("https://calendar.google.com/e1"));
    assert_eq!(
        Value::Object(item.extra),
        json!({
            "event_id": "e1", "calendar_id": "team@group.calendar.google.com", "status": "confirmed",
            "start": "2026-12-25", "end": "2026-12-26", "is_all_day": true,
            "organizer": {"email": "ann@example.com", "is_self": true},
            "attendees": [{"email": "ben@example.com", "response": "accepted", "is_optional": true}],
            "recurrence": ["RRULE:FREQ=YEARLY"], "ical_uid": "u1",
        })
    );
    assert_eq!(calendar.get(&world.context, "e1").await.unwrap().raw, None);
}

#[tokio::test]
async fn a_change_is_made_only_to_the_version_that_was_read() {
    let stale = json!({"error": {"code": 412, "message": "Precondition Failed", "errors": [{"reason": "conditionNotMet"}]}});
    let (world, calendar) = fake([good(&event()), status(412, &stale), good(&event())]).await;
    let change =
        fields(json!({"title": "New", "start": "2026-12-24", "etag": "\"33\"", "send_updates": "all"}));
    let changed = calendar.update(&world.context, "e1", &change).await.unwrap();
    assert_eq!(changed.id, "e1");
    let asked = &world.vendor.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.uri.to_string().as_str(), asked.header("if-match")),
        ("PATCH", "/calendar/v3/calendars/primary/events/e1?sendUpdates=all", "\"33\"")
    );
    assert_eq!(world.sent(0), json!({"summary": "New", "start": {"date": "2026-12-24", "dateTime": null}}));
    let error = calendar.update(&world.context, "e1", &change).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::Conflict, 2));
    assert!(error.to_string().ends_with("Precondition Failed"), "{error}");
    let meet = fields(json!({"raw": {"conferenceData": {"createRequest": {"requestId": "r"}}}}));
    calendar.update(&world.context, "e1", &meet).await.unwrap();
    assert!(world.lines()[2].ends_with("/events/e1?conferenceDataVersion=1"));
    assert_eq!(world.vendor.asked()[2].header("if-match"), "");
}

#[tokio::test]
async fn troubles_are_told_apart() {
    let reason =
        |reason: &str| json!({"error": {"code": 403, "message": "No.", "errors": [{"reason": reason}]}});
    let limited = || status(403, &reason("rateLimitExceeded"));
    for (turns, code) in [
        (vec![limited(), limited(), limited()], ErrorCode::UpstreamRateLimited),
        (vec![status(403, &reason("insufficientPermissions"))], ErrorCode::InsufficientScope),
        (vec![status(403, &reason("forbiddenForNonOrganizer"))], ErrorCode::UpstreamRejected),
        (vec![status(410, &reason("deleted"))], ErrorCode::NotFound),
    ] {
        let (world, calendar) = fake(turns).await;
        assert_eq!(calendar.delete(&world.context, "e1").await.unwrap_err().code(), code);
    }
}

#[tokio::test]
async fn a_page_may_be_empty_and_not_the_last() {
    let (world, calendar) =
        fake([good(&json!({"nextPageToken": "p2"})), good(&json!({"items": [event()]}))]).await;
    let first = calendar.list(&world.context, &pages_of(10)).await.unwrap();
    assert_eq!((first.items.len(), first.next.as_deref()), (0, Some("p2")));
    let listing = Listing { cursor: first.next, ..filtered(&[("order_by", "startTime")]) };
    let second = calendar.list(&world.context, &listing).await.unwrap();
    assert_eq!((ids(&second.items), second.next), (vec!["e1"], None));
    assert_eq!(
        world.lines()[1],
        "GET /calendar/v3/calendars/primary/events?maxResults=50&singleEvents=true&pageToken=p2&orderBy=startTime"
    );
}

#[tokio::test]
async fn making_is_not_repeated() {
    let (world, calendar) = fake([status(503, &json!({}))]).await;
    let day = fields(json!({"title": "x", "start": "2026-12-25", "end": "2026-12-26"}));
    let error = calendar.create(&world.context, &day).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::UpstreamUnavailable, 1));
    let error = calendar.create(&world.context, &fields(json!({"title": "x"}))).await.unwrap_err();
    assert_eq!((error.code(), world.vendor.calls()), (ErrorCode::ValidationFailed, 1));
}
