//! All vendors in the test's own process. What they answer with stands in `tests/vendor_answers`, in the shapes that their
//! documentation gives.

use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};
use testkit::Builder;

/// What is asked, and the file that is the answer. What stands in a query or a body does not matter: what is sent is the
/// matter of each connector's own tests.
const ANSWERS: &[(&str, &str)] = &[
    ("POST /google/token", "google/token"),
    ("GET /google/userinfo", "google/userinfo"),
    ("POST /slack/token", "slack/token"),
    ("POST /atlassian/token", "atlassian/token"),
    ("GET /atlassian/me", "atlassian/me"),
    ("GET /atlassian/sites", "atlassian/sites"),
    ("POST /bitbucket/token", "bitbucket/token"),
    ("GET /bitbucket/user", "bitbucket/user"),
    ("POST /github/token", "github/token"),
    ("GET /github/user", "github/user"),
    ("GET /gmail/gmail/v1/users/me/messages", "gmail/list"),
    ("GET /gmail/gmail/v1/users/me/messages/19a7c0ffee000003", "gmail/message_multipart"),
    ("GET /gmail/gmail/v1/users/me/messages/19a7c0ffee000002", "gmail/message_bare"),
    ("GET /gmail/gmail/v1/users/me/messages/19a7c0ffee000001", "gmail/message_html"),
    ("GET /gmail/gmail/v1/users/me/labels", "gmail/labels"),
    ("GET /drive/drive/v3/files", "drive/list"),
    ("GET /drive/drive/v3/files/1AbCdEfDocument", "drive/get"),
    ("GET /drive/drive/v3/drives", "drive/drives"),
    ("GET /calendar/calendar/v3/calendars/primary/events", "calendar/list"),
    ("GET /calendar/calendar/v3/calendars/primary/events/6hkm6d31", "calendar/get"),
    ("GET /calendar/calendar/v3/users/me/calendarList", "calendar/calendars"),
    ("POST /slack/conversations.history", "slack/history"),
    ("POST /slack/conversations.list", "slack/channels"),
    ("POST /slack/conversations.info", "slack/channel"),
    ("POST /slack/users.list", "slack/users"),
    ("POST /slack/search.messages", "slack/found"),
    ("POST /jira/ex/jira/1324a887/rest/api/3/search/jql", "jira/search"),
    ("POST /jira/ex/jira/1324a887/rest/api/3/search/approximate-count", "jira/count"),
    ("GET /jira/ex/jira/1324a887/rest/api/3/issue/10007", "jira/issue"),
    ("GET /jira/ex/jira/1324a887/rest/api/3/issue/ACME-7/comment", "jira/comments"),
    ("GET /jira/ex/jira/1324a887/rest/api/3/project/search", "jira/projects"),
    ("GET /jira/ex/jira/1324a887/rest/api/3/project/10000", "jira/project"),
    ("GET /jira/ex/jira/1324a887/rest/api/3/project/10000/statuses", "jira/statuses"),
    ("GET /confluence/ex/confluence/1324a887/wiki/api/v2/pages", "confluence/pages"),
    ("GET /confluence/ex/confluence/1324a887/wiki/api/v2/pages/163841", "confluence/page"),
    (
        "GET /confluence/ex/confluence/1324a887/wiki/api/v2/pages/163841/footer-comments",
        "confluence/comments",
    ),
    ("GET /confluence/ex/confluence/1324a887/wiki/api/v2/spaces", "confluence/spaces"),
    ("GET /confluence/ex/confluence/1324a887/wiki/rest/api/search", "confluence/search"),
    ("GET /bitbucket/repositories/acme", "bitbucket/repositories"),
    ("GET /bitbucket/repositories/acme/site", "bitbucket/repository"),
    ("GET /bitbucket/repositories/acme/site/pullrequests", "bitbucket/pull_requests"),
    ("GET /bitbucket/repositories/acme/site/pullrequests/12", "bitbucket/pull_request"),
    ("GET /bitbucket/repositories/acme/site/pullrequests/12/comments", "bitbucket/comments"),
    ("GET /bitbucket/user/workspaces", "bitbucket/workspaces"),
    ("GET /github/user/repos", "github/repositories"),
    ("GET /github/repos/acme/shop", "github/repository"),
    ("GET /github/repos/acme/shop/issues", "github/issues"),
    ("GET /github/repos/acme/shop/issues/7", "github/issue"),
    ("GET /github/repos/acme/shop/issues/7/comments", "github/comments"),
    ("GET /github/issues", "github/issues"),
    ("GET /github/search/issues", "github/count"),
    ("GET /github/search/repositories", "github/found"),
];

/// What a vendor answers with.
pub(super) fn answer_of(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vendor_answers").join(name);
    let text = std::fs::read_to_string(path.with_extension("json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// They end with the test's runtime.
pub(super) struct Vendors {
    base: String,
    unanswered: Arc<Mutex<Vec<String>>>,
}

impl Vendors {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let unanswered = Arc::new(Mutex::new(Vec::new()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&unanswered));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base, unanswered }
    }

    /// What they were asked and had no answer to.
    pub(super) fn unanswered(&self) -> Vec<String> {
        self.unanswered.lock().unwrap().clone()
    }

    /// The settings of a server that knows no others.
    pub(super) fn configure(&self, builder: Builder) -> Builder {
        let base = &self.base;
        let entry = |(name, more): (&str, String)| {
            format!(
                "[providers.{name}]\nauthorization_url = \"{base}/{name}/authorize\"\ntoken_url = \"{base}/{name}/token\"\n\
                 client_id = \"client\"\nclient_secret = \"secret\"\n{more}\n"
            )
        };
        let me = |path: &str| format!("userinfo_url = \"{base}/{path}\"");
        let sites = format!(
            "sites = {{ url = \"{base}/atlassian/sites\", id = \"/id\", name = \"/name\", address = \"/url\" }}"
        );
        let entries = [
            ("google", me("google/userinfo")),
            ("slack", String::new()),
            ("atlassian", format!("{}\n{sites}", me("atlassian/me"))),
            ("bitbucket", me("bitbucket/user")),
            ("github", me("github/user")),
        ];
        let file: String = entries.into_iter().map(entry).collect();
        std::fs::write(builder.folder().join("providers.toml"), file).unwrap();
        let roots = ["gmail", "drive", "calendar", "slack", "jira", "confluence", "bitbucket", "github"];
        let builder = builder.set("PROVIDERS_FILE", "providers.toml");
        roots.iter().fold(builder, |builder, name| {
            builder.set(&format!("{}_BASE_URL", name.to_uppercase()), format!("{base}/{name}"))
        })
    }
}

async fn answer(State(unanswered): State<Arc<Mutex<Vec<String>>>>, request: Request) -> Response {
    let asked = format!("{} {}", request.method(), request.uri().path());
    let Some((_, name)) = ANSWERS.iter().find(|(each, _)| *each == asked) else {
        unanswered.lock().unwrap().push(asked);
        return (StatusCode::NOT_FOUND, Json(json!({"error": "not_found"}))).into_response();
    };
    ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], answer_of(name).to_string()).into_response()
}
