//! Pages of lists: <https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination>

use serde::Deserialize;

use crate::Page;

/// The most that any list gives at once.
pub(super) const MAX_PAGE: u32 = 100;

/// The most pull requests that are given at once: with more asked for, Bitbucket answers `Invalid pagelen`, whatever its
/// documentation says of 100 (<https://jira.atlassian.com/browse/BCLOUD-13229>).
pub(super) const MAX_PULL_REQUESTS: u32 = 50;

/// An answer that is a page.
#[derive(Debug, Deserialize)]
pub(super) struct Paged<T> {
    #[serde(default = "Vec::new")]
    pub(super) values: Vec<T>,
    /// How many there are in all: not always told.
    size: Option<u64>,
    /// The whole address of the next page.
    next: Option<String>,
}

impl<T> Paged<T> {
    /// The page of what `each` makes of its values. Its cursor is the address of the next.
    pub(super) fn page<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.values.into_iter().map(each).collect(),
            total: self.size,
            next: self.next.filter(|next| !next.is_empty()),
        }
    }
}
