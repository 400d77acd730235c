//! The catalog's two files as tables: what is built in, and what the operator adds or overrides.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::entry::{KEYS, REMOVABLE};
use super::fields::{Findings, advice, shown};
use super::provider::ProviderId;

const BUILTIN: &str = include_str!("builtin.toml");

/// The entry that own ones are made from, where they name no other.
const GENERIC: &str = "generic";

/// Keys that belong to one entry alone and are not taken over from another.
const PERSONAL: &[&str] = &["client_id", "client_secret", "name", "redirect_uri", "scopes"];

/// The table of each entry, by the entry's id, `like` and overriding done.
pub(super) fn entries(operators: Option<&str>, findings: &mut Findings) -> BTreeMap<ProviderId, Table> {
    let builtin = providers(BUILTIN, findings);
    let own = operators.map(|text| providers(text, findings)).unwrap_or_default();
    let mut entries: BTreeMap<ProviderId, Table> = builtin
        .iter()
        .filter(|(id, _)| id.as_str() != GENERIC)
        .map(|(id, table)| (id.clone(), table.clone()))
        .collect();
    for (id, table) in own {
        let merged = merge(&id, &table, &builtin, findings);
        entries.insert(id, merged);
    }
    entries
}

fn merge(
    id: &ProviderId,
    own: &Table,
    builtin: &BTreeMap<ProviderId, Table>,
    findings: &mut Findings,
) -> Table {
    let mut merged = match (builtin.get(id), own.get("like")) {
        (Some(base), None) => base.clone(),
        (Some(_), Some(_)) => {
            findings.problems.push(format!(
                "[providers.{id}] like has no meaning here: {id} is built in, and these keys override its own"
            ));
            Table::new()
        }
        (None, like) => base(id, like, builtin, findings),
    };
    for (key, value) in own.iter().filter(|(key, _)| *key != "like") {
        let takes_away = REMOVABLE.contains(&key.as_str()) && value.as_str() == Some("");
        if takes_away {
            merged.remove(key);
        } else {
            merged.insert(key.clone(), value.clone());
        }
    }
    merged
}

/// What an entry of the operator's own is made from.
fn base(
    id: &ProviderId,
    like: Option<&Value>,
    builtin: &BTreeMap<ProviderId, Table>,
    findings: &mut Findings,
) -> Table {
    let name = like.map_or(Some(GENERIC), Value::as_str);
    let found = name.and_then(|name| builtin.iter().find(|(id, _)| id.as_str() == name));
    let Some((_, table)) = found else {
        let names: Vec<&str> = builtin.keys().map(ProviderId::as_str).collect();
        let given = like.and_then(Value::as_str).map_or_else(
            || "its value is not".to_owned(),
            |given| format!("{} is not; {}", shown(given), advice(given, &names)),
        );
        findings
            .problems
            .push(format!("[providers.{id}] like must be the name of a built-in entry; {given}"));
        return Table::new();
    };
    let mut table = table.clone();
    table.retain(|key, _| !PERSONAL.contains(&key));
    table
}

/// The tables under `providers` in one file.
fn providers(text: &str, findings: &mut Findings) -> BTreeMap<ProviderId, Table> {
    let file: Table = match text.parse() {
        Ok(file) => file,
        Err(error) => {
            findings.problems.push(syntax(text, &error));
            return BTreeMap::new();
        }
    };
    let mut found = BTreeMap::new();
    for (key, value) in &file {
        match value.as_table() {
            Some(table) if key == "providers" => found = named(table, findings),
            _ if key == "providers" => {
                findings.problems.push("providers must be a table of tables".to_owned());
            }
            _ => findings.problems.push(misplaced(key)),
        }
    }
    found
}

fn named(table: &Table, findings: &mut Findings) -> BTreeMap<ProviderId, Table> {
    let mut found = BTreeMap::new();
    for (name, value) in table {
        match (ProviderId::parse(name), value.as_table()) {
            (None, _) => findings.problems.push(format!(
                "[providers.{}] is no name of a provider: 1 to 64 lower-case letters, digits, - and _, beginning with \
                 a letter",
                shown(name)
            )),
            (Some(id), None) => findings.problems.push(format!("[providers.{id}] must be a table")),
            (Some(id), Some(table)) => {
                found.insert(id, table.clone());
            }
        }
    }
    found
}

fn misplaced(key: &str) -> String {
    if KEYS.contains(&key) {
        format!("{key} stands outside of any entry; write it under [providers.NAME]")
    } else {
        format!("{} is not known; entries are written as [providers.NAME]", shown(key))
    }
}

/// Where the file is no TOML. The parser's message may show a part of the file, which may be a secret, so only the
/// first line of what it expected is told.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .map_or(1, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1);
    format!(
        "the providers' file is no TOML at line {line}: {}",
        error.message().lines().next().unwrap_or_default()
    )
}
