//! The kinds of values that settings have, and how each is read from text.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use api::address::Network;
use identity::IssuerUrl;
use registry::Version;
use secrecy::SecretString;
use url::Url;

/// A kind of value.
pub(crate) trait Value: Sized {
    /// What a value must look like, as the end of a sentence that begins "must be".
    const EXPECTS: &'static str;
    /// Whether the value must not be shown.
    const SECRET: bool = false;

    /// The value in `text`; `None` if it is none.
    fn parse(text: &str) -> Option<Self>;

    /// The value where nothing is given and there is no default.
    fn absent() -> Option<Self> {
        None
    }
}

/// Where a value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The environment of the process.
    Environment,
    /// The file `.env`.
    DotEnv,
    /// The settings file.
    File,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "environment",
            Self::DotEnv => ".env",
            Self::File => "jackfield.toml",
        })
    }
}

/// All that is wrong, one sentence each.
pub(crate) type Problems = Vec<String>;

/// The values that were given, by name.
#[derive(Default)]
pub(crate) struct Values(BTreeMap<String, (String, Source)>);

impl Values {
    /// Notes a value, unless one from a stronger source is known already. An empty text counts as not given.
    pub(crate) fn add(&mut self, name: &str, text: String, source: Source) {
        if !text.trim().is_empty() {
            self.0.entry(name.to_owned()).or_insert((text, source));
        }
    }

    /// The text given for `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(text, _)| text.as_str())
    }

    /// Where the value of `name` comes from.
    pub(crate) fn source(&self, name: &str) -> Option<Source> {
        self.0.get(name).map(|(_, source)| *source)
    }

    /// The names of all that was given, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn read<T: Value>(
        &self,
        name: &str,
        default: Option<&str>,
        problems: &mut Problems,
    ) -> Option<T> {
        let Some((text, source)) = self.0.get(name) else {
            return default.map_or_else(T::absent, T::parse);
        };
        let value = T::parse(text.trim());
        if value.is_none() {
            let given =
                if T::SECRET { "its value is not".to_owned() } else { format!("{:?} is not", text.trim()) };
            problems.push(format!("{name} must be {}; {given} (from {source})", T::EXPECTS));
        }
        value
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<T: Value> Value for Option<T> {
    const EXPECTS: &'static str = T::EXPECTS;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Option<Self> {
        T::parse(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

macro_rules! by_from_str {
    ($($kind:ty: $expects:literal;)+) => {
        $(impl Value for $kind {
            const EXPECTS: &'static str = $expects;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        })+
    };
}

by_from_str! {
    IpAddr: "an address such as 127.0.0.1, 0.0.0.0 or ::1";
    u16: "a port, 0 to 65535";
    u32: "a whole number from 0";
    NonZeroU32: "a whole number from 1";
    PathBuf: "a path";
    Version: "a semantic version such as 1.0.0";
    IssuerUrl: "an https URL (or http to a loopback address) without query or fragment";
    Network: "an address or a range such as 10.0.0.0/8";
}

impl Value for bool {
    const EXPECTS: &'static str = "true or false";

    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }
}

impl Value for SecretString {
    const EXPECTS: &'static str = "a text";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Value for Url {
    const EXPECTS: &'static str = "a URL that begins with http:// or https://";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    }
}

/// Any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl Value for Text {
    const EXPECTS: &'static str = "a text";

    fn parse(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }
}

/// Several values: a JSON array of texts, or texts with commas between.
#[derive(Debug, Clone)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T: Value + ListItem> Value for List<T> {
    const EXPECTS: &'static str = T::LIST;
    const SECRET: bool = T::SECRET;

    fn parse(text: &str) -> Option<Self> {
        let texts = serde_json::from_str::<Vec<String>>(text).unwrap_or_else(|_| {
            // A shell takes the quotes out of `["a", "b"]`.
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            bare.split(',').map(str::to_owned).collect()
        });
        let items = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).map(T::parse);
        items.collect::<Option<Vec<T>>>().map(Self)
    }
}

/// A kind of value that comes in lists.
pub(crate) trait ListItem {
    /// What the list must look like.
    const LIST: &'static str;
}

impl ListItem for Text {
    const LIST: &'static str = r#"a list: `a, b` or `["a", "b"]`"#;
}

impl ListItem for SecretString {
    const LIST: &'static str = "a list of keys with commas between";
}

impl ListItem for IssuerUrl {
    const LIST: &'static str =
        "a list of https URLs (or http to a loopback address) without query or fragment, with commas between";
}

impl ListItem for Network {
    const LIST: &'static str = "a list of addresses or ranges such as 10.0.0.0/8, with commas between";
}

/// A time in seconds, whole or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl Value for Seconds {
    const EXPECTS: &'static str = "a number of seconds from 0.1 to 3600, such as 30 or 2.5";

    fn parse(text: &str) -> Option<Self> {
        let seconds: f64 = text.strip_suffix('s').unwrap_or(text).trim().parse().ok()?;
        (0.1..=3600.0).contains(&seconds).then(|| Self(Duration::from_secs_f64(seconds)))
    }
}

/// A time in whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days(pub(crate) Duration);

impl Value for Days {
    const EXPECTS: &'static str = "a number of days from 1 to 3650, such as 90";

    fn parse(text: &str) -> Option<Self> {
        let days: u64 = text.strip_suffix('d').unwrap_or(text).trim().parse().ok()?;
        (1..=3650).contains(&days).then(|| Self(Duration::from_hours(24 * days)))
    }
}

/// An amount of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) usize);

impl Value for Bytes {
    const EXPECTS: &'static str = "a number of bytes, up to 1 GiB, such as 65536, 64KiB or 1MiB";

    fn parse(text: &str) -> Option<Self> {
        bytes(text).filter(|bytes| *bytes <= 1 << 30).map(Self)
    }
}

/// An amount of memory, which may be more than anything that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory(pub(crate) usize);

impl Value for Memory {
    const EXPECTS: &'static str = "a number of bytes, up to 1 TiB, such as 512MiB or 8GiB";

    fn parse(text: &str) -> Option<Self> {
        bytes(text).filter(|bytes| *bytes <= 1 << 40).map(Self)
    }
}

fn bytes(text: &str) -> Option<usize> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    let unit = units.into_iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)));
    let (digits, size) = unit.unwrap_or((text, 1));
    digits.trim().parse::<usize>().ok()?.checked_mul(size)
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Human on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// For programs.
    Json,
}

impl Value for LogFormat {
    const EXPECTS: &'static str = "auto, human or json";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "human" => Some(Self::Human),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What is logged, in the directives of tracing-subscriber's `EnvFilter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogDirectives(pub(crate) String);

impl Value for LogDirectives {
    const EXPECTS: &'static str =
        "error, warn, info, debug or trace, or directives such as info,api=debug with commas between";

    fn parse(text: &str) -> Option<Self> {
        // A lone word that is no level would be taken as the name of a part, and silence everything else.
        let known = ["error", "warn", "info", "debug", "trace", "off"];
        let sound = text.split(',').all(|part| {
            let level = part.rsplit('=').next().unwrap_or(part).trim().to_ascii_lowercase();
            known.contains(&level.as_str())
        });
        (sound && tracing_subscriber::EnvFilter::try_new(text).is_ok()).then(|| Self(text.to_owned()))
    }
}
