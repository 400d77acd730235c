//! The ids of items: `workspace:slug` of a repository, `workspace:slug:12` of its pull request 12. Both are one segment of a
//! path without any escapes. A slash in place of the first colon, as Bitbucket writes names, is understood, too; and UUIDs in
//! braces, which Bitbucket takes in place of either name.

use std::fmt;

use crate::Error;

/// The longest name that is sent, in bytes: Bitbucket's have at most 62.
const MAX_NAME: usize = 128;

/// Which repository is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RepositoryName {
    pub(super) workspace: String,
    pub(super) slug: String,
}

/// Which pull request is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PullRequestName {
    pub(super) repository: RepositoryName,
    /// Its number within the repository, in digits.
    number: String,
}

/// Which item is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Repository(RepositoryName),
    PullRequest(PullRequestName),
}

impl Name {
    /// Reads an item's id.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what nothing there can have.
    pub(super) fn parse(id: &str) -> Result<Self, Error> {
        Self::read(id).ok_or_else(|| Error::not_found("repository or pull request", id))
    }

    fn read(id: &str) -> Option<Self> {
        let (workspace, rest) = id.split_once([':', '/'])?;
        let (slug, number) = rest.split_once(':').map_or((rest, None), |(slug, number)| (slug, Some(number)));
        let repository = RepositoryName::new(workspace, slug)?;
        match number {
            None => Some(Self::Repository(repository)),
            Some(number) if is_number(number) => {
                Some(Self::PullRequest(PullRequestName { repository, number: number.to_owned() }))
            }
            Some(_) => None,
        }
    }
}

impl RepositoryName {
    /// The repository of these names, if it can have them.
    pub(super) fn new(workspace: &str, slug: &str) -> Option<Self> {
        let are_names = is_name(workspace) && is_name(slug);
        are_names.then(|| Self { workspace: workspace.to_owned(), slug: slug.to_owned() })
    }

    /// Reads `workspace:slug` or `workspace/slug`.
    pub(super) fn read(text: &str) -> Option<Self> {
        match Name::read(text)? {
            Name::Repository(name) => Some(name),
            Name::PullRequest(_) => None,
        }
    }

    /// Where it is below the root, and what is there.
    pub(super) fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        [&["repositories", &self.workspace, &self.slug], rest].concat()
    }

    /// Its pull request of this number.
    pub(super) fn pull_request(&self, number: u64) -> PullRequestName {
        PullRequestName { repository: self.clone(), number: number.to_string() }
    }
}

impl PullRequestName {
    /// Where it is below the root, and what is there.
    pub(super) fn path<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let own = self.repository.path(&["pullrequests", &self.number]);
        [own.as_slice(), rest].concat()
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.workspace, self.slug)
    }
}

impl fmt::Display for PullRequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.number)
    }
}

/// Whether this can be the name of a workspace or a repository.
pub(super) fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.{}".contains(&byte);
    (1..=MAX_NAME).contains(&text.len()) && !matches!(text, "." | "..") && text.bytes().all(is_letter)
}

fn is_number(text: &str) -> bool {
    (1..=18).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_repository_or_its_pull_request() {
        for (id, shown, path) in [
            ("acme:site", "acme:site", vec!["repositories", "acme", "site"]),
            ("acme/site.js", "acme:site.js", vec!["repositories", "acme", "site.js"]),
            ("{a-1}:{b-2}", "{a-1}:{b-2}", vec!["repositories", "{a-1}", "{b-2}"]),
            ("acme:site:12", "acme:site:12", vec!["repositories", "acme", "site", "pullrequests", "12"]),
            ("acme/site:12", "acme:site:12", vec!["repositories", "acme", "site", "pullrequests", "12"]),
        ] {
            let (told, at) = match Name::parse(id).unwrap() {
                Name::Repository(name) => (name.to_string(), name.path(&[]).join("/")),
                Name::PullRequest(name) => (name.to_string(), name.path(&[]).join("/")),
            };
            assert_eq!((told.as_str(), at), (shown, path.join("/")));
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_id() {
        let long = format!("acme:{}", "x".repeat(129));
        for id in [
            "",
            "acme",
            "acme:",
            ":site",
            "acme:..",
            "..:site",
            ".:.",
            "acme:site:",
            "acme:site:x",
            "acme:site:0",
            "acme:site:01",
            "acme:site:-1",
            "acme:site:+1",
            "acme:site:1:2",
            "acme:si te",
            "acme/site/pullrequests/1",
            "acme:site?x=y",
            "acme:site%2f..",
            "acme:söte",
            "acme:site\n",
            &long,
            "acme:site:9999999999999999999",
        ] {
            assert!(matches!(Name::parse(id), Err(Error::NotFound { .. })), "{id}");
        }
        assert_eq!(RepositoryName::read("acme:site:1"), None);
    }
}
