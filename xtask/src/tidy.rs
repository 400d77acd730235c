//! The rules of the house that no compiler knows: which crate may use which, that modules say what they are, that
//! files stay small.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Which crate of the workspace may use which, from the ground floor up. What is not here is forbidden: nothing
/// imports upwards, and on the middle floor the arrows are registry → bundler, connectors → connections, and runtime →
/// registry, connectors, connections, events, identity, sandbox.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "api",
        &[
            "bundler",
            "connections",
            "connectors",
            "events",
            "identity",
            "model",
            "registry",
            "runtime",
            "storage",
        ],
    ),
    ("bench", &["bundler", "connections", "connectors", "model", "sandbox", "storage"]),
    ("bundler", &["model"]),
    ("connections", &["model", "outbound", "storage"]),
    ("connectors", &["connections", "model", "outbound", "storage"]),
    ("events", &["model", "outbound", "storage"]),
    ("identity", &["model", "storage"]),
    (
        "jackfield",
        &[
            "api",
            "bundler",
            "connections",
            "connectors",
            "events",
            "identity",
            "model",
            "outbound",
            "registry",
            "runtime",
            "sandbox",
            "sandbox_provider",
            "storage",
        ],
    ),
    ("model", &[]),
    ("outbound", &["model"]),
    ("registry", &["bundler", "model", "outbound", "storage"]),
    (
        "runtime",
        &[
            "connections",
            "connectors",
            "events",
            "identity",
            "model",
            "outbound",
            "registry",
            "sandbox",
            "storage",
        ],
    ),
    ("sandbox", &["model"]),
    ("sandbox_provider", &["model"]),
    ("storage", &["model"]),
    // For tests only, so no crate may use it but as a dev-dependency.
    ("testkit", &["bundler", "connections", "model", "registry", "storage"]),
    ("xtask", &[]),
];

/// Crates that only one crate may use: a heavy or dangerous library has one home. Tests and the benchmark use them as
/// another program would.
const ONE_HOME: &[(&str, &str)] = &[
    ("jsonschema", "registry"),
    ("jsonwebtoken", "identity"),
    ("object_store", "storage"),
    ("rolldown", "bundler"),
    ("tonic", "connectors"),
    ("wasmtime", "sandbox"),
];

/// A file with more lines holds more than a head does.
const MAX_LINES: usize = 500;

/// Everything that breaks a rule.
pub(crate) fn run() -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let mut complaints = layers(&metadata);
    for file in sources(metadata.workspace_root.as_std_path())? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        complaints.extend(source(&file, &text));
    }
    Ok(complaints)
}

fn layers(metadata: &Metadata) -> Vec<String> {
    let members: BTreeSet<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            complaints.push(format!("{name}: say in xtask/src/tidy.rs which crates it may use"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|each| each.kind == DependencyKind::Normal) {
            let used = dependency.name.as_str();
            if members.contains(used) && !may_use.contains(&used) {
                complaints.push(format!("{name} may not use {used}: see the picture in ARCHITECTURE.md"));
            }
            if let Some((_, home)) = ONE_HOME.iter().find(|(library, _)| *library == used)
                && *home != name
                && !matches!(name, "bench" | "testkit")
            {
                complaints.push(format!("{name} may not use {used}: {home} is its home"));
            }
        }
    }
    complaints
}

fn sources(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("crates"), root.join("xtask"), root.join("tests"), root.join("bench")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry?.path();
            let is_hidden_from_us = path.ends_with("node_modules") || path.ends_with("target");
            if path.is_dir() && !is_hidden_from_us {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn source(file: &Path, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |rule: &str| complaints.push(format!("{}: {rule}", file.display()));
    if !text.starts_with("//!") {
        complain("begins with a line of `//!` that says what the module is");
    }
    if text.lines().count() > MAX_LINES {
        complain(&format!("has more than {MAX_LINES} lines: cut it where it does two things"));
    }
    // Put together, so that this file does not break its own rules.
    if text.contains(&["#[al", "low("].concat()) {
        complain("use #[expect(lint, reason = \"…\")], which tells when it is no longer needed");
    }
    for marker in ["todo", "unimplemented"] {
        if text.contains(&format!("{marker}!(")) {
            complain("what is not done is left out, and said");
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let complaints = run().unwrap();
        assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    }

    #[test]
    fn untidy_sources_are_found() {
        let untidy = ["fn main() {}\n".repeat(MAX_LINES + 1), ["#[al", "low(dead_code)]"].concat()].concat();
        assert_eq!(source(Path::new("a.rs"), &untidy).len(), 3);
        assert!(source(Path::new("a.rs"), "//! A module.\n").is_empty());
    }
}
