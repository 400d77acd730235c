//! Gathering what was given, from the strongest source to the weakest.

use std::path::Path;

use connections::catalog::Catalog;

use super::Places;
use super::table::{REFUSED, TABLE};
use super::value::{Problems, Source, Values};
use super::{dotenv, proxy};

const FILE_NAME: &str = "jackfield.toml";

const PROVIDERS_FILE: &str = "PROVIDERS_FILE";

/// What the sources hold.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Everything that was given, by name.
    pub(super) values: Values,
    /// What the file named by PROVIDERS_FILE holds.
    pub(super) providers: Option<String>,
}

/// Everything that was given, by name.
pub(super) fn gather(
    environment: impl IntoIterator<Item = (String, String)>,
    places: Places<'_>,
    problems: &mut Problems,
) -> Gathered {
    let environment: Vec<(String, String)> = environment.into_iter().collect();
    let dotenv = read_dotenv(&places.folder.join(".env"), problems);
    let file = read_file(places, problems);
    // The names of OAuth apps' settings follow from the providers' file, so that file is found first.
    let mut values = Values::default();
    let is_providers_file = |name: &str| name == PROVIDERS_FILE;
    add(&mut values, [(&environment, Source::Environment), (&dotenv, Source::DotEnv)], is_providers_file);
    for (_, text) in
        file.iter().filter_map(|(key, value)| Some((named(key, is_providers_file)?, plain(value)?)))
    {
        values.add(PROVIDERS_FILE, text, Source::File);
    }
    // `Settings::check` tells of a file that cannot be read.
    let providers = values.get(PROVIDERS_FILE).and_then(|path| std::fs::read_to_string(path.trim()).ok());
    let names = Names { apps: Catalog::setting_names(providers.as_deref()) };
    let is_known = |name: &str| names.iter().any(|known| known == name);
    add(&mut values, [(&environment, Source::Environment), (&dotenv, Source::DotEnv)], is_known);
    add_file(&file, &names, &mut values, problems);
    Gathered { values, providers }
}

/// The names that mean something.
struct Names {
    apps: Vec<String>,
}

impl Names {
    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a str> {
        self.apps.iter().map(String::as_str).chain(static_names().map(|name| -> &'a str { name }))
    }
}

/// The names that do not depend on which providers there are.
pub(super) fn static_names() -> impl Iterator<Item = &'static str> {
    let described = TABLE.iter().map(|setting| setting.name);
    described.chain(REFUSED.iter().map(|(name, _)| *name))
}

/// Adds what is known of each source; the stronger come first.
fn add(values: &mut Values, sources: [(&Vec<(String, String)>, Source); 2], is_known: impl Fn(&str) -> bool) {
    for (pairs, source) in sources {
        for (name, text) in pairs.iter().filter(|(name, _)| is_known(name)) {
            values.add(name, text.clone(), source);
        }
    }
}

/// The name that a key of the settings file means, in upper or lower case, if it is known.
fn named(key: &str, is_known: impl Fn(&str) -> bool) -> Option<String> {
    let name = key.to_ascii_uppercase();
    let is_one_case = key == name || key == key.to_ascii_lowercase();
    (is_one_case && is_known(&name)).then_some(name)
}

/// Reads `.env` without touching the environment of the process; of two lines for one name the last comes first, as it
/// is the first that is added that holds. Names that are not ours belong to somebody else.
fn read_dotenv(path: &Path, problems: &mut Problems) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return found,
        Err(error) => {
            problems.push(format!(".env must be a readable file: {error}"));
            return found;
        }
    };
    for read in dotenv::parse(&text) {
        match read {
            Ok((name, text)) => found.push((name, text)),
            Err(wrong) => problems.push(format!("line {} of .env {}", wrong.line, wrong.must)),
        }
    }
    found.reverse();
    found
}

/// The keys of the settings file; none where there is no such file.
fn read_file(places: Places<'_>, problems: &mut Problems) -> toml::Table {
    let path = places.file.map_or_else(|| places.folder.join(FILE_NAME), Path::to_path_buf);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if places.file.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return toml::Table::new();
        }
        Err(error) => {
            problems.push(format!("{} must be a readable file: {error}", path.display()));
            return toml::Table::new();
        }
    };
    text.parse().unwrap_or_else(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| line_at(&text, span.start));
        problems.push(format!("{FILE_NAME} is no TOML at line {line}: {}", error.message()));
        toml::Table::new()
    })
}

fn add_file(table: &toml::Table, names: &Names, values: &mut Values, problems: &mut Problems) {
    for (key, value) in table {
        let name = named(key, |name| names.iter().any(|known| known == name));
        let is_structured = name.as_deref() == Some(proxy::PROXY_RULES);
        let text = plain(value).or_else(|| is_structured.then(|| proxy::tables(value)).flatten());
        match (name, text) {
            (None, _) => problems.push(unknown(key, &key.to_ascii_uppercase(), names)),
            (Some(name), Some(text)) => values.add(&name, text, Source::File),
            (Some(_), None) => problems.push(format!(
                "{key} must be a text, a number, true or false, or a list of texts (from {FILE_NAME})"
            )),
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn unknown(key: &str, name: &str, names: &Names) -> String {
    let nearest =
        names.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
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
