//! An author at the command line: new, check, build.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

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

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The output of a command that must succeed.
pub(crate) fn done(folder: &Path, arguments: &[&str]) -> Output {
    let output = plugin(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    output
}

/// A folder with a new plugin in `card`.
pub(crate) fn with_card() -> tempfile::TempDir {
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

/// A folder with a plugin in `quotes` that is a backend alone.
fn with_backend(source: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let quotes = folder.path().join("quotes");
    std::fs::create_dir_all(quotes.join("server")).unwrap();
    let manifest = serde_json::json!({
        "id": "quotes", "name": "Quotes", "version": "1.0.0", "category": "widget",
        "backend": {"entryPoint": "server/index.ts", "routes": [{"method": "GET", "path": "/", "handler": "all"}]},
    });
    std::fs::write(quotes.join("plugin.json"), manifest.to_string()).unwrap();
    std::fs::write(quotes.join("server/index.ts"), source).unwrap();
    folder
}

#[test]
fn a_backend_is_checked_and_built_with_the_rest() {
    let folder =
        with_backend("export default { handlers: { async all() { return []; }, onInstall() {} } };\n");
    let document = json(&done(folder.path(), &["check", "quotes", "--json"]));
    assert_eq!(document["backend"]["handlers"], serde_json::json!(["all", "onInstall"]), "{document:#}");
    let text = stdout(&done(folder.path(), &["check", "quotes"]));
    assert_eq!(text, "quotes 1.0.0 is in order: 2 files, no extension points, a backend\n");
    let document = json(&done(folder.path(), &["build", "quotes", "--out", "out", "--json"]));
    let out = folder.path().join("out");
    assert_eq!(names(&out), ["backend.js", "backend.js.map", "build.json"]);
    let script = std::fs::read_to_string(out.join("backend.js")).unwrap();
    assert!(script.contains("__plugin"), "{script}");
    assert_eq!(document["backend"]["bytes"], script.len());
    let map: Value = serde_json::from_slice(&std::fs::read(out.join("backend.js.map")).unwrap()).unwrap();
    assert_eq!(map["sources"], serde_json::json!(["server/index.ts"]));
    let table = stdout(&done(folder.path(), &["build", "quotes", "--out", "out"]));
    assert!(table.contains("backend.js.map"), "{table}");
}

#[test]
fn what_is_wrong_with_a_backend_is_shown_with_a_code_frame() {
    let folder =
        with_backend("const a = 1;\nimport fs from 'fs';\nexport default { handlers: { a, fs } };\n");
    let output = plugin(folder.path(), &["check", "quotes"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(&output);
    let frame = "  1 | const a = 1;\n> 2 | import fs from 'fs';\n    |                ^^^^\n";
    assert!(text.contains("server/index.ts:2:16: ") && text.contains(frame), "{text}");
    assert!(text.contains("is a module of Node") && text.contains("ctx.storage"), "{text}");
    let folder = with_backend("export default { handlers: { other() {} } };\n");
    let document = json(&plugin(folder.path(), &["check", "quotes", "--json"]));
    assert_eq!(document["errors"][0]["pointer"], "/backend/routes/0/handler", "{document:#}");
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
