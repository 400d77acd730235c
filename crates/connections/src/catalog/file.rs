//! The catalog's entries as tables: what is built in, what the program makes of its settings, and what the operator adds
//! or overrides.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::entry::{KEYS, REMOVABLE};
use super::fields::{Findings, advice, shown};
use super::platform::PlatformEntry;
use super::provider::ProviderId;

const BUILTIN: &str = include_str!("builtin.toml");

/// The entry that own ones are made from, where they name no other.
const GENERIC: &str = "generic";

/// Keys that belong to one entry alone and are not taken over from another.
const PERSONAL: &[&str] = &["client_id", "client_secret", "name", "redirect_uri", "scopes"];

/// An entry, `like` and overriding done.
#[derive(Debug, Clone, Default)]
pub(super) struct Merged {
    pub(super) table: Table,
    /// Which setting a key comes from, of those that do.
    pub(super) settings: BTreeMap<String, String>,
}

/// Each entry, by its id.
pub(super) fn entries(
    platform: &[PlatformEntry<'_>],
    operators: Option<&str>,
    findings: &mut Findings,
) -> BTreeMap<ProviderId, Merged> {
    let mut known = providers(BUILTIN, findings);
    let mut settings = BTreeMap::new();
    for entry in platform {
        let Some(id) = ProviderId::parse(entry.id) else {
            findings.problems.push(no_name(entry.id));
            continue;
        };
        let merged = merge(&id, &entry.table, &known, findings);
        let names = entry.settings.iter().map(|&(key, setting)| (key.to_owned(), setting.to_owned()));
        settings.insert(id.clone(), names.collect::<BTreeMap<_, _>>());
        known.insert(id, merged);
    }
    let own = operators.map(|text| providers(text, findings)).unwrap_or_default();
    let mut entries: BTreeMap<ProviderId, Merged> = known
        .iter()
        .filter(|(id, _)| id.as_str() != GENERIC)
        .map(|(id, table)| {
            let settings = settings.get(id).cloned().unwrap_or_default();
            (id.clone(), Merged { table: table.clone(), settings })
        })
        .collect();
    for (id, table) in own {
        let merged = merge(&id, &table, &known, findings);
        let entry = entries.entry(id).or_default();
        entry.table = merged;
        entry.settings.retain(|key, _| !table.contains_key(key));
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
    let takes_away = |key: &str, value: &Value| REMOVABLE.contains(&key) && value.as_str() == Some("");
    for (key, _) in own.iter().filter(|(key, value)| takes_away(key, value)) {
        merged.remove(key);
        if key == "revocation_url" {
            // How to revoke goes with the place.
            merged.remove("revocation");
        }
    }
    for (key, value) in own.iter().filter(|(key, value)| *key != "like" && !takes_away(key, value)) {
        merged.insert(key.clone(), value.clone());
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
            (None, _) => findings.problems.push(no_name(name)),
            (Some(id), None) => findings.problems.push(format!("[providers.{id}] must be a table")),
            (Some(id), Some(table)) => {
                found.insert(id, table.clone());
            }
        }
    }
    found
}

fn no_name(text: &str) -> String {
    format!(
        "[providers.{}] is no name of a provider: 1 to 64 lower-case letters, digits, - and _, beginning with a letter",
        shown(text)
    )
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
