//! The pages on connectors: the one on adding one shows code that is there, and the one on using them names all that they can.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use connectors::connector::Description;
use connectors::http::Settings;
use connectors::{ConnectorInfo, Connectors};

use crate::house::house;

/// Where its pieces are taken from.
const SOURCES: [&str; 3] = ["src/notes.rs", "src/lib.rs", "tests/it/github/repositories.rs"];

fn read(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_piece_of_rust_stands_in_the_sources() {
    let (page, sources) = (read("../../docs/add-a-connector.md"), SOURCES.map(read));
    let pieces: Vec<&str> =
        page.split("```rust\n").skip(1).map(|piece| piece.split("```").next().unwrap()).collect();
    assert!(pieces.len() > 10, "the page shows a whole connector");
    for piece in pieces {
        assert!(
            sources.iter().any(|source| source.contains(piece)),
            "this is in none of {SOURCES:?}:\n{piece}"
        );
    }
}

#[test]
fn every_file_that_they_link_is_there() {
    for (name, least) in [("add-a-connector.md", 10), ("connectors.md", 15)] {
        let page = read(&format!("../../docs/{name}"));
        let links: Vec<&str> =
            page.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()).collect();
        assert!(links.len() > least, "{name}");
        for link in links.into_iter().filter(|link| !link.contains("://")) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(link);
            assert!(path.exists(), "{name}: {link}");
        }
    }
}

/// What Google's scopes begin with, which the page says once.
const GOOGLE: &str = "https://www.googleapis.com/auth/";

async fn registry() -> Vec<ConnectorInfo> {
    let (parts, _folder) = house("", &|_| None, Settings::default()).await;
    Connectors::new(parts).list(&"acme".parse().unwrap()).await.unwrap()
}

/// A scope as the page writes it.
fn short(scope: &str) -> &str {
    scope.strip_prefix(GOOGLE).unwrap_or(scope)
}

/// The words that stand in backticks.
fn words(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The rows of the table whose first column is called `column`: the words of the first cell, and the second cell.
fn rows<'a>(section: &'a str, column: &str) -> Vec<(Vec<&'a str>, &'a str)> {
    let head = format!("| {column} |");
    let Some(table) = section.split(&*head).nth(1) else { return Vec::new() };
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.split('|').skip(1);
        (words(cells.next().unwrap()), cells.next().unwrap())
    })
    .collect()
}

/// What is wrong with what the page says of a connector's operations and filters.
fn gaps(description: &Description, section: &str) -> Vec<String> {
    let mut gaps = Vec::new();
    let told: BTreeMap<&str, &str> = rows(section, "operation")
        .into_iter()
        .flat_map(|(names, scopes)| names.into_iter().map(move |name| (name, scopes)))
        .collect();
    for ability in description.operations {
        let name = ability.operation.as_str();
        let Some(scopes) = told.get(name) else {
            gaps.push(format!("there is no row for {name}"));
            continue;
        };
        let scopes = words(scopes);
        let needed: Vec<&str> = ability.scopes.concat().into_iter().map(short).collect();
        let is_told = |group: &[&str]| group.iter().any(|scope| scopes.contains(&short(scope)));
        let missing = ability.scopes.iter().filter(|group| !is_told(group));
        gaps.extend(missing.map(|group| format!("{name} needs one of {group:?}")));
        let needless = scopes.iter().filter(|scope| !needed.contains(scope));
        gaps.extend(needless.map(|scope| format!("{name} is not done with {scope}")));
    }
    let known: BTreeSet<&str> = description.operations.iter().map(|each| each.operation.as_str()).collect();
    gaps.extend(told.keys().filter(|name| !known.contains(*name)).map(|name| format!("it has no {name}")));
    let told: BTreeSet<&str> = rows(section, "filter").into_iter().flat_map(|(names, _)| names).collect();
    let known: BTreeSet<&str> = description.filters.iter().map(|filter| filter.name).collect();
    gaps.extend(known.symmetric_difference(&told).map(|name| format!("the filter {name}")));
    gaps
}

#[tokio::test]
async fn all_that_connectors_can_is_told_to_those_who_use_them() {
    let page = read("../../docs/connectors.md");
    for ConnectorInfo { description, .. } in registry().await {
        let id = description.id;
        let section = page.split("\n### ").find(|section| {
            section.lines().next().is_some_and(|heading| heading.ends_with(&format!(": `{id}`")))
        });
        let section = section.unwrap_or_else(|| panic!("docs/connectors.md has no section for {id}"));
        let gaps = gaps(description, section);
        assert!(gaps.is_empty(), "docs/connectors.md says of {id}: {gaps:#?}");
        assert!(page.contains(&format!("| [`{id}`](#")), "the table at its top does not lead to {id}");
    }
}

#[tokio::test]
async fn what_is_left_out_or_made_up_is_noticed() {
    let notes = registry().await.into_iter().find(|info| info.description.id == "notes").unwrap().description;
    let section = "Notes: `notes`\n| operation | scopes | what |\n| --- | --- | --- |\n\
        | `list`, `get`, `search` | `notes.read` | a |\n| `create`, `update` | `notes.read` | b |\n\
        | `issues` | none | c |\n\n| filter | meaning |\n| --- | --- |\n| `label` | d |\n";
    let write = "needs one of [\"notes.write\"]";
    assert_eq!(
        gaps(notes, section),
        [
            &format!("create {write}"),
            "create is not done with notes.read",
            &format!("update {write}"),
            "update is not done with notes.read",
            "there is no row for delete",
            "it has no issues",
            "the filter label",
        ]
    );
}

#[tokio::test]
async fn connectors_stand_in_the_order_of_their_names() {
    let listed = registry().await;
    let ids: Vec<&str> = listed.iter().map(|info| info.description.id).collect();
    assert!(ids.is_sorted_by(|left, right| left < right), "{ids:?}");
}

/// The registry goes by the names of modules, and everything else by what a connector says of itself.
#[tokio::test]
async fn a_connector_has_the_name_of_its_module() {
    let said: Vec<&str> = registry().await.iter().map(|info| info.description.id).collect();
    assert_eq!(said, connectors::IDS);
}
