//! Every endpoint that the document lists.

use std::cell::RefCell;
use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::{Documented, USER, callback};
use crate::deployment::{Answer, each, on_both_backends};

on_both_backends!(each_documented_endpoint_is_there);

/// As they stand in the document.
const ENDPOINTS: &str = "
GET  /api/v1/unified/auth/{provider}/url      # Get OAuth URL
GET  /api/v1/unified/auth/{provider}/callback # Handle OAuth callback
GET  /api/v1/unified/auth/{provider}/validate # Validate tokens
GET  /api/v1/unified/auth/{provider}/refresh  # Refresh tokens
DELETE /api/v1/unified/auth/{provider}/revoke # Revoke tokens
GET  /api/v1/unified/auth/status              # Get user status
GET  /api/v1/unified/auth/providers           # List available providers

GET  /api/v1/unified/connectors               # List available connectors
GET  /api/v1/unified/connectors/{provider}/test      # Test connection
GET  /api/v1/unified/connectors/{provider}/capabilities # Get capabilities
GET  /api/v1/unified/connectors/{provider}/items     # List items
GET  /api/v1/unified/connectors/{provider}/items/{id} # Get item
POST /api/v1/unified/connectors/{provider}/items     # Create item
PUT  /api/v1/unified/connectors/{provider}/items/{id} # Update item
DELETE /api/v1/unified/connectors/{provider}/items/{id} # Delete item
GET  /api/v1/unified/connectors/{provider}/search    # Search items

GET  /api/v1/unified/slack/channels                    # List channels
POST /api/v1/unified/slack/channels/{id}/messages     # Send message

GET  /api/v1/unified/jira/projects                    # List projects
GET  /api/v1/unified/jira/projects/{id}/issues        # List issues
GET  /api/v1/unified/jira/my-issues                   # Get my issues

GET  /api/v1/unified/gmail/emails                     # List emails
POST /api/v1/unified/gmail/send                       # Send email
GET  /api/v1/unified/gmail/labels                     # Get labels
";

/// The document's lines as method and path, none of them twice.
fn endpoints() -> BTreeSet<String> {
    let lines = ENDPOINTS.lines().filter(|line| !line.is_empty());
    let endpoint = |line: &str| {
        let mut words = line.split_whitespace();
        format!("{} {}", words.next().unwrap(), words.next().unwrap())
    };
    lines.map(endpoint).collect()
}

/// A walk over the endpoints.
struct Walk {
    documented: Documented,
    ahead: RefCell<BTreeSet<String>>,
}

