//! Versions and ranges as npm understands them.

use std::fmt;
use std::str::FromStr;

use nodejs_semver::{Range, Version as Semver};

/// A version of a plugin: `MAJOR.MINOR.PATCH` with an optional pre-release (Semantic Versioning 2.0.0). Build metadata
/// is refused: two versions that differ in nothing else would be the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Semver);

/// A text that is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be MAJOR.MINOR.PATCH with an optional pre-release, such as 1.4.0 or 2.0.0-beta.1")]
pub struct VersionError;

impl Version {
    /// The longest version in characters.
    const MAX: usize = 64;

    /// Whether the version lies in `range`, which is npm's syntax (`^1.2`, `>=1 <3 || 4.x`).
    pub fn satisfies(&self, range: &Range) -> bool {
        self.0.satisfies(range)
    }

    /// Whether this is a pre-release, which nobody gets without asking for it.
    pub fn is_prerelease(&self) -> bool {
        self.0.is_prerelease()
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.len() > Self::MAX {
            return Err(VersionError);
        }
        let version = Semver::parse(text).map_err(|_| VersionError)?;
        // The parser also takes `v1.0.0` and blanks; what is stored must be the one way to write it.
        if version.build().is_empty() && version.to_string() == text {
            Ok(Self(version))
        } else {
            Err(VersionError)
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a range in npm's syntax.
pub(crate) fn parse_range(text: &str) -> Option<Range> {
    if text.trim().is_empty() || text.len() > 256 { None } else { Range::parse(text).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_a_version() {
        for text in [
            "",
            "1",
            "1.0",
            "v1.0.0",
            " 1.0.0",
            "1.0.0 ",
            "1.0.0+build",
            "01.0.0",
            "1.0.0-",
            "latest",
            "1.0.x",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
        for text in ["0.0.0", "1.2.3", "1.0.0-alpha.1", "10.20.30-rc.1"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn versions_sort_by_precedence() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("1.10.0") > version("1.9.0"));
        assert!(version("1.0.0") > version("1.0.0-rc.1"));
    }

    #[test]
    fn ranges_are_npms() {
        assert!("1.4.0".parse::<Version>().unwrap().satisfies(&parse_range("^1.2 || 3.x").unwrap()));
        assert!(parse_range("not a range").is_none());
        assert!(parse_range("").is_none());
    }
}
