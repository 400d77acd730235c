//! What a list is of, and how it is narrowed.

use super::description::{ORDER_BY, REPOSITORY, ROLE, STATE, WORKSPACE};
use super::name::{RepositoryName, is_name};
use super::page::{MAX_PAGE, MAX_PULL_REQUESTS};
use super::query::query;
use crate::Error;
use crate::connector::Listing;
use crate::enclosed::{NOT_ENCLOSED, is_enclosed};
use crate::filters::one_of;
use crate::http::{Api, Request};

/// A list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sought {
    pub(super) of: Of,
    narrowed: Narrowed,
}

/// What it is of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The pull requests of a repository.
    PullRequests(RepositoryName),
    /// The repositories of a workspace.
    Repositories(String),
    /// The repositories of all workspaces.
    AllRepositories,
}

/// How it is narrowed, in Bitbucket's words.
#[derive(Debug, Default, PartialEq, Eq)]
struct Narrowed {
    query: Option<String>,
    sort: Option<String>,
    role: Option<String>,
    states: Vec<&'static str>,
    max_results: u32,
}

const STATES: [&str; 5] = ["open", "merged", "declined", "superseded", "all"];
const ALL_STATES: [&str; 4] = ["OPEN", "MERGED", "DECLINED", "SUPERSEDED"];
const ROLES: [&str; 4] = ["owner", "admin", "contributor", "member"];
const REPOSITORY_ORDERS: [&str; 6] =
    ["name", "created_on", "updated_on", "-name", "-created_on", "-updated_on"];
const PULL_REQUEST_ORDERS: [&str; 6] =
    ["title", "created_on", "updated_on", "-title", "-created_on", "-updated_on"];

impl Sought {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] for filters that are not understood, or that do not go together.
    pub(super) fn read(words: &str, listing: &Listing) -> Result<Self, Error> {
        match repository(listing)? {
            Some(name) => Self::pull_requests(name, words, listing),
            None => Self::repositories(words, listing),
        }
    }

    fn pull_requests(name: RepositoryName, words: &str, listing: &Listing) -> Result<Self, Error> {
        if listing.filter(ROLE).is_some() {
            return Err(wrong("role narrows repositories: leave it out where repository is given"));
        }
        let words = query(words, "title");
        if words.as_deref().is_some_and(|words| !is_enclosed(words, &['"'])) {
            return Err(wrong(NOT_ENCLOSED));
        }
        let (query, states) = match (state(listing)?, words) {
            (None, None) => (None, Vec::new()),
            // A query may say of which states it is; Bitbucket would leave out all but the open ones.
            (None, words) => (words, ALL_STATES.to_vec()),
            (Some(state), words) => {
                let is_meant = |known: &&str| state == "all" || known.eq_ignore_ascii_case(&state);
                let states: Vec<&str> = ALL_STATES.into_iter().filter(is_meant).collect();
                (words.map(|words| of_states(&words, &states)), states)
            }
        };
        let narrowed = Narrowed {
            query,
            sort: one_of(listing, ORDER_BY, &PULL_REQUEST_ORDERS)?.map(str::to_owned),
            role: None,
            states,
            max_results: listing.max_results.min(MAX_PULL_REQUESTS),
        };
        Ok(Self { of: Of::PullRequests(name), narrowed })
    }

    fn repositories(words: &str, listing: &Listing) -> Result<Self, Error> {
        if listing.filter(STATE).is_some() {
            return Err(wrong("state narrows pull requests: say of which repository"));
        }
        let narrowed = Narrowed {
            query: query(words, "name"),
            sort: one_of(listing, ORDER_BY, &REPOSITORY_ORDERS)?.map(str::to_owned),
            role: one_of(listing, ROLE, &ROLES)?.map(str::to_owned),
            states: Vec::new(),
            max_results: listing.max_results.min(MAX_PAGE),
        };
        let of = workspace(listing)?
            .map_or(Of::AllRepositories, |workspace| Of::Repositories(workspace.to_owned()));
        Ok(Self { of, narrowed })
    }

    /// The call for the first page of what stands at `path`.
    pub(super) fn first<'a>(&self, api: &Api<'a>, path: &[&str]) -> Request<'a> {
        let Narrowed { query, sort, role, states, max_results } = &self.narrowed;
        api.get(path)
            .query("pagelen", max_results)
            .query_opt("q", query.as_deref())
            .query_opt("sort", sort.as_deref())
            .query_opt("role", role.as_deref())
            .query_each("state", states)
    }
}

/// A query for what is in one of these states, too: beside a query, Bitbucket does not heed the parameter.
fn of_states(query: &str, states: &[&str]) -> String {
    if states == ALL_STATES {
        return query.to_owned();
    }
    let states: Vec<String> = states.iter().map(|state| format!("state = \"{state}\"")).collect();
    format!("({query}) AND ({})", states.join(" OR "))
}

/// The workspace that is named.
fn workspace(listing: &Listing) -> Result<Option<&str>, Error> {
    match listing.filter(WORKSPACE) {
        Some(workspace) if !is_name(workspace) => {
            Err(wrong("workspace must be the id of a workspace, as in its address"))
        }
        other => Ok(other),
    }
}

