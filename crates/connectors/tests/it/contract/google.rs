//! Gmail, Drive and Calendar.

use connectors::content::WantedContent;
use serde_json::json;

use super::Contract;
use super::exercise::{Samples, page};

pub(super) async fn gmail_is_called_as_google_describes_it() {
    let attachment = json!({"filename": "a.txt", "content": "aGVsbG8="});
    let samples = Samples {
        lists: vec![page(&[]), page(&[("label_ids", "INBOX,UNREAD"), ("include_spam_trash", "true")])],
        searches: vec![("subject:invoice", page(&[]))],
        items: vec!["m1"],
        made: vec![
            json!({"to": ["ann@example.com"], "subject": "Hello", "body": "Hello"}),
            json!({"to": ["ann@example.com"], "subject": "Hello", "body": "Hello", "html": "<p>Hello</p>",
                   "cc": ["ben@example.com"], "attachments": [attachment], "thread_id": "t1"}),
            json!({"to": ["ann@example.com"], "body": "Yes", "reply_to_message_id": "m1"}),
            json!({"to": ["ann@example.com"], "subject": "Long", "body": "a\n".repeat(600_000)}),
        ],
        contents: vec![
            ("m1", WantedContent::default()),
            ("m1", WantedContent { part: Some("string".into()), ..WantedContent::default() }),
        ],
        changes: vec![("m1", json!({"add_label_ids": ["L1"], "is_unread": false}))],
        ..Samples::default()
    };
    Contract::of("gmail", "").await.is_kept(&samples).await;
}

pub(super) async fn drive_is_called_as_google_describes_it() {
    let samples = Samples {
        lists: vec![
            page(&[]),
            page(&[("folder_id", "f1"), ("mime_type", "text/plain"), ("order_by", "modifiedTime desc")]),
            page(&[("drive_id", "d1"), ("include_trashed", "true")]),
        ],
        searches: vec![("report", page(&[])), ("name contains 'report'", page(&[]))],
        items: vec!["f1"],
        made: vec![
            json!({"title": "Folder", "mime_type": "application/vnd.google-apps.folder", "parent_ids": ["f0"]}),
            json!({"title": "a.txt", "text": "about", "mime_type": "text/plain", "content": "aGVsbG8=", "is_starred": true}),
        ],
        changes: vec![
            ("f1", json!({"title": "b.txt", "add_parent_ids": ["f2"], "remove_parent_ids": ["f0"]})),
            ("f1", json!({"content": "aGVsbG8=", "mime_type": "text/plain"})),
            ("f1", json!({"is_trashed": false})),
        ],
        // The document's example is none of Google's own documents, which alone are exported.
        contents: vec![("f1", WantedContent::default())],
        ..Samples::default()
    };
    Contract::of("drive", "").await.is_kept(&samples).await;
}

pub(super) async fn calendar_is_called_as_google_describes_it() {
    let (start, end) = ("2026-11-24T09:00:00Z", "2026-11-24T10:00:00Z");
    let samples = Samples {
        lists: vec![
            page(&[]),
            page(&[
                ("calendar_id", "team@group.calendar.google.com"),
                ("time_min", start),
                ("time_max", end),
                ("updated_after", start),
                ("show_deleted", "true"),
                ("order_by", "startTime"),
            ]),
            page(&[("single_events", "false"), ("order_by", "updated")]),
        ],
        searches: vec![("standup", page(&[]))],
        items: vec!["e1", "team@group.calendar.google.com:e1"],
        made: vec![
            json!({"title": "Standup", "text": "daily", "location": "Hall", "start": start, "end": end,
                   "attendees": ["ann@example.com"], "recurrence": ["RRULE:FREQ=DAILY"], "time_zone": "Europe/Berlin",
                   "send_updates": "all"}),
            json!({"title": "Holiday", "start": "2026-12-25", "end": "2026-12-26", "calendar_id": "c1"}),
        ],
        changes: vec![("e1", json!({"title": "Later", "etag": "\"1\"", "send_updates": "none"}))],
        ..Samples::default()
    };
    Contract::of("calendar", "").await.is_kept(&samples).await;
}
