//! What a client may ask for.

use std::collections::BTreeSet;
use std::fmt;

/// A permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// To read a person's notes.
    Read,
    /// To write, change and delete them.
    Write,
}

impl Scope {
    pub(crate) const ALL: [Self; 2] = [Self::Read, Self::Write];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "notes.read",
            Self::Write => "notes.write",
        }
    }

    /// What it means, to people.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Read => "Read your notes",
            Self::Write => "Write, change and delete your notes",
        }
    }
}

/// Some permissions; as text they are separated by spaces (RFC 6749, section 3.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Reads a list of scopes; `None` if one is not known.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let scope = |name: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
        text.split(' ').filter(|name| !name.is_empty()).map(scope).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }

    pub(crate) fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Those of these that are among the names.
    pub(crate) fn narrowed_to<'a>(&self, names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.collect();
        Self(self.iter().filter(|scope| names.contains(&scope.as_str())).collect())
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{}", scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_and_written() {
        let both = Scopes::parse("notes.write  notes.read notes.write").unwrap();
        assert_eq!(both.to_string(), "notes.read notes.write");
        assert!(Scopes::parse("").unwrap().is_empty());
        for unknown in ["notes", "notes.read,notes.write", "NOTES.READ", "notes.read\tnotes.write"] {
            assert!(Scopes::parse(unknown).is_none(), "{unknown}");
        }
        let read = both.narrowed_to(["notes.read", "admin"].into_iter());
        assert_eq!(read.to_string(), "notes.read");
        assert!(read.is_within(&both) && !both.is_within(&read));
    }
}
