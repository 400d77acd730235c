//! An author at the command line: new, check, build, publish, install.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use testkit::TestServer;

/// `jackfield plugin …`, run in `folder`. It sees none of the environment.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jackfield"));
    command.env_clear().current_dir(folder).arg("plugin").args(arguments);
    command
}

/// What came of it.
pub(crate) fn plugin(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// The document on standard output.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The output of a command that must succeed.
fn done(folder: &Path, arguments: &[&str]) -> Output {
    let output = plugin(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    output
}

/// A folder with a new plugin in `card`.
fn with_card() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["new", "card", "--category", "payment"]);
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn a_new_plugin_has_nothing_to_put_right() {
    let folder = with_card();
    let output = done(folder.path(), &["check", "card", "--json"]);
    let document = json(&output);
    assert_eq!(document["ok"], true, "{document:#}");
    assert_eq!((&document["id"], &document["version"]), (&"card".into(), &"0.1.0".into()));
    assert_eq!(document["extensionPoints"], serde_json::json!(["payment-methods"]));
    assert_eq!(document["warnings"], serde_json::json!([]));
    let text = stdout(&done(&folder.path().join("card"), &["check"]));
    assert_eq!(text, "card 0.1.0 is in order: 6 files, payment-methods\n");
}

#[test]
fn nothing_is_overwritten_by_a_new_plugin() {
    let folder = with_card();
    let manifest = folder.path().join("card/plugin.json");
    std::fs::write(&manifest, "mine").unwrap();
    let output = plugin(folder.path(), &["new", "card"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("exists already"), "{output:?}");
    assert_eq!(std::fs::read_to_string(manifest).unwrap(), "mine");
    assert_eq!(names(folder.path()), ["card"]);
    for arguments in [&["new", "../card"][..], &["new", "a", "--category", "\"}"]] {
        assert_eq!(plugin(folder.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_build_is_what_its_description_says() {
    let folder = with_card();
    let document = json(&done(folder.path(), &["build", "card", "--json"]));
    let dist = folder.path().join("card/dist");
    let described = document["files"].as_array().unwrap();
    let mut expected: Vec<&str> = described.iter().map(|file| file["name"].as_str().unwrap()).collect();
    expected.push("build.json");
    expected.sort_unstable();
    assert_eq!(names(&dist), expected);
    for file in described {
        let content = std::fs::read(dist.join(file["name"].as_str().unwrap())).unwrap();
        assert_eq!(file["bytes"], content.len());
        assert!(file["br"].as_u64() < file["bytes"].as_u64(), "{file}");
    }
    let entry = std::fs::read_to_string(dist.join(document["entry"].as_str().unwrap())).unwrap();
    assert!(!entry.contains("from\"react\"") && entry.contains("plugin-card"), "{entry}");
    let bare = std::fs::read_to_string(dist.join(document["bareEntry"].as_str().unwrap())).unwrap();
    assert!(bare.contains("from\"react\""), "{bare}");
    let kept: Value = serde_json::from_slice(&std::fs::read(dist.join("build.json")).unwrap()).unwrap();
    assert_eq!(kept, document);

    // The result is no source: building again gives the same.
    assert_eq!(json(&done(folder.path(), &["build", "card", "--json"])), document);
    let table = stdout(&done(folder.path(), &["build", "card", "--out", "elsewhere"]));
    let integrity =
        described.iter().find(|file| file["name"] == document["entry"]).unwrap()["integrity"].as_str();
    assert!(table.contains(integrity.unwrap()) && table.contains("payment-methods"), "{table}");
    assert_eq!(names(&folder.path().join("elsewhere")), expected);
}

#[test]
fn a_build_that_fails_leaves_the_earlier_one() {
    let folder = with_card();
    let document = json(&done(folder.path(), &["build", "card", "--json"]));
    std::fs::write(folder.path().join("card/src/index.tsx"), "const a = ;").unwrap();
    let output = plugin(folder.path(), &["build", "card"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(folder.path().join("card/dist").join(document["entry"].as_str().unwrap()).exists());
    assert_eq!(names(folder.path()), ["card"]);
}

#[test]
fn sources_are_never_replaced_by_a_build() {
    let folder = with_card();
    for out in ["card", "card/src", "card/plugin.json"] {
        let output = plugin(folder.path(), &["build", "card", "--out", out]);
        assert_eq!(output.status.code(), Some(2), "{out}: {output:?}");
    }
    done(folder.path(), &["check", "card"]);
}

#[test]
fn problems_are_shown_with_a_code_frame_and_without_colours() {
    let folder = with_card();
    std::fs::write(folder.path().join("card/src/index.tsx"), "const a = 1;\nconst b = ;\n").unwrap();
    let output = plugin(folder.path(), &["check", "card"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let text = stderr(&output);
    let frame = "  1 | const a = 1;\n> 2 | const b = ;\n    |           ^\n";
    assert!(text.contains("src/index.tsx:2:11: ") && text.contains(frame), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    let output = command(folder.path(), &["check", "card"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(stderr(&output).contains('\x1b'), "{output:?}");
}

#[test]
fn a_folder_that_cannot_be_a_plugin_is_told() {
    let folder = with_card();
    let output = plugin(folder.path(), &["check", "nowhere"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    let output = plugin(folder.path(), &["check", ".", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(json(&output)["errors"][0]["detail"].as_str().unwrap().contains("plugin.json"), "{output:?}");

    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("card/src/passwd.ts")).unwrap();
    let output = plugin(folder.path(), &["check", "card", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(json(&output)["detail"].as_str().unwrap().contains("src/passwd.ts is neither"), "{output:?}");
}

#[test]
fn the_examples_have_nothing_to_put_right() {
    let examples = repository().join("examples/plugins");
    let manifests =
        names(&examples).into_iter().filter(|name| examples.join(name).join("plugin.json").exists());
    let manifests: Vec<String> = manifests.collect();
    assert!(manifests.len() >= 3, "{manifests:?}");
    for name in manifests {
        done(&examples, &["check", &name]);
    }
}

fn served() -> TestServer {
    crate::server().arg("--dev").start().unwrap()
}

#[tokio::test]
async fn a_new_plugin_is_published_and_installed() {
    let (server, folder) = (served(), with_card());
    let built = json(&done(folder.path(), &["build", "card", "--json"]));
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
const INSTALLED: &str = "HTTP/1.1 201 Created\r\ncontent-length: 35\r\nconnection: close\r\n\r\n{\"version\":\"1.2.0\",\"tenantId\":\"a\"} ";

#[test]
fn a_busy_server_is_asked_again() {
    let (url, server) = scripted(vec![BUSY, BUSY, INSTALLED]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path(), &["install", "card", "--tenant", "a"]);
    let output = command.env("JACKFIELD_URL", url).env("JACKFIELD_TOKEN", "jf_secret").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(stdout(&output), "installed card 1.2.0 for a\n");
    assert_eq!(stderr(&output).matches("the server is busy; trying again").count(), 2, "{output:?}");
    for request in server.join().unwrap() {
        assert!(request.starts_with("POST /plugins/install HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer jf_secret\r\nx-tenant-id: a\r\n"), "{request}");
        assert!(request.ends_with("{\"pluginId\":\"card\"}"), "{request}");
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

#[test]
fn help_does_not_show_the_token() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["new", "check", "build", "publish", "install"] {
        let mut command = command(folder.path(), &[verb, "--help"]);
        let output = command.env("JACKFIELD_TOKEN", "jf_secret").output().unwrap();
        let text = stdout(&output);
        assert!(text.contains("Examples:") && !text.contains("jf_secret"), "{verb}: {text}");
    }
}
