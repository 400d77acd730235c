//! Gathering what was given, from the strongest source to the weakest.

use std::path::Path;

use super::Places;
use super::dotenv;
use super::table::{ACCEPTED, REFUSED, TABLE};
use super::value::{Problems, Source, Values};

const FILE_NAME: &str = "jackfield.toml";

/// Everything that was given, by name.
pub(super) fn gather(
    environment: impl IntoIterator<Item = (String, String)>,
    places: Places<'_>,
    problems: &mut Problems,
) -> Values {
    let mut values = Values::default();
    for (name, text) in environment {
        if is_known(&name) {
            values.add(&name, text, Source::Environment);
        }
    }
    read_dotenv(&places.folder.join(".env"), &mut values, problems);
    let named = places.file.map(Path::to_path_buf);
    let path = named.clone().unwrap_or_else(|| places.folder.join(FILE_NAME));
    match std::fs::read_to_string(&path) {
        Ok(text) => read_file(&text, &mut values, problems),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => problems.push(format!("{} must be a readable file: {error}", path.display())),
    }
    values
}

fn is_known(name: &str) -> bool {
    names().any(|known| known == name)
}

fn names() -> impl Iterator<Item = &'static str> {
    let described = TABLE.iter().map(|setting| setting.name);
    described.chain(ACCEPTED.iter().copied()).chain(REFUSED.iter().map(|(name, _)| *name))
}

/// Reads `.env` without touching the environment of the process. Names that are not ours belong to somebody else.
fn read_dotenv(path: &Path, values: &mut Values, problems: &mut Problems) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => return problems.push(format!(".env must be a readable file: {error}")),
    };
    let mut found = Vec::new();
    for read in dotenv::parse(&text) {
        match read {
            Ok((name, text)) => found.push((name, text)),
            Err(wrong) => problems.push(format!("line {} of .env {}", wrong.line, wrong.must)),
        }
    }
    // The first that is added holds, and of two lines the last shall.
    for (name, text) in found.into_iter().rev().filter(|(name, _)| is_known(name)) {
        values.add(&name, text, Source::DotEnv);
    }
}

fn read_file(text: &str, values: &mut Values, problems: &mut Problems) {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            return problems.push(format!("{FILE_NAME} is no TOML at line {line}: {}", error.message()));
        }
    };
    for (key, value) in &table {
        let name = key.to_ascii_uppercase();
        let is_one_case = *key == name || *key == key.to_ascii_lowercase();
        if !is_known(&name) || !is_one_case {
            problems.push(unknown(key, &name));
        } else if let Some(text) = plain(value) {
            values.add(&name, text, Source::File);
        } else {
            problems.push(format!(
                "{key} must be a text, a number, true or false, or a list of texts (from {FILE_NAME})"
            ));
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn unknown(key: &str, name: &str) -> String {
    let nearest =
        names().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    match nearest {
        Some(nearest) if strsim::jaro_winkler(nearest, name) > 0.8 => {
            let nearest = if key == name { nearest.to_owned() } else { nearest.to_ascii_lowercase() };
            format!("{key} is no setting; did you mean {nearest}? (from {FILE_NAME})")
        }
        _ => format!("{key} is no setting; docs/configuration.md lists all of them (from {FILE_NAME})"),
    }
}

/// The value as the environment would hold it; `None` for what has no such form.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(plain).collect();
            serde_json::to_string(&texts?).ok()
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
