//! Plugins that must be refused: `plugin check` and the server are held against one list, and against each other.

use std::collections::HashSet;
use std::path::Path;

use reqwest::Method;
use serde_json::Value;
use testkit::{BadPlugin, bad_plugins};

use crate::plugin_cli::{json, plugin};

fn write(case: &BadPlugin, folder: &Path) {
    for (path, text) in case.folder() {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn the_command_line_refuses_each_for_its_reason() {
    let mut wrong = Vec::new();
    for case in bad_plugins() {
        let folder = tempfile::tempdir().unwrap();
        write(&case, folder.path());
        let output = plugin(folder.path(), &["check", "--json"]);
        if output.status.code() != Some(1) {
            wrong.push(format!("{}: {output:?}", case.name));
            continue;
        }
        let document = json(&output);
        wrong.extend(case.verify(&document).err());
        if case.place.is_some() && !document["diagnostics"][0]["frame"].is_string() {
            wrong.push(format!("{}: no code frame in {document:#}", case.name));
        }
        if document["ok"] != false || !output.stderr.is_empty() {
            wrong.push(format!("{}: {output:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_server_refuses_each_as_the_command_line_does() {
    // Size is what is refused, not what a busy machine takes for it.
    let server = crate::server().arg("--dev").set("BUNDLER_DEADLINE", "60").start().unwrap();
    let mut wrong = Vec::new();
    for case in bad_plugins() {
        let answer = server.request(Method::POST, "/plugins").json(&case.body()).send().await.unwrap();
        let refusal = crate::problem(answer).await;
        wrong.extend(case.verify(&refusal).err());
        let folder = tempfile::tempdir().unwrap();
        write(&case, folder.path());
        let document = json(&plugin(folder.path(), &["check", "--json"]));
        if ["code", "errors"].iter().any(|name| refusal[name] != document[name]) {
            wrong.push(format!("{}: the server says {refusal:#}, the command line {document:#}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let listed: Value = server.get("/plugins/available").send().await.unwrap().json().await.unwrap();
    assert_eq!(listed, serde_json::json!([]), "a refused plugin leaves nothing");
}

#[test]
fn each_is_told_apart_by_its_name() {
    let cases = bad_plugins();
    let names: HashSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
}
