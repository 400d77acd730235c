//! Plugins that must be refused, checked at the command line: the list is the test kit's, so that the server can be
//! held against it as well.

use std::collections::HashSet;
use std::path::Path;

use testkit::{BadPlugin, bad_plugins};

use crate::plugin_cli::{json, plugin};

fn write(case: &BadPlugin, folder: &Path) {
    std::fs::write(folder.join("plugin.json"), case.manifest.to_string()).unwrap();
    for (path, text) in &case.files {
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

#[test]
fn each_is_told_apart_by_its_name() {
    let cases = bad_plugins();
    let names: HashSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
}
