//! Reading one table of the catalog's file key by key, so that everything wrong with it is found, not only the first.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::{Table, Value};

/// What the reading of the catalog brought besides the catalog.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What is wrong, one sentence each.
    pub(super) problems: Vec<String>,
    /// What the operator should know, though it can be used.
    pub(super) warnings: Vec<String>,
}

/// A table, what it is called in messages, and where these go.
pub(super) struct Fields<'a> {
    path: String,
    table: &'a Table,
    /// Which setting a key comes from, of those that do.
    settings: Option<&'a BTreeMap<String, String>>,
    findings: &'a mut Findings,
}

impl<'a> Fields<'a> {
    /// Reads `table`, which the file calls `path`. Keys that are not in `known` are problems.
    pub(super) fn new(path: String, table: &'a Table, known: &[&str], findings: &'a mut Findings) -> Self {
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            findings.problems.push(format!("[{path}] {} is not known; {}", shown(key), advice(key, known)));
        }
        Self { path, table, settings: None, findings }
    }

    /// The same where some keys come from settings: messages name those.
    pub(super) fn of_settings(self, settings: &'a BTreeMap<String, String>) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// What the operator knows `key` by: the setting that it comes from, or itself.
    pub(super) fn place<'k>(&self, key: &'k str) -> &'k str
    where
        'a: 'k,
    {
        self.settings.and_then(|settings| settings.get(key)).map_or(key, String::as_str)
    }

    /// Notes a problem with `key`; the sentence goes on with `must`.
    pub(super) fn wrong(&mut self, key: &str, must: &str) {
        self.findings.problems.push(self.sentence(key, must));
    }

    /// Notes something about `key` that the operator should know.
    pub(super) fn warn(&mut self, key: &str, sentence: &str) {
        self.findings.warnings.push(self.sentence(key, sentence));
    }

    /// A name in upper case is that of a setting, which stands in no table.
    fn sentence(&self, key: &str, rest: &str) -> String {
        let key = self.place(key);
        let is_setting = key.starts_with(|first: char| first.is_ascii_uppercase());
        if is_setting { format!("{key} {rest}") } else { format!("[{}] {key} {rest}", self.path) }
    }

    /// Whether the table has `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// What `parse` makes of the value of `key`; `None` if there is none, or if it is not what it `must` be.
    fn take<T>(&mut self, key: &str, must: &str, parse: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.table.get(key)?;
        let parsed = parse(value);
        if parsed.is_none() {
            self.wrong(key, &format!("must be {must}; {} is not", excerpt(value)));
        }
        parsed
    }

    /// A text that is not empty.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, "a text", sound_text)
    }

    /// A text that may be blank.
    pub(super) fn text_or_blank(&mut self, key: &str) -> Option<String> {
        self.take(key, "a text", |value| value.as_str().filter(|text| text.len() <= 4096).map(str::to_owned))
    }

    /// A text that is never shown.
    pub(super) fn secret(&mut self, key: &str) -> Option<String> {
        let value = self.table.get(key)?;
        let text = sound_text(value);
        if text.is_none() {
            self.wrong(key, "must be a text; its value is not");
        }
        text
    }

    /// Any text, as one of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let must = format!("one of {}", names.join(", "));
        self.take(key, &must, |value| {
            let text = value.as_str()?;
            words.iter().find(|(name, _)| *name == text).map(|(_, word)| *word)
        })
    }

    /// A truth.
    pub(super) fn truth(&mut self, key: &str) -> Option<bool> {
        self.take(key, "true or false", Value::as_bool)
    }

    /// A length of time such as `10m`.
    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        self.take(key, "a time such as 90s, 10m, 12h or 90d", |value| duration(value.as_str()?))
    }

    /// A list of texts, none empty.
    pub(super) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        self.take(key, "a list of texts", texts)
    }

    /// A text, or a list of them.
    pub(super) fn one_or_more(&mut self, key: &str) -> Option<Vec<String>> {
        self.take(key, "a text or a list of texts", |value| match value {
            Value::String(_) => sound_text(value).map(|text| vec![text]),
            _ => texts(value),
        })
    }

    /// A table of texts, which may be empty.
    pub(super) fn map(&mut self, key: &str) -> Option<BTreeMap<String, String>> {
        self.take(key, "a table of texts", |value| {
            let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            value.as_table()?.iter().map(text).collect()
        })
    }

    /// A table within this one, whose keys are `known`.
    pub(super) fn table(&mut self, key: &str, known: &[&str]) -> Option<Fields<'_>> {
        let table = self.take(key, "a table", Value::as_table)?;
        Some(Fields::new(format!("{}.{key}", self.path), table, known, self.findings))
    }

    /// The tables of a table, each under its own name, whose keys are `known`.
    pub(super) fn tables(&mut self, key: &str, known: &[&str], mut each: impl FnMut(&str, Fields<'_>)) {
        let Some(table) = self.take(key, "a table of tables", Value::as_table) else { return };
        for (name, value) in table {
            let path = format!("{}.{key}.{}", self.path, shown(name));
            match value.as_table() {
                Some(table) => each(name, Fields::new(path, table, known, self.findings)),
                None => self.findings.problems.push(format!("[{path}] must be a table")),
            }
        }
    }

    /// The tables of a list of tables, whose keys are `known`.
    pub(super) fn array(&mut self, key: &str, known: &[&str], mut each: impl FnMut(usize, Fields<'_>)) {
        let Some(items) = self.take(key, "a list of tables", Value::as_array) else { return };
        for (index, value) in items.iter().enumerate() {
            let path = format!("{}.{key}.{index}", self.path);
            match value.as_table() {
                Some(table) => each(index, Fields::new(path, table, known, self.findings)),
                None => self.findings.problems.push(format!("[{path}] must be a table")),
            }
        }
    }
}

/// The nearest of `known` to a key that is not there.
pub(super) fn advice(key: &str, known: &[&str]) -> String {
    let likeness = |candidate: &str| strsim::jaro_winkler(&key.to_lowercase(), candidate);
    match known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))) {
        Some(nearest) if likeness(nearest) > 0.8 => format!("did you mean {nearest}?"),
        Some(_) => format!("the keys here are {}", known.join(", ")),
        None => "nothing may stand here".to_owned(),
    }
}

