//! The raw proxy: what the operator's rules allow goes on to a vendor in the test's own process, and its answers come back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt as _, stream};

use model::Role;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use testkit::{Backend, SECRET, TokenBuilder, token_samples};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::deployment::{ADMIN, Answer, Deployment, USER, each, on_both_backends};

on_both_backends!(
    it_is_off_without_rules,
    without_a_connection_every_method_says_so,
    rules_decide_who_sends_what,
    no_path_leads_out,
    answers_come_as_they_are,
    large_answers_flow_and_broken_ones_break,
    no_other_page_can_send_anything,
    the_token_is_nowhere_to_be_seen,
);

const PROXY: &str = "/api/v1/unified/proxy";
const KEY: &str = "key-Zt8Lr1QxW3";
const LARGE: usize = 24 * 1024 * 1024;

/// What a vendor was asked.
struct Asked {
    line: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A vendor that remembers what it was asked. It ends with the test's runtime.
#[derive(Clone)]
struct Vendor {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Vendor {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let vendor = Self { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let app = Router::new().fallback(answer).with_state(vendor.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        vendor
    }

    /// What it was asked since this was called last.
    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn answer(State(vendor): State<Vendor>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let (path, line) = (parts.uri.path().to_owned(), format!("{} {}", parts.method, parts.uri));
    vendor.asked.lock().unwrap().push(Asked { line, headers: parts.headers, body });
    let halves = |rest| stream::iter([Ok(Bytes::from_static(b"half"))]).chain(rest);
    match path.as_str() {
        "/v1/page" => {
            let headers = [("content-type", "text/html"), ("set-cookie", "a=b"), ("cache-control", "public")];
            (headers, "<script>alert(document.domain)</script>").into_response()
        }
        "/v1/large" => {
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            let pieces = stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            Body::from_stream(pieces.take(LARGE / (64 * 1024))).into_response()
        }
        "/v1/cut" => {
            let cut = stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Err(std::io::Error::other("cut"))
            });
            Body::from_stream(halves(cut)).into_response()
        }
        "/v1/moved" => (StatusCode::FOUND, [("location", "https://files.example/signed")]).into_response(),
        "/v1/teapot" => (StatusCode::IM_A_TEAPOT, [("etag", "\"7\"")], "short and stout").into_response(),
        "/v1/unauthorized" => StatusCode::UNAUTHORIZED.into_response(),
        _ => axum::Json(json!({"path": path})).into_response(),
    }
}

/// A server with a provider `archive` that is the vendor, at which `ann@acme.example` has a connection.
async fn start(backend: Backend, has_rules: bool) -> (Deployment, Vendor) {
    let vendor = Vendor::start().await;
    let file = format!(
        "[providers.archive]\nname = \"Archive\"\nflow = \"api_key\"\napi_hosts = [\"127.0.0.1:{}\"]\n\
         [providers.bare]\nflow = \"api_key\"\n",
        vendor.port
    );
    let rules = json!([
        {"role": "user", "provider": "archive", "methods": ["GET"], "paths": ["/v1/*", "/v1/files/**"]},
        {"role": "admin", "provider": "archive", "methods": ["POST", "PUT", "PATCH", "DELETE"], "paths": ["/v1/**"]},
    ]);
    let deployment = Deployment::start_with(backend, |builder| {
        std::fs::write(builder.folder().join("providers.toml"), file).unwrap();
        let builder = builder.set("PROVIDERS_FILE", "providers.toml").set("LOG_LEVEL", "debug");
        if has_rules { builder.set("PROXY_RULES", rules.to_string()) } else { builder }
    });
    let body = json!({"provider": "archive", "user_email": "ann@acme.example", "api_key": KEY});
    deployment.post(ADMIN, "/api/v1/unified/connections", &body).await.expect(201);
    (deployment, vendor)
}

/// A request of `ann@acme.example`, whose role this is.
fn ann(deployment: &Deployment, role: Role, method: Method, path: &str) -> RequestBuilder {
    let token = TokenBuilder::new().claim("tenantId", "acme").claim("role", role.as_str());
    let token = token.claim("email", "ann@acme.example").sign();
    deployment.request(method, &format!("{PROXY}/{path}")).bearer_auth(token)
}

async fn it_is_off_without_rules(backend: Backend) {
    let (deployment, vendor) = start(backend, false).await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = Answer::of(ann(&deployment, Role::Owner, method, "archive/v1/x")).await;
        let told = answer.problem("not_found");
        assert!(told["detail"].as_str().unwrap().contains("PROXY_RULES"), "{told:#}");
    }
    let stranger = deployment.get(&format!("{PROXY}/archive/v1/x")).await;
    stranger.problem("authentication_required");
    assert!(vendor.asked().is_empty());
}

async fn without_a_connection_every_method_says_so(backend: Backend) {
    const CONNECTORS: [&str; 8] =
        ["bitbucket", "calendar", "confluence", "drive", "github", "gmail", "jira", "slack"];
    let methods = ["DELETE", "GET", "PATCH", "POST", "PUT"];
    let rule = |id: &str| json!({"role": "user", "provider": id, "methods": methods, "paths": ["/**"]});
    let rules = serde_json::Value::Array(CONNECTORS.iter().copied().map(rule).collect());
    let deployment = Deployment::start_with(backend, |builder| builder.set("PROXY_RULES", rules.to_string()));
    let listed = deployment.get_as(USER, "/api/v1/unified/connectors").await.expect(200);
    // The customers of stores are called by gRPC, and notes are there for development alone.
    let mut raw = each(&listed["connectors"], "name");
    raw.retain(|name| !["lexmodo", "notes"].contains(name));
    assert_eq!(raw, CONNECTORS);
    let document = deployment.get("/openapi.json").await.expect(200);
    let documented = document["paths"][format!("{PROXY}/{{provider}}/{{path}}")].as_object().unwrap();
    let mut documented: Vec<String> = documented.keys().map(|method| method.to_uppercase()).collect();
    documented.sort();
    assert_eq!(documented, methods);
    for connector in CONNECTORS {
        for method in methods {
            let method = method.parse::<Method>().unwrap();
            let answer = Answer::of(ann(&deployment, Role::User, method, &format!("{connector}/v1/x"))).await;
            answer.problem("connection_required");
            assert_eq!(answer.status, 401, "{connector}");
        }
    }
}

async fn rules_decide_who_sends_what(backend: Backend) {
    let (deployment, vendor) = start(backend, true).await;
    for (role, method, path, expected) in [
        (Role::User, Method::GET, "archive/v1/x?q=%20a&user_email=b", "GET /v1/x?q=%20a&user_email=b"),
        (Role::User, Method::HEAD, "archive/v1/x", "HEAD /v1/x"),
        (Role::User, Method::GET, "archive/v1/files/a/b%23c/", "GET /v1/files/a/b%23c/"),
        (Role::User, Method::GET, "archive/v2/x", "not_found"),
        (Role::User, Method::GET, "bare/v1/x", "not_found"),
        (Role::User, Method::GET, "nothing/v1/x", "not_found"),
        (Role::User, Method::DELETE, "archive/v1/x", "insufficient_role"),
        (Role::Admin, Method::POST, "archive/v1/x?_method=DELETE", "invalid_request"),
        (Role::Admin, Method::POST, "archive/v1/x", "POST /v1/x"),
        (Role::Admin, Method::PUT, "archive/v1/x/y", "PUT /v1/x/y"),
        (Role::Admin, Method::PATCH, "archive/v1/x/y", "PATCH /v1/x/y"),
        (Role::Owner, Method::DELETE, "archive/v1/x/y", "DELETE /v1/x/y"),
    ] {
        let request = ann(&deployment, role, method.clone(), path).header("x-http-method-override", "DELETE");
        let request = if method == Method::GET { request } else { request.body("of the caller") };
        let answer = Answer::of(request).await;
        let asked = vendor.asked();
        if let Some(asked) = asked.first() {
            assert_eq!((answer.status, asked.line.as_str()), (200, expected), "{}", answer.text);
            assert_eq!(asked.headers["authorization"], format!("Bearer {KEY}"));
            assert!(!asked.headers.contains_key("x-http-method-override"));
            assert_eq!(asked.body.is_empty(), method == Method::GET, "{path}");
        } else {
            answer.problem(expected);
        }
    }
    // Whose connection it is, is said by headers.
    let admin = |header: &'static str, value: &str| {
        deployment
            .request_as("acme", Role::Admin, Method::GET, &format!("{PROXY}/archive/v1/x"))
            .header(header, value)
    };
    let nobody = deployment.get_as(ADMIN, &format!("{PROXY}/archive/v1/x")).await;
    let told = nobody.problem("invalid_request");
    assert!(told["detail"].as_str().unwrap().contains("x-user-email"), "{told:#}");
    Answer::of(admin("x-user-email", "ann@acme.example")).await.expect(200);
    Answer::of(admin("x-user-email", "bob@acme.example")).await.problem("connection_required");
    Answer::of(admin("x-api-host", "evil.example")).await.problem("invalid_request");
    let listed = deployment.get_as(ADMIN, "/api/v1/unified/connections").await.expect(200);
    let id = listed["connections"][0]["id"].as_str().unwrap();
    Answer::of(admin("x-connection-id", id)).await.expect(200);
    let bob = deployment.request_as("acme", Role::User, Method::GET, &format!("{PROXY}/archive/v1/x"));
    Answer::of(bob.header("x-user-email", "ann@acme.example")).await.problem("insufficient_role");
    vendor.asked();
    // Another tenant reaches nothing of it, by whatever it names.
    let other = |header: &'static str, value: &str| {
        let path = format!("{PROXY}/archive/v1/x");
        deployment.request_as("other", Role::Owner, Method::GET, &path).header(header, value)
    };
    Answer::of(other("x-user-email", "ann@acme.example")).await.problem("connection_required");
    Answer::of(other("x-connection-id", id)).await.problem("not_found");
    Answer::of(ann(&deployment, Role::Owner, Method::GET, "archive/v1/x").header("x-tenant-id", "other"))
        .await
        .problem("tenant_mismatch");
    let large = ann(&deployment, Role::Admin, Method::POST, "archive/v1/x").body(vec![b'x'; 2 * 1024 * 1024]);
    Answer::of(large).await.problem("payload_too_large");
    assert!(vendor.asked().is_empty());
}