/// The repository that is named: by its id, or by its slug beside its workspace.
fn repository(listing: &Listing) -> Result<Option<RepositoryName>, Error> {
    let Some(given) = listing.filter(REPOSITORY) else { return Ok(None) };
    let workspace = workspace(listing)?;
    let beside = workspace.and_then(|workspace| RepositoryName::new(workspace, given));
    let name = RepositoryName::read(given).or(beside);
    let name = name.ok_or_else(|| wrong("repository must be a repository's id, like acme:site"))?;
    if workspace.is_some_and(|workspace| workspace != name.workspace) {
        return Err(wrong("repository must be one of the workspace, or workspace be left out"));
    }
    Ok(Some(name))
}

/// A state, whether it is written as here or as at Bitbucket.
fn state(listing: &Listing) -> Result<Option<String>, Error> {
    let state = listing.filter(STATE).map(str::to_ascii_lowercase);
    match state {
        Some(state) if !STATES.contains(&state.as_str()) => {
            Err(wrong(&format!("state must be {}", STATES.join(" or "))))
        }
        state => Ok(state),
    }
}

fn wrong(detail: &str) -> Error {
    Error::invalid("", detail)
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn of(words: &str, filters: &[(&'static str, &str)]) -> Result<Sought, String> {
        let filters = filters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let sought = Sought::read(words, &Listing { max_results: 100, cursor: None, filters });
        sought.map_err(|error| error.violations().remove(0).detail)
    }

    #[test]
    fn a_repository_is_named_by_its_id_or_beside_its_workspace() {
        let site = Of::PullRequests(RepositoryName::new("acme", "site").unwrap());
        for filters in [
            &[("repository", "acme:site")][..],
            &[("repository", "acme/site")],
            &[("repository", "site"), ("workspace", "acme")],
            &[("repository", "acme:site"), ("workspace", "acme")],
        ] {
            let sought = of("", filters).unwrap();
            assert_eq!((&sought.of, sought.narrowed.max_results), (&site, 50), "{filters:?}");
        }
        assert_eq!(of("", &[("workspace", "acme")]).unwrap().of, Of::Repositories("acme".into()));
        assert_eq!(of("", &[]).unwrap().of, Of::AllRepositories);
    }

    #[test]
    fn states_are_those_that_are_asked_for() {
        let narrowed = |words: &str, state: Option<&str>| {
            let state = state.map(|state| ("state", state));
            let filters: Vec<_> = state.into_iter().chain([("repository", "acme:site")]).collect();
            let Narrowed { query, states, .. } = of(words, &filters).unwrap().narrowed;
            (query.unwrap_or_default(), states)
        };
        let told = |query: &str, states: &[&'static str]| (query.to_owned(), states.to_vec());
        // Bitbucket gives the open ones.
        assert_eq!(narrowed("", None), told("", &[]));
        assert_eq!(narrowed("", Some("merged")), told("", &["MERGED"]));
        assert_eq!(narrowed("", Some("DECLINED")), told("", &["DECLINED"]));
        assert_eq!(narrowed("", Some("all")), told("", &ALL_STATES));
        assert_eq!(narrowed("footer", None), told("title ~ \"footer\"", &ALL_STATES));
        assert_eq!(narrowed("footer", Some("all")), told("title ~ \"footer\"", &ALL_STATES));
        let open = "(title ~ \"footer\") AND (state = \"OPEN\")";
        assert_eq!(narrowed("footer", Some("open")), told(open, &["OPEN"]));
        let query = "title ~ \"a\" OR title ~ \"b\"";
        assert_eq!(narrowed(query, None), told(query, &ALL_STATES));
        let merged = format!("({query}) AND (state = \"MERGED\")");
        assert_eq!(narrowed(query, Some("merged")), told(&merged, &["MERGED"]));
    }

    #[test]
    fn a_query_widens_no_state() {
        let open = [("repository", "acme:site"), ("state", "open")];
        for words in ["title ~ \"a\") OR (title ~ \"b\"", "title ~ \"a", "(title ~ \"a\""] {
            assert_eq!(of(words, &open).unwrap_err(), NOT_ENCLOSED, "{words}");
        }
        of("a) or (b \"", &open).unwrap();
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (filters, told) in [
            (&[("repository", "site")][..], "like acme:site"),
            (&[("repository", "acme:site:1")], "like acme:site"),
            (&[("repository", "acme:site"), ("workspace", "other")], "one of the workspace"),
            (&[("repository", "site"), ("workspace", "../x")], "id of a workspace"),
            (&[("workspace", "a/b")], "id of a workspace"),
            (&[("workspace", "acme"), ("state", "open")], "of which repository"),
            (&[("repository", "acme:site"), ("state", "closed")], "state must be open or merged"),
            (&[("repository", "acme:site"), ("role", "owner")], "role narrows repositories"),
            (&[("role", "reader")], "role must be owner or admin"),
            (&[("order_by", "size")], "order_by must be name or created_on"),
            (&[("repository", "acme:site"), ("order_by", "name")], "order_by must be title"),
        ] {
            let error = of("", filters).unwrap_err();
            assert!(error.contains(told), "{filters:?}: {error}");
        }
    }
}