/// A text of the file as a message may repeat it: bounded, and without control characters.
pub(super) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.chars().all(is_bare) {
        format!("{cut}{dots}")
    } else {
        format!("{cut:?}{dots}")
    }
}

fn excerpt(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let cut: String = text.chars().take(60).collect();
            format!("{cut:?}{}", if cut.len() < text.len() { "…" } else { "" })
        }
        Value::Array(_) => "an array with something else in it".to_owned(),
        Value::Table(_) => "a table with something else in it".to_owned(),
        Value::Integer(_) => "an integer".to_owned(),
        other => format!("a {}", other.type_str()),
    }
}

fn sound_text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.trim().is_empty() && text.len() <= 4096).map(str::to_owned)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(sound_text).collect()
}

/// A length of time: a whole number from 1 and one of `s`, `m`, `h`, `d`; ten years at most.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|number| is_number && *number > 0)?;
    let duration = Duration::from_secs(number.checked_mul(seconds)?);
    (duration <= Duration::from_hours(10 * 366 * 24)).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("10m"), Some(Duration::from_mins(10)));
        assert_eq!(duration("90d"), Some(Duration::from_hours(90 * 24)));
        for wrong in
            ["", "d", "10", "0s", "-1s", "+1s", "1.5h", "1w", "99999999999999999999d", "4000d", "10m "]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_nearest_key_is_named() {
        assert_eq!(advice("tokn_url", &["token_url", "issuer"]), "did you mean token_url?");
        assert_eq!(advice("zzz", &["token_url", "issuer"]), "the keys here are token_url, issuer");
    }
}