/// The status and the body of the answer to a request whose path is sent as it stands: clients tidy paths up.
async fn send_as_it_stands(deployment: &Deployment, path: &[u8]) -> (String, String) {
    let token = TokenBuilder::new().claim("tenantId", "acme").claim("role", "owner");
    let token = token.claim("email", "ann@acme.example").sign();
    let address = deployment.base().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let mut head = [b"GET ", path].concat();
    head.extend_from_slice(
        format!(" HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n")
            .as_bytes(),
    );
    stream.write_all(&head).await.unwrap();
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    (text.split(' ').nth(1).unwrap_or_default().to_owned(), text)
}

async fn no_path_leads_out(backend: Backend) {
    let (deployment, vendor) = start(backend, true).await;
    for path in [
        "../v1/x",
        "..",
        "v1/files/../../admin",
        "v1/files/%2e%2e/%2e%2e/admin",
        "v1/files/.%2E/x",
        "v1/files/..%2f..%2fadmin",
        "v1/files/%2fadmin",
        "v1/files/..\\..\\admin",
        "v1/files/%5c..%5cadmin",
        "v1/files/%252e%252e/admin",
        "v1/files/..;/admin",
        "v1/files/..%3Bx/admin",
        "v1/files/.%20/admin",
        "v1/files//admin",
        "/evil.example/v1/x",
        "//evil.example/v1/x",
        "%2f%2fevil.example/v1/x",
        "\\\\evil.example\\v1",
        "v1/files/a%00b",
        "v1/files/a%0d%0aHost:%20evil.example",
        "v1/files/%ff",
        "v1/files/%",
    ] {
        let (status, text) =
            send_as_it_stands(&deployment, format!("{PROXY}/archive/{path}").as_bytes()).await;
        assert!(status == "400" || status == "404", "{path}: {text}");
        assert_eq!(vendor.lines(), [""; 0], "{path}");
    }
    for path in
        ["@evil.example/v1/x", "archive@evil.example/v1/x", "archive:x@evil.example/v1/x", "%61rchive/v1/x"]
    {
        let (status, text) = send_as_it_stands(&deployment, format!("{PROXY}/{path}").as_bytes()).await;
        assert_eq!(status, "404", "{path}: {text}");
    }
    let (status, text) =
        send_as_it_stands(&deployment, format!("{PROXY}/archive/v1/@evil.example:80").as_bytes()).await;
    assert_eq!(
        (status.as_str(), vendor.lines()),
        ("200", vec!["GET /v1/@evil.example:80".to_owned()]),
        "{text}"
    );
}