impl Walk {
    /// Asks as the document's line for `endpoint` has it, which may leave out `/api/v1/unified`, with `names` where it has
    /// something in braces.
    async fn ask(&self, endpoint: &str, names: &[&str], query: &str, body: Option<Value>) -> Answer {
        let (method, path) = endpoint.split_once(' ').unwrap();
        let path = format!("/api/v1/unified{path}");
        let line = format!("{method} {path}");
        assert!(endpoints().contains(&line), "the document has no {line}");
        self.ahead.borrow_mut().remove(&line);
        let mut names = names.iter().copied();
        let segment =
            |segment: &str| if segment.starts_with('{') { names.next().unwrap() } else { segment }.to_owned();
        let path = path.split('/').map(segment).collect::<Vec<_>>().join("/");
        let path = format!("{path}?user_email={USER}{query}");
        let request = self.documented.deployment.request(method.parse::<Method>().unwrap(), &path);
        Answer::of(match &body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    async fn get(&self, endpoint: &str, names: &[&str], query: &str) -> Value {
        let answer = self.ask(&format!("GET {endpoint}"), names, query, None).await;
        assert_eq!(answer.status, 200, "{endpoint} {names:?}: {}", answer.text);
        let body = answer.expect(200);
        assert_eq!(body["success"], true, "{endpoint} {names:?}: {body:#}");
        body
    }
}

async fn each_documented_endpoint_is_there(backend: Backend) {
    let documented = Documented::start(backend).await;
    let walk = Walk { documented, ahead: RefCell::new(endpoints()) };
    assert_eq!(walk.ahead.borrow().len(), 24);
    for provider in ["google", "slack", "atlassian"] {
        signs_in(&walk, provider).await;
    }
    lists(&walk).await;
    for sample in samples() {
        works_with_items(&walk, sample).await;
    }
    works_with_slack(&walk).await;
    works_with_jira(&walk).await;
    works_with_gmail(&walk).await;
    for provider in ["google", "slack", "atlassian"] {
        signs_out(&walk, provider).await;
    }
    assert_eq!(*walk.ahead.borrow(), BTreeSet::new(), "endpoints of the document that nothing asked");
}

async fn signs_in(walk: &Walk, provider: &str) {
    let begun = walk.get("/auth/{provider}/url", &[provider], "").await;
    let address = walk.documented.consent(provider, begun["auth_url"].as_str().unwrap()).await;
    let query = callback(provider, &address);
    let query = query.split_once('?').unwrap().1.trim_end_matches('"');
    let connected = walk.get("/auth/{provider}/callback", &[provider], &format!("&{query}")).await;
    assert_eq!(connected["user_email"], USER, "{connected:#}");
    let valid = walk.ask("GET /auth/{provider}/validate", &[provider], "", None).await.expect(200);
    assert_eq!(valid["valid"], true, "{valid:#}");
    // The emulated Slack gives tokens that do not end, and so nothing to renew them with.
    if provider != "slack" {
        let renewed = walk.get("/auth/{provider}/refresh", &[provider], "").await;
        assert!(renewed["result"]["expires_at"].is_string(), "{renewed:#}");
    }
}

async fn lists(walk: &Walk) {
    let status = walk.get("/auth/status", &[], "").await;
    let providers = walk.get("/auth/providers", &[], "").await;
    for provider in ["google", "slack", "atlassian"] {
        assert_eq!(status["providers"][provider]["connected"], true, "{status:#}");
        assert_eq!(providers["providers"][provider]["configured"], true, "{providers:#}");
    }
    let connectors = walk.get("/connectors", &[], "").await;
    let names = each(&connectors["connectors"], "name");
    for name in ["gmail", "drive", "calendar", "slack", "jira", "confluence", "bitbucket"] {
        assert!(names.contains(&name), "{names:?}");
    }
}

/// What is made with a connector, how it is changed, and what finds it then.
struct Sample {
    connector: &'static str,
    made: Value,
    /// What is emulated of a calendar neither gives nor changes an event alone.
    change: Option<Value>,
    query: &'static str,
    /// What is emulated of Drive has no trash.
    is_gone_then: bool,
}

fn samples() -> [Sample; 3] {
    let (start, end) = ("2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z");
    let file = json!({"title": "Plan.txt", "mime_type": "text/plain", "content": "UGxhbgo="});
    let mail = json!({"to": "ben@example.com", "subject": "Bill 7", "body": "Here it is."});
    let event = json!({"title": "Bill", "start": start, "end": end});
    let sample = |connector, made, change, query| Sample {
        connector,
        made,
        change,
        query,
        is_gone_then: connector != "drive",
    };
    [
        sample("calendar", event, None, "Bill"),
        sample("drive", file, Some(json!({"title": "Bill.txt"})), "Bill"),
        sample("gmail", mail, Some(json!({"is_unread": true})), "subject:Bill"),
    ]
}

async fn works_with_items(walk: &Walk, sample: Sample) {
    let connector = sample.connector;
    let works = walk.get("/connectors/{provider}/test", &[connector], "").await;
    assert_eq!(works["result"]["connected"], true, "{works:#}");
    let able = walk.get("/connectors/{provider}/capabilities", &[connector], "").await;
    let able = able["capabilities"]["capabilities"].as_array().unwrap().clone();
    for operation in ["list", "get", "create", "update", "delete", "search"] {
        assert!(able.contains(&json!(operation)), "{connector}: {able:?}");
    }
    let listed = async |endpoint: &str, query: &str| {
        let page = walk.get(endpoint, &[connector], query).await;
        each(&page["result"]["items"], "id").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let endpoint = "POST /connectors/{provider}/items";
    let made = walk.ask(endpoint, &[connector], "", Some(sample.made)).await.expect(201);
    let item = &made["result"]["item"];
    let id = item["id"].as_str().unwrap().to_owned();
    assert!(listed("/connectors/{provider}/items", "").await.contains(&id), "{connector}");
    if let Some(change) = sample.change {
        let read = walk.get("/connectors/{provider}/items/{id}", &[connector, &id], "").await;
        assert_eq!(read["result"]["item"]["title"], item["title"], "{read:#}");
        let endpoint = "PUT /connectors/{provider}/items/{id}";
        let changed = walk.ask(endpoint, &[connector, &id], "", Some(change.clone())).await.expect(200);
        let title = change.get("title").unwrap_or(&item["title"]);
        assert_eq!(&changed["result"]["item"]["title"], title, "{changed:#}");
    }
    let found = listed("/connectors/{provider}/search", &format!("&query={}", sample.query)).await;
    assert_eq!(found, [id.as_str()], "{connector}");
    let endpoint = "DELETE /connectors/{provider}/items/{id}";
    let deleted = walk.ask(endpoint, &[connector, &id], "", None).await.expect(200);
    assert_eq!(deleted["deleted"], true);
    let is_gone = !listed("/connectors/{provider}/items", "").await.contains(&id);
    assert_eq!(is_gone, sample.is_gone_then, "{connector}");
}

async fn works_with_slack(walk: &Walk) {
    let channels = walk.get("/slack/channels", &[], "").await;
    let channels = channels["channels"].as_array().unwrap();
    let support =
        channels.iter().find(|channel| channel["name"] == "support").unwrap()["id"].as_str().unwrap();
    let body = Some(json!({"message": "The bill is paid."}));
    let sent = walk.ask("POST /slack/channels/{id}/messages", &[support], "", body).await.expect(200);
    assert_eq!((&sent["success"], &sent["channel"]), (&json!(true), &json!(support)), "{sent:#}");
    let messages = walk.get("/connectors/{provider}/items", &["slack"], &format!("&channel={support}")).await;
    assert_eq!(messages["result"]["items"][0]["text"], "The bill is paid.", "{messages:#}");
}

/// Jira answers with the examples of its own description, whatever is sent that this allows.
async fn works_with_jira(walk: &Walk) {
    let projects = walk.get("/jira/projects", &[], "").await;
    let project = projects["projects"][0]["id"].as_str().unwrap();
    for listed in [
        walk.get("/jira/projects/{id}/issues", &[project], "").await,
        walk.get("/jira/my-issues", &[], "").await,
    ] {
        assert!(listed["issues"].is_array(), "{listed:#}");
    }
    let works = walk.get("/connectors/{provider}/test", &["jira"], "").await;
    assert_eq!(works["result"]["connected"], true, "{works:#}");
    let made = json!({"project": project, "title": "Pay the bill", "text": "By **Friday**."});
    let made = walk.ask("POST /connectors/{provider}/items", &["jira"], "", Some(made)).await.expect(201);
    let id = made["result"]["item"]["id"].as_str().unwrap();
    let names = ["jira", id];
    let change = Some(json!({"comment": "Done"}));
    walk.ask("PUT /connectors/{provider}/items/{id}", &names, "", change).await.expect(200);
    walk.get("/connectors/{provider}/items/{id}", &names, "").await;
    walk.get("/connectors/{provider}/items", &["jira"], "").await;
    walk.get("/connectors/{provider}/search", &["jira"], "&query=bill").await;
    walk.ask("DELETE /connectors/{provider}/items/{id}", &names, "", None).await.expect(200);
}

async fn works_with_gmail(walk: &Walk) {
    let mail = json!({"to": "ben@example.com", "subject": "Thanks", "body": "It is paid."});
    let sent = walk.ask("POST /gmail/send", &[], "", Some(mail)).await.expect(200);
    let listed = walk.get("/gmail/emails", &[], "").await;
    assert_eq!(listed["messages"][0]["id"], sent["message_id"], "{listed:#}");
    let labels = walk.get("/gmail/labels", &[], "").await;
    assert!(each(&labels["labels"], "name").contains(&"SENT"), "{labels:#}");
}

async fn signs_out(walk: &Walk, provider: &str) {
    let revoked = walk.ask("DELETE /auth/{provider}/revoke", &[provider], "", None).await.expect(200);
    assert_eq!(revoked["success"], true, "{revoked:#}");
    let connector = match provider {
        "google" => "gmail",
        "atlassian" => "jira",
        other => other,
    };
    let gone = walk.ask("GET /connectors/{provider}/test", &[connector], "", None).await;
    gone.problem("connection_required");
}
