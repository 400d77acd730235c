//! An author at work: every change of a file runs a moment later.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use testkit::TestServer;

use crate::plugin_cli::{command, done, json, stderr, stdout, with_card};

const PATIENCE: Duration = Duration::from_mins(1);

fn served() -> TestServer {
    crate::server().arg("--dev").start().unwrap()
}

async fn installed(server: &TestServer) -> Value {
    let answer = server.get("/plugins/installed").header("x-tenant-id", "acme").send().await.unwrap();
    answer.json().await.unwrap()
}

/// `jackfield plugin dev --json`, and the lines that it prints. Killed when dropped.
struct Dev {
    child: Child,
    lines: Receiver<String>,
}

impl Dev {
    fn start(folder: &Path, plugin: &str, server: &TestServer) -> Self {
        let arguments = ["dev", plugin, "--json", "--url", server.base(), "--tenant", "acme"];
        let mut child =
            command(folder, &arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// The next line of this kind; lines of the log and the like may stand before it.
    fn next(&self, event: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line tells {event}"));
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["event"] == event {
                return line;
            }
        }
    }

    fn interrupt(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_change_runs_and_a_mistake_is_told_and_waited_out() {
    let (server, folder) = (served(), with_card());
    let source = folder.path().join("card/src/index.tsx");
    let good = std::fs::read_to_string(&source).unwrap();

    let mut dev = Dev::start(folder.path(), "card", &server);
    let first = dev.next("published");
    assert_eq!((&first["id"], &first["tenantId"]), (&"card".into(), &"acme".into()), "{first}");
    let version = first["version"].as_str().unwrap();
    assert!(version.starts_with("0.1.0-dev."), "{first}");
    assert_eq!(installed(&server).await[0]["version"], version);

    std::fs::write(&source, "const a = ;").unwrap();
    let failed = dev.next("failed");
    assert_eq!(failed["code"], "build_failed", "{failed}");
    assert_eq!(failed["errors"][0]["file"], "src/index.tsx", "{failed}");
    assert_eq!(installed(&server).await[0]["version"], version, "what ran goes on");

    std::fs::write(&source, good.replace("Clicked", "Pressed")).unwrap();
    // Of no plugin's concern.
    std::fs::write(folder.path().join("card/.swp"), "x").unwrap();
    let second = dev.next("published");
    assert!(second["version"].as_str().unwrap() > version, "{second}");
    assert_eq!(installed(&server).await[0]["version"], second["version"]);
    assert!(second["totalMs"].as_u64() >= second["buildMs"].as_u64(), "{second}");

    assert_eq!(dev.interrupt(), Some(0));
    assert_eq!(dev.next("ended")["version"], second["version"]);
}

#[tokio::test]
async fn a_release_stays_what_the_catalog_shows() {
    let (server, folder) = (served(), with_card());
    let at = ["--url", server.base(), "--tenant", "acme"];
    done(folder.path(), &[&["publish", "card", "--install"][..], &at].concat());
    let once = done(folder.path(), &[&["dev", "card", "--once", "--json"][..], &at].concat());
    let version = json(&once)["version"].clone();
    assert_eq!(installed(&server).await[0]["version"], version);
    let listed: Value = server.get("/plugins/card").send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["version"], "0.1.0", "{listed:#}");

    let text = stdout(&done(folder.path(), &[&["dev", "card", "--once"][..], &at].concat()));
    assert!(text.contains(" runs for acme (built in ") && !text.contains("watching"), "{text}");
}

#[test]
fn without_a_plugin_there_is_nothing_to_wait_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &["dev", "nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("nowhere is no folder"), "{output:?}");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let output = command(folder.path(), &["dev", "empty", "--once", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(json(&output)["event"], "failed");
}

#[test]
fn a_new_plugin_with_a_backend_has_nothing_to_put_right() {
    let folder = tempfile::tempdir().unwrap();
    done(folder.path(), &["new", "guest-book", "--backend"]);
    let document = json(&done(folder.path(), &["check", "guest-book", "--json"]));
    assert_eq!(
        (&document["ok"], &document["warnings"]),
        (&true.into(), &serde_json::json!([])),
        "{document:#}"
    );
    let routes: Vec<&str> = document["backend"]["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| route["handler"].as_str().unwrap())
        .collect();
    assert_eq!(routes, ["readClicks", "addClicks"], "{document:#}");
}

#[tokio::test]
async fn an_upgrade_that_asks_for_more_is_consented_to_in_full() {
    let (server, folder) = (served(), with_card());
    let at = ["--url", server.base(), "--tenant", "acme"];
    done(folder.path(), &[&["publish", "card", "--install"][..], &at].concat());
    let manifest = folder.path().join("card/plugin.json");
    let mut changed: Value = serde_json::from_str(&std::fs::read_to_string(&manifest).unwrap()).unwrap();
    changed["version"] = "0.2.0".into();
    changed["requiredPermissions"] = serde_json::json!(["orders:read"]);
    std::fs::write(&manifest, changed.to_string()).unwrap();

    let publish = [&["publish", "card", "--install", "--if-new"][..], &at].concat();
    done(folder.path(), &publish);
    assert_eq!(installed(&server).await[0]["version"], "0.1.0");
    let output = done(folder.path(), &[&publish[..], &["--upgrade"]].concat());
    assert!(stderr(&output).contains("consented to permissions: orders:read"), "{output:?}");
    assert_eq!(installed(&server).await[0]["version"], "0.2.0");
    done(folder.path(), &[&publish[..], &["--upgrade"]].concat());
}

#[tokio::test]
async fn what_a_backend_writes_is_shown_where_it_is_written() {
    let (server, folder) = (served(), tempfile::tempdir().unwrap());
    done(folder.path(), &["new", "guest-book", "--backend"]);
    let dev = Dev::start(folder.path(), "guest-book", &server);
    dev.next("published");

    let clicks = "/api/plugin-proxy/guest-book/clicks";
    let click = || {
        server
            .request(reqwest::Method::POST, clicks)
            .header("x-tenant-id", "acme")
            .json(&serde_json::json!({"count": 2}))
    };
    let answer = click().send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    let line = dev.next("log");
    assert_eq!((&line["level"], &line["handler"]), (&"info".into(), &"addClicks".into()), "{line}");
    assert!(line["message"].as_str().unwrap().starts_with("clicked {\"clicks\":2"), "{line}");

    // A new version goes on with what the one before has kept.
    let source = folder.path().join("guest-book/backend/index.ts");
    let changed = std::fs::read_to_string(&source).unwrap().replace("\"clicked\"", "\"pressed\"");
    std::fs::write(&source, changed).unwrap();
    dev.next("published");
    let answer: Value = click().send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["clicks"], 4, "{answer}");
    assert!(dev.next("log")["message"].as_str().unwrap().starts_with("pressed {\"clicks\":4"));

    let logs = ["logs", "guest-book", "--url", server.base(), "--tenant", "acme"];
    let text = stdout(&done(folder.path(), &logs));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("INFO   addClicks  clicked {\"clicks\":2"), "{text}");
    assert!(stdout(&done(folder.path(), &[&logs[..], &["--level", "warn"]].concat())).is_empty());
    let newest = json(&done(folder.path(), &[&logs[..], &["--limit", "1", "--json"]].concat()));
    assert!(newest["message"].as_str().unwrap().starts_with("pressed"), "{newest}");
    let unknown = command(folder.path(), &["logs", "nothing", "--url", server.base()]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
}
