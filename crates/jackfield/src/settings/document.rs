//! The settings in words: the commented default file, the page in the documentation, what is in force.

use std::fmt::Write as _;

use connections::catalog::Catalog;

use super::sources::static_names;
use super::table::{REFUSED, Setting, TABLE};
use super::value::Values;

/// The default file: every setting with its help, commented out at its default.
pub(crate) fn default_file() -> String {
    let mut text = String::from(
        "# Settings of Jackfield, each at its default. Every name works in the environment and in .env too, in upper\n\
         # case; the environment goes before .env, .env before this file.\n",
    );
    let mut section = "";
    for setting in TABLE {
        if setting.section != section {
            section = setting.section;
            let _ = write!(text, "\n# {section}\n");
        }
        text.push('\n');
        for line in setting.help {
            let _ = writeln!(text, "#{line}");
        }
        let _ = writeln!(text, "# Must be {}.", setting.expects);
        let key = setting.name.to_ascii_lowercase();
        let _ = match setting.default {
            Some(default) => writeln!(text, "# {key} = {}", toml_value(default)),
            None => writeln!(text, "# {key} ="),
        };
    }
    text.push_str("\n# OAuth apps\n#\n");
    for line in APPS.iter().chain(&["", "Built in:"]) {
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
    let names = app_names();
    for line in wrapped(&names.iter().map(String::as_str).collect::<Vec<_>>()) {
        let _ = writeln!(text, "# {line}");
    }
    text
}

/// What is said of the settings that each provider has.
const APPS: &[&str] = &[
    "The platform's own client at a provider is set by four names. They begin with the provider's name in upper",
    "case, `-` written as `_`; entries of PROVIDERS_FILE have them too. The id and the secret belong together.",
    "",
    "NAME_CLIENT_ID: its client id.",
    "NAME_CLIENT_SECRET: its client secret.",
    "NAME_REDIRECT_URI: where users come back to, as registered there; else this server's own address for it.",
    "NAME_SCOPES: what is asked for by default, as `a, b` or `[\"a\", \"b\"]`; else the entry's `default_scopes`.",
];

/// The names of the settings of OAuth apps that are always there.
fn app_names() -> Vec<String> {
    Catalog::setting_names(None)
}

/// A number or truth as it is, everything else quoted.
fn toml_value(text: &str) -> String {
    let is_bare = text.parse::<u64>().is_ok() || matches!(text, "true" | "false");
    if is_bare { text.to_owned() } else { format!("{text:?}") }
}

/// Names with commas between, in lines of at most 100 characters.
fn wrapped(names: &[&str]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for name in names {
        if let Some(line) = lines.last_mut() {
            if line.len() + name.len() > 100 {
                lines.push((*name).to_owned());
            } else {
                line.push_str(if line.is_empty() { "" } else { ", " });
                line.push_str(name);
            }
        }
    }
    lines
}

/// The page `docs/configuration.md`.
pub(crate) fn markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         <!-- Generated from crates/jackfield/src/settings/table.rs by `jackfield settings --markdown`. -->\n\n\
         `jackfield serve` works without any. Settings are read from the environment, from `.env`, and from\n\
         `jackfield.toml` (names in upper or lower case; lists as TOML arrays) in the current folder, or from the file\n\
         that `--config` names; the earlier goes before the later, and an empty value counts as none. Whatever is wrong\n\
         is named at start, all at once. `jackfield settings` prints what is in force.\n\n\
         `.env` is read as the libraries of the field read it: a value goes to the end of its line or to ` #`, with or\n\
         without quotes; `$` stands for itself; of two lines for one name the last holds.\n",
    );
    let mut section = "";
    for setting in TABLE {
        if setting.section != section {
            section = setting.section;
            let _ =
                write!(text, "\n## {section}\n\n| name | default | what it does |\n| --- | --- | --- |\n");
        }
        let _ = writeln!(text, "{}", row(setting));
    }
    text.push_str("\n## OAuth apps\n\n");
    for line in APPS {
        let listed = line.strip_prefix("NAME_").and_then(|line| line.split_once(": "));
        let _ = match listed {
            Some((name, rest)) => writeln!(text, "- `NAME_{name}`: {rest}"),
            None => writeln!(text, "{line}"),
        };
    }
    text.push_str("\nBuilt in:\n\n");
    let names: Vec<String> = app_names().iter().map(|name| format!("`{name}`")).collect();
    for line in wrapped(&names.iter().map(String::as_str).collect::<Vec<_>>()) {
        let _ = writeln!(text, "{line}");
    }
    text.push_str("\n## Refused\n\n");
    for (name, instead) in REFUSED {
        let _ = writeln!(text, "- `{name}`: {instead}.");
    }
    text
}