async fn answers_come_as_they_are(backend: Backend) {
    let (deployment, vendor) = start(backend, true).await;
    let get = |path: &str| Answer::of(ann(&deployment, Role::User, Method::GET, path));
    let teapot = get("archive/v1/teapot").await;
    assert_eq!((teapot.status, teapot.text.as_str()), (418, "short and stout"));
    assert_eq!(
        (&teapot.headers["etag"], &teapot.headers["content-length"]),
        (&"\"7\"".parse().unwrap(), &15.into())
    );
    // A page of the vendor's is nobody's page here.
    let page = get("archive/v1/page").await;
    assert_eq!((page.status, &page.headers["content-type"]), (200, &"text/html".parse().unwrap()));
    assert!(page.text.starts_with("<script>"), "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert_eq!(policy, "default-src 'none'; sandbox; frame-ancestors 'none'");
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("cache-control", "no-store"), ("x-frame-options", "DENY")]
    {
        assert_eq!(page.headers[name], value);
    }
    assert!(!page.headers.contains_key("set-cookie"));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let moved = ann(&deployment, Role::User, Method::GET, "archive/v1/moved").build().unwrap();
    let moved = client.execute(moved).await.unwrap();
    assert_eq!(
        (moved.status().as_u16(), &moved.headers()["location"]),
        (302, &"https://files.example/signed".parse().unwrap())
    );
    // The token is the matter of the connection's user, and not the caller's own.
    let refused = get("archive/v1/unauthorized").await;
    assert!(refused.problem("reauthorization_required")["reconnect"].is_string());
    assert!(vendor.lines().iter().all(|line| line.starts_with("GET /v1/")));
}

