//! Slack.

use serde_json::json;

use super::Contract;
use super::exercise::{Samples, page};

pub(super) async fn is_called_as_slack_describes_it() {
    const CHANNEL: &str = "C012AB3CD";
    const MESSAGE: &str = "C012AB3CD:1512085950.000216";
    let samples = Samples {
        lists: vec![
            page(&[("channel", CHANNEL)]),
            page(&[
                ("channel", CHANNEL),
                ("thread", MESSAGE),
                ("after", "2026-11-21T15:00:00Z"),
                ("before", "1800000000.000100"),
            ]),
        ],
        searches: vec![("release in:#general", page(&[]))],
        items: vec![MESSAGE],
        made: vec![
            json!({"channel": CHANNEL, "text": "hello"}),
            json!({"channel": CHANNEL, "text": "hello", "thread": MESSAGE, "reply_broadcast": true,
                   "unfurl_links": false, "blocks": [{"type": "divider"}]}),
        ],
        changes: vec![(MESSAGE, json!({"text": "bye"}))],
        channel: (CHANNEL, MESSAGE),
        ..Samples::default()
    };
    Contract::of("slack", "").await.is_kept(&samples).await;
    // With the search before that of today.
    Contract::of("slack", "").await.without("search:read.public").is_kept(&samples).await;
}
