//! An author at the command line: publish and install, against servers that run and servers that do not.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};
use testkit::TestServer;

use crate::plugin_cli::{self, command, done, plugin, stderr, stdout, with_card};

fn served() -> TestServer {
    crate::server().arg("--dev").start().unwrap()
}

#[tokio::test]
async fn a_new_plugin_is_published_and_installed() {
    let (server, folder) = (served(), with_card());
    let built = plugin_cli::json(&done(folder.path(), &["build", "card", "--json"]));
    let publish = ["publish", "card", "--url", server.base(), "--tenant", "acme"];
    let text = stdout(&done(folder.path(), &[&publish[..], &["--install"]].concat()));
    assert!(
        text.contains("published card 0.1.0\n") && text.contains("installed card 0.1.0 for acme\n"),
        "{text}"
    );

    let installed: Value = server
        .get("/plugins/installed")
        .header("x-tenant-id", "acme")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(installed[0]["id"], "card", "{installed:#}");
    let entry =
        built["files"].as_array().unwrap().iter().find(|file| file["name"] == built["entry"]).unwrap();
    assert_eq!(installed[0]["integrity"], entry["integrity"], "what was built is what is served");

    let again = plugin(folder.path(), &publish);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(stderr(&again).contains("is published and cannot change"), "{again:?}");
    let install = ["install", "card", "--url", server.base(), "--tenant", "acme"];
    assert_eq!(plugin(folder.path(), &install).status.code(), Some(1));

    let again = done(folder.path(), &[&publish[..], &["--install", "--if-new"]].concat());
    let notes = stderr(&again);
    assert!(notes.contains("published already") && notes.contains("installed already"), "{notes}");
    assert!(!notes.contains("differs"), "{notes}");
    std::fs::write(folder.path().join("card/src/style.css"), ".plugin-card { color: red }").unwrap();
    let changed = done(folder.path(), &[&publish[..], &["--if-new"]].concat());
    assert!(stderr(&changed).contains("differs from this folder"), "{changed:?}");
}