async fn large_answers_flow_and_broken_ones_break(backend: Backend) {
    let (deployment, _vendor) = start(backend, true).await;
    let before = deployment.resident_bytes().unwrap();
    let large = ann(&deployment, Role::User, Method::GET, "archive/v1/large").send().await.unwrap();
    assert_eq!(large.status(), 200);
    let (mut count, mut stream) = (0, large.bytes_stream());
    while let Some(piece) = stream.next().await {
        count += piece.unwrap().len();
    }
    assert_eq!(count, LARGE);
    let grown = deployment.resident_bytes().unwrap().saturating_sub(before);
    assert!(grown < LARGE as u64, "it was not held in memory as a whole: {grown}");
    let cut = ann(&deployment, Role::User, Method::GET, "archive/v1/cut").send().await.unwrap();
    assert_eq!(cut.status(), 200);
    assert!(cut.bytes().await.is_err(), "half an answer does not look whole");
    deployment.log_with("broke off while it was passed on").unwrap();
}

async fn no_other_page_can_send_anything(backend: Backend) {
    let (deployment, vendor) = start(backend, true).await;
    let samples =
        token_samples(&json!({"jwtSecret": SECRET, "nextauthSecret": SECRET, "authSecret": SECRET}));
    let samples = samples.unwrap();
    let cookie = samples["sessions"][0]["cookie"].as_str().unwrap();
    let by_cookie = |method: Method, name: &'static str, value: &str| {
        let request = deployment.request(method, &format!("{PROXY}/archive/v1/moved"));
        request.header("cookie", cookie).header("x-user-email", "ann@acme.example").header(name, value)
    };
    for method in [Method::GET, Method::HEAD, Method::POST] {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let answer = by_cookie(method.clone(), name, value).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{method} {name}: {value}");
        }
    }
    assert!(vendor.asked().is_empty());
    // The session's own page may, though no vendor sends its browser anywhere.
    let own = Answer::of(by_cookie(Method::GET, "sec-fetch-site", "same-origin")).await;
    assert_eq!((own.status, own.headers.get("location")), (302, None), "{}", own.text);
    assert_eq!(vendor.lines(), ["GET /v1/moved"]);
}

async fn the_token_is_nowhere_to_be_seen(backend: Backend) {
    let (deployment, _vendor) = start(backend, true).await;
    let secret = "a-secret-of-the-path";
    let mut told = String::new();
    for path in
        [format!("archive/v1/{secret}?q={secret}"), "archive/v1/unauthorized".into(), "archive/v2/x".into()]
    {
        let answer = Answer::of(ann(&deployment, Role::User, Method::GET, &path)).await;
        let text = if answer.status == 200 { "" } else { &answer.text };
        told = format!("{told}{:?}{text}", answer.headers);
    }
    // What happened within the last second may be missing.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let activity = deployment.get_as(ADMIN, "/api/v1/unified/activity?action=use").await;
    let entries = activity.expect(200);
    let operations = entries["activity"].as_array().unwrap().iter();
    let mut lines: Vec<String> = operations
        .map(|entry| {
            format!("{} {} {}", entry["operation"], entry["detail"], entry["outcome"]).replace('"', "")
        })
        .collect();
    lines.sort();
    assert_eq!(lines, ["proxy.archive GET failed", "proxy.archive GET ok"], "{entries:#}");
    let log = deployment.log_with("proxy/{provider}").unwrap();
    for text in [&told, &activity.text, &log] {
        assert!(!text.contains(KEY) && !text.contains(secret), "{text}");
    }
    let metrics = deployment.get("/metrics").await.text;
    assert!(metrics.contains("jackfield_upstream_calls_total{vendor=\"archive\""), "{metrics}");
    let user = deployment.get_as(USER, "/api/v1/unified/status").await;
    assert_eq!(user.status, 200);
}
