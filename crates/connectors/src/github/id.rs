//! Ids for callers, each one segment of a path: `owner:name` for a repository, `owner:name:12` for an issue.

use std::fmt;

use crate::Error;

/// A repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repository<'a> {
    pub(super) owner: &'a str,
    pub(super) name: &'a str,
}

/// An issue, or a pull request: GitHub numbers both together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Issue<'a> {
    pub(super) repository: Repository<'a>,
    pub(super) number: &'a str,
}

impl<'a> Repository<'a> {
    /// # Errors
    /// [`Error::NotFound`] for what GitHub cannot have given out.
    pub(super) fn parse(id: &'a str) -> Result<Self, Error> {
        Self::read(id).ok_or_else(|| Error::not_found("repository", id))
    }

    fn read(id: &'a str) -> Option<Self> {
        let (owner, name) = id.split_once(':')?;
        (is_name(owner) && is_name(name)).then_some(Self { owner, name })
    }

    /// That of `https://api.github.com/repos/owner/name`.
    pub(super) fn of_url(url: &'a str) -> Option<Self> {
        let mut parts = url.rsplit('/');
        let (name, owner) = (parts.next()?, parts.next()?);
        (is_name(owner) && is_name(name)).then_some(Self { owner, name })
    }

    /// The path to `what` of it.
    pub(super) fn path<const N: usize>(&self, what: [&'a str; N]) -> Vec<&'a str> {
        ["repos", self.owner, self.name].into_iter().chain(what).collect()
    }
}

impl<'a> Issue<'a> {
    /// # Errors
    /// [`Error::NotFound`] for what GitHub cannot have given out.
    pub(super) fn parse(id: &'a str) -> Result<Self, Error> {
        Self::read(id).ok_or_else(|| Error::not_found("issue", id))
    }

    fn read(id: &'a str) -> Option<Self> {
        let (repository, number) = id.rsplit_once(':')?;
        let is_number = (1..=18).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(Self { repository: Repository::read(repository)?, number })
    }

    /// The path to `what` of it.
    pub(super) fn path<const N: usize>(&self, what: [&'a str; N]) -> Vec<&'a str> {
        let mut path = self.repository.path(["issues", self.number]);
        path.extend(what);
        path
    }
}

impl fmt::Display for Repository<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.owner, self.name)
    }
}

/// The characters of names: letters, digits and a few marks, but not only dots.
fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_or_are_none() {
        let issue = Issue::parse("octo-org:hello.world:12").unwrap();
        assert_eq!((issue.repository.to_string().as_str(), issue.number), ("octo-org:hello.world", "12"));
        assert_eq!(issue.path(["comments"]).join("/"), "repos/octo-org/hello.world/issues/12/comments");
        for none in ["", "a", "a:", ":b", "a:b:c", "a:..", "a/x:b", "a:b c", "a:b?c", "ä:b", "a:b:12"] {
            let error = Repository::parse(none).unwrap_err();
            assert_eq!(error.to_string(), format!("there is no repository {none}"));
        }
        for none in ["a:b", "a:b:", "a:b:x", "a:b:-1", "a:..:1", "12", "a:b:1234567890123456789"] {
            assert!(Issue::parse(none).is_err(), "{none}");
        }
    }

    #[test]
    fn a_repository_is_known_by_its_address() {
        let of = |url| Repository::of_url(url).map(|repository| repository.to_string());
        assert_eq!(of("https://ghe.example/api/v3/repos/octocat/hello"), Some("octocat:hello".into()));
        assert_eq!((of(""), of("https://api.github.com/")), (None, None));
    }
}
