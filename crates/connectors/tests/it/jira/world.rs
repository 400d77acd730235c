//! A connection to a Jira that answers as it is told.

use std::sync::Arc;

use connectors::Context;
use connectors::http::{Http, Settings};
use connectors::jira::JiraConnector;
use model::Ambient;
use serde_json::{Value, json};

use crate::caller::{Fixed, choose_site, raw};
use crate::http::vendor::{FakeVendor, Turn};
use crate::http::world::{context, settings};

/// Where the API of the chosen site is.
pub(super) const ROOT: &str = "/ex/jira/1324a887/rest/api/3";

pub(super) struct World {
    pub(super) vendor: FakeVendor,
    pub(super) jira: JiraConnector,
    pub(super) context: Context,
}

impl World {
    /// A Jira that answers in these turns, and a connection that has chosen one of two sites.
    pub(super) async fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let vendor = FakeVendor::new(turns).await;
        let base_urls = [("jira".to_owned(), vendor.url.join("/").unwrap())].into();
        let http = Http::new(Settings { base_urls, ..settings() }, Ambient::system()).unwrap();
        let mut context = context("acme", "c1", Arc::new(Fixed("token-1".to_owned())));
        choose_site(&mut context, ["99aa", "1324a887"]);
        Self { vendor, jira: JiraConnector::new(&http), context }
    }

    /// The connection where the vendor's own answers are wanted, too.
    pub(super) fn raw(&self) -> Context {
        raw(&self.context)
    }

    /// What was asked: method, and path and query below the site's root.
    pub(super) fn lines(&self) -> Vec<String> {
        self.vendor.lines(ROOT)
    }

    /// The JSON that was sent with the call of this number, from 0.
    pub(super) fn sent(&self, call: usize) -> Value {
        assert_eq!(self.vendor.asked().swap_remove(call).header("authorization"), "Bearer token-1");
        self.vendor.sent(call)
    }
}

/// An answer without a body.
pub(super) fn empty() -> Turn {
    Turn::Answer(204, Vec::new(), Vec::new().into())
}

pub(super) fn person(id: &str, name: &str) -> Value {
    json!({"self": format!("https://acme.atlassian.net/rest/api/3/user?accountId={id}"), "accountId": id,
        "accountType": "atlassian", "displayName": name, "active": true, "timeZone": "Europe/Berlin"})
}

/// A document of one paragraph.
pub(super) fn document(words: &str) -> Value {
    json!({"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": words}]}]})
}

/// An issue as Jira tells it.
pub(super) fn issue(number: u32, summary: &str) -> Value {
    json!({
        "expand": "renderedFields,names,schema", "id": (10000 + number).to_string(), "key": format!("ACME-{number}"),
        "self": format!("https://api.atlassian.com/ex/jira/1324a887/rest/api/3/issue/{}", 10000 + number),
        "fields": {
            "summary": summary,
            "description": {"version": 1, "type": "doc", "content": [{"type": "paragraph", "content": [
                {"type": "text", "text": "It "}, {"type": "text", "text": "fails", "marks": [{"type": "strong"}]}]}]},
            "project": {"id": "10000", "key": "ACME", "name": "Acme shop", "simplified": false},
            "status": {"id": "3", "name": "In Arbeit", "statusCategory": {"id": 4, "key": "indeterminate", "name": "In Arbeit"}},
            "issuetype": {"id": "10002", "name": "Bug", "subtask": false, "hierarchyLevel": 0},
            "priority": {"id": "2", "name": "High"},
            "labels": ["checkout", "eu"],
            "components": [{"id": "1", "name": "Payments"}],
            "fixVersions": [],
            "assignee": person("5b10", "Ann"),
            "reporter": person("5b11", "Bob"),
            "creator": person("5b11", "Bob"),
            "created": "2026-11-20T09:00:00.000+0100",
            "updated": "2026-11-21T10:30:00.250+0000",
            "duedate": "2026-12-01",
            "parent": {"id": "10001", "key": "ACME-1", "fields": {"summary": "Checkout"}},
            "resolution": null,
            "resolutiondate": null,
            "customfield_10016": 5.0,
        },
    })
}
