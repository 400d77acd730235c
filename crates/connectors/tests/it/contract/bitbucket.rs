//! Bitbucket.

use serde_json::json;

use super::Contract;
use super::exercise::{Samples, page};

pub(super) async fn is_called_as_bitbucket_describes_it() {
    const SITE: &str = "acme:site";
    const FOOTER: &str = "acme:site:12";
    let samples = Samples {
        lists: vec![
            page(&[]),
            page(&[("workspace", "acme"), ("role", "contributor"), ("order_by", "-updated_on")]),
            page(&[("repository", SITE), ("order_by", "created_on")]),
            // The document has one state alone, though it says that there may be several.
            page(&[("repository", SITE), ("state", "open")]),
        ],
        searches: vec![
            ("site", page(&[("workspace", "acme")])),
            ("footer", page(&[("repository", SITE), ("state", "merged")])),
        ],
        items: vec![SITE, FOOTER],
        deleted: vec![SITE],
        made: vec![
            json!({"type": "repository", "workspace": "acme", "title": "Site", "text": "x", "project": "WEB",
                   "language": "rust", "fork_policy": "no_forks", "has_wiki": false}),
            json!({"type": "pull_request", "repository": SITE, "title": "Add a footer", "text": "*x*",
                   "source_branch": "footer", "source_repository": "ann:site", "destination_branch": "main",
                   "reviewers": ["{504c3b62-8120-4f0c-a7bc-87800b9d6f70}"], "close_source_branch": true}),
        ],
        changes: vec![
            (SITE, json!({"title": "Home", "text": "y", "is_private": false})),
            (FOOTER, json!({"title": "Footer", "destination_branch": "next", "reviewers": []})),
            (FOOTER, json!({"state": "merged", "merge_strategy": "squash", "message": "x"})),
            (FOOTER, json!({"state": "declined"})),
            (FOOTER, json!({"is_approved": true})),
            (FOOTER, json!({"is_approved": false})),
        ],
        spoken_about: FOOTER,
        ..Samples::default()
    };
    Contract::of("bitbucket", "").await.is_kept(&samples).await;
}
