//! Identifiers: checked once where they come in, trusted from then on.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use ulid::Ulid;

use crate::Ambient;

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty, or longer than allowed.
    #[error("{kind} must have 1 to {max} characters")]
    Length {
        /// Which identifier was meant.
        kind: &'static str,
        /// The most characters it may have.
        max: usize,
    },
    /// A character outside the alphabet.
    #[error("{kind} may contain only {allowed}")]
    Alphabet {
        /// Which identifier was meant.
        kind: &'static str,
        /// The alphabet, in words.
        allowed: &'static str,
    },
    /// A word that is a route of its own.
    #[error("plugin id {0:?} is reserved, choose another")]
    Reserved(String),
}

/// Names a tenant: 1 to 128 of letters, digits and `._:@-`. The host product chooses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

impl TenantId {
    const MAX: usize = 128;

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        check_length("tenant id", text, Self::MAX)?;
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte)) {
            return Err(IdError::Alphabet { kind: "tenant id", allowed: "letters, digits and . _ : @ -" });
        }
        Ok(Self(text.to_owned()))
    }
}

/// Names a plugin within the shared catalog or within one tenant: 1 to 100 of letters, digits and `._-`, beginning
/// with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(String);

impl PluginId {
    const MAX: usize = 100;

    /// Words that stand where a plugin id may stand in a route.
    const RESERVED: [&'static str; 15] = [
        "available",
        "bundles",
        "by-extension-point",
        "categories",
        "deliveries",
        "install",
        "installed",
        "public",
        "search",
        "storage",
        "storage-health",
        "stream",
        "uninstall",
        "upgrade",
        "upload",
    ];

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PluginId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        check_length("plugin id", text, Self::MAX)?;
        let begins_well = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if !begins_well || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            return Err(IdError::Alphabet {
                kind: "plugin id",
                allowed: "letters, digits and . _ - after a first letter or digit",
            });
        }
        if Self::RESERVED.contains(&text) {
            return Err(IdError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

text_id!(TenantId);
text_id!(PluginId);

fn check_length(kind: &'static str, text: &str, max: usize) -> Result<(), IdError> {
    if text.is_empty() || text.len() > max { Err(IdError::Length { kind, max }) } else { Ok(()) }
}

/// A new unique identifier for a row: a ULID, 26 characters that sort by time of creation.
pub fn new_id(ambient: &Ambient) -> String {
    let milliseconds = u64::try_from(ambient.now().as_millisecond()).unwrap_or(0);
    let random = u128::from_be_bytes(ambient.bytes());
    Ulid::from_parts(milliseconds, random).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_ids_of_the_platforms_are_accepted() {
        for text in ["acme", "lexmodo:42", "org_2a.B-c", "team@example"] {
            assert_eq!(text.parse::<TenantId>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn ids_that_could_leave_a_path_are_refused() {
        for text in ["", "..", ".hidden", "a/b", "a b", "a\0", "é", &"x".repeat(101)] {
            assert!(text.parse::<PluginId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn words_of_routes_are_reserved() {
        assert_eq!("installed".parse::<PluginId>(), Err(IdError::Reserved("installed".into())));
    }

    #[test]
    fn row_ids_are_unique_and_well_formed() {
        let ambient = Ambient::system();
        let (first, second) = (new_id(&ambient), new_id(&ambient));
        assert_ne!(first, second);
        assert_eq!(first.len(), 26);
    }
}