fn row(setting: &Setting) -> String {
    let default = match setting.default {
        None | Some("") => String::new(),
        Some(default) => format!("`{default}`"),
    };
    let help = setting.help.concat();
    let secret = if setting.secret { " Secret." } else { "" };
    let cell = format!("{} Must be {}.{secret}", help.trim(), setting.expects).replace('|', "\\|");
    format!("| `{}` | {default} | {cell} |", setting.name)
}

/// What is in force: every setting with its value and where it comes from; secrets masked.
pub(crate) fn show(values: &Values) -> String {
    let mut text = String::new();
    for setting in TABLE {
        let (value, source) = match (values.get(setting.name), values.source(setting.name)) {
            (Some(_), Some(source)) if setting.secret => ("********".to_owned(), source.to_string()),
            (Some(value), Some(source)) => (value.to_owned(), source.to_string()),
            _ => (setting.default.unwrap_or_default().to_owned(), "default".to_owned()),
        };
        let _ = writeln!(text, "{} = {value}  ({source})", setting.name);
    }
    text.push_str(&show_apps(values));
    text
}

/// The settings of OAuth apps that were given.
fn show_apps(values: &Values) -> String {
    let mut text = String::new();
    for name in values.names().filter(|name| !static_names().any(|known| known == *name)) {
        let (Some(value), Some(source)) = (values.get(name), values.source(name)) else { continue };
        let value = if name.ends_with("_CLIENT_SECRET") { "********" } else { value };
        let _ = writeln!(text, "{name} = {value}  ({source})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    fn committed(name: &str) -> String {
        std::fs::read_to_string(format!("{ROOT}/{name}")).unwrap()
    }

    /// Tells the first line that differs: the whole of both would hide it.
    fn assert_committed(name: &str, made: &str, command: &str) {
        let committed = committed(name);
        for (number, (left, right)) in committed.lines().zip(made.lines()).enumerate() {
            assert_eq!(left, right, "{name}, line {}: run `{command} > {name}`", number + 1);
        }
        assert!(committed == made, "{name} ends elsewhere: run `{command} > {name}`");
    }

    #[test]
    fn the_committed_default_file_is_the_table() {
        assert_committed("jackfield.default.toml", &default_file(), "jackfield settings --default-file");
    }

    #[test]
    fn the_committed_page_is_the_table() {
        assert_committed("docs/configuration.md", &markdown(), "jackfield settings --markdown");
    }

    #[test]
    fn the_default_file_uncommented_is_read_and_changes_nothing() {
        let is_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_setting = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(is_key));
        let file = default_file();
        let lines: Vec<&str> =
            file.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_setting).collect();
        let uncommented = lines.join("\n");
        let table: toml::Table = uncommented.parse().unwrap();
        for setting in TABLE.iter().filter(|setting| setting.default.is_some()) {
            assert!(table.contains_key(&setting.name.to_ascii_lowercase()), "{}", setting.name);
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("jackfield.toml"), uncommented).unwrap();
        let load = |folder| super::super::load([], super::super::Places { file: None, folder });
        let from_file = load(folder.path()).unwrap().settings;
        let from_nothing = load(tempfile::tempdir().unwrap().path()).unwrap().settings;
        assert_eq!(format!("{from_file:?}"), format!("{from_nothing:?}"));
    }

    #[test]
    fn every_secret_is_marked() {
        for setting in TABLE {
            let sounds_secret = ["SECRET", "_TOKEN", "ENCRYPTION_KEY", "DATABASE_URL", "NATS_URL"]
                .iter()
                .any(|word| setting.name.contains(word));
            assert_eq!(setting.secret, sounds_secret, "{}", setting.name);
        }
    }
}