#[tokio::test]
async fn an_install_says_what_it_consents_to_and_consents_to_no_more() {
    let (server, folder) = (served(), with_card());
    let manifest = folder.path().join("card/plugin.json");
    let write = |version: &str, permissions: &[&str]| {
        let mut changed: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
        changed["version"] = version.into();
        changed["requiredPermissions"] = permissions.into();
        std::fs::write(&manifest, changed.to_string()).unwrap();
    };
    let run = |arguments: &[&str], tenant: &str| {
        let arguments = [arguments, &["--url", server.base(), "--tenant", tenant]].concat();
        stderr(&done(folder.path(), &arguments))
    };
    write("1.0.0", &["orders:read"]);
    let told = run(&["publish", "card", "--install"], "acme");
    assert!(told.contains("consented to permissions: orders:read"), "{told}");
    write("1.1.0", &["orders:read", "orders:write"]);
    run(&["publish", "card"], "acme");
    // Of a version that is not the current one it is told by what was installed.
    for (arguments, tenant, asked) in [
        (&["install", "card"][..], "globex", "orders:read, orders:write"),
        (&["install", "card", "--version", "1.0.0"], "initech", "orders:read"),
    ] {
        let told = run(arguments, tenant);
        let line = told.lines().find(|line| line.contains("consented to")).unwrap_or_default();
        assert!(line.ends_with(&format!("permissions: {asked}")), "{tenant}: {told}");
        let consent = server.get("/plugins/card/consent").header("x-tenant-id", tenant);
        let consent: Value = consent.send().await.unwrap().json().await.unwrap();
        let consented: Vec<&str> = asked.split(", ").collect();
        assert_eq!(consent["consented"]["permissions"], serde_json::json!(consented), "{consent:#}");
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_told() {
    let (server, folder) = (crate::server().start().unwrap(), with_card());
    let output = plugin(folder.path(), &["publish", "card", "--url", server.base()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(&output);
    assert!(text.contains("JACKFIELD_TOKEN") && text.contains("request id"), "{text}");

    let token = "jf_not-a-key-that-anybody-has";
    let mut command = command(folder.path(), &["install", "card", "--version", "9.9.9"]);
    let output = command.env("JACKFIELD_URL", server.base()).env("JACKFIELD_TOKEN", token).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!stderr(&output).contains(token) && stdout(&output).is_empty(), "{output:?}");
}

#[test]
fn a_server_that_is_not_there_is_tried_again_and_told() {
    // Bound and let go: nobody listens there.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = plugin(folder.path(), &["install", "card", "--url", &format!("http://{address}")]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(&output);
    assert_eq!(text.matches("trying again").count(), 5, "{text}");
    assert!(text.contains("is the server running"), "{text}");
}

/// A server that answers each request with the next of `answers`, and what it was sent.
fn scripted(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || answers.into_iter().map(|answer| exchange(&listener, answer)).collect();
    (url, std::thread::spawn(serve))
}

/// Takes one connection, reads the head of a request and its body, and answers.
fn exchange(listener: &std::net::TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        Some(body.len() >= length.map_or(0, |length| length.parse().unwrap()))
    };
    while is_whole(&request) != Some(true) {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the client broke off");
        request.extend_from_slice(&buffer[..read]);
    }
    stream.write_all(answer.as_bytes()).unwrap();
    String::from_utf8(request).unwrap()
}

const BUSY: &str =
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
const PLUGIN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 46\r\nconnection: close\r\n\r\n{\"version\":\"1.2.0\",\"grants\":{\"hosts\":[\"a.b\"]}}";
const INSTALLED: &str = "HTTP/1.1 201 Created\r\ncontent-length: 35\r\nconnection: close\r\n\r\n{\"version\":\"1.2.0\",\"tenantId\":\"a\"} ";

#[test]
fn a_busy_server_is_asked_again() {
    let (url, server) = scripted(vec![BUSY, PLUGIN, BUSY, INSTALLED]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path(), &["install", "card", "--tenant", "a"]);
    let output = command.env("JACKFIELD_URL", url).env("JACKFIELD_TOKEN", "jf_secret").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(stdout(&output), "installed card 1.2.0 for a\n");
    assert_eq!(stderr(&output).matches("the server is busy; trying again").count(), 2, "{output:?}");
    assert!(stderr(&output).contains("consented to hosts: a.b"), "{output:?}");
    let requests = server.join().unwrap();
    for request in &requests {
        assert!(request.contains("authorization: Bearer jf_secret\r\nx-tenant-id: a\r\n"), "{request}");
    }
    for request in &requests[..2] {
        assert!(request.starts_with("GET /plugins/card HTTP/1.1\r\n"), "{request}");
    }
    for request in &requests[2..] {
        assert!(request.starts_with("POST /plugins/install HTTP/1.1\r\n"), "{request}");
        let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body, json!({"pluginId": "card", "version": "1.2.0", "consent": {"hosts": ["a.b"]}}));
    }
}

#[test]
fn what_is_no_answer_of_a_server_is_told_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for (answer, says) in [
        (
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "is --url right",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>", "is --url right"),
        (
            "HTTP/1.1 308 Permanent Redirect\r\nlocation: https://b.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "https://b.example/",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 600\r\nconnection: close\r\n\r\n{",
            "may have done what was asked",
        ),
    ] {
        let (url, server) = scripted(vec![answer]);
        let output = plugin(folder.path(), &["install", "card", "--url", &url]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).contains(says), "{output:?}");
        assert_eq!(server.join().unwrap().len(), 1);
    }
}

#[test]
fn a_token_does_not_go_over_the_network_in_the_open() {
    let folder = with_card();
    let mut command = command(folder.path(), &["publish", "card", "--url", "http://plugins.example.com"]);
    let output = command.env("JACKFIELD_TOKEN", "jf_secret").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("--insecure") && !stderr(&output).contains("jf_secret"), "{output:?}");
}
