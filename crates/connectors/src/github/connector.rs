//! The connector `github`.

use async_trait::async_trait;
use serde::de::DeserializeOwned;

use super::dialect::VENDOR;
use crate::connector::{Ability, Connector, Description, Filter, Listing, Operation, Raw, Surfaces};
use crate::http::{Api, Http, Request, Upstream};
use crate::{Context, Error};

/// Writing to repositories: to public ones, or to all.
const WRITE: &[&str] = &["repo", "public_repo"];
const DELETE: &[&str] = &["delete_repo"];

pub(super) const VISIBILITY: &str = "visibility";
pub(super) const STATE: &str = "state";
pub(super) const LABELS: &str = "labels";
pub(super) const ASSIGNEE: &str = "assignee";

/// Scopes: <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps>. What is public can be read
/// with none; what is private needs `repo`, and is not there for those who have not got it.
static DESCRIPTION: Description = Description {
    id: "github",
    aliases: &[],
    provider: "github",
    name: "GitHub",
    items: "repositories",
    operations: &[
        Ability { operation: Operation::List, scopes: &[] },
        Ability { operation: Operation::Get, scopes: &[] },
        Ability { operation: Operation::Create, scopes: &[WRITE] },
        Ability { operation: Operation::Update, scopes: &[WRITE] },
        Ability { operation: Operation::Delete, scopes: &[DELETE] },
        Ability { operation: Operation::Search, scopes: &[] },
        Ability { operation: Operation::Projects, scopes: &[] },
        Ability { operation: Operation::Project, scopes: &[] },
        Ability { operation: Operation::Issues, scopes: &[] },
        Ability { operation: Operation::Issue, scopes: &[] },
        Ability { operation: Operation::CreateIssue, scopes: &[WRITE] },
        Ability { operation: Operation::UpdateIssue, scopes: &[WRITE] },
        Ability { operation: Operation::MyIssues, scopes: &[] },
        Ability { operation: Operation::Summary, scopes: &[] },
        Ability { operation: Operation::Comments, scopes: &[] },
        Ability { operation: Operation::AddComment, scopes: &[WRITE] },
    ],
    filters: &[
        Filter { name: VISIBILITY, meaning: "repositories that are all, public or private" },
        Filter {
            name: STATE,
            meaning: "a repository's issues that are open, closed or all; all if left out",
        },
        Filter { name: LABELS, meaning: "issues with all of these labels, separated by commas" },
        Filter {
            name: ASSIGNEE,
            meaning: "a repository's issues that this login is to do, none for nobody, * for anybody",
        },
    ],
    max_page: 100,
    bound_scopes: &[],
};

/// GitHub counts searches apart from all else, and grants far fewer.
pub(super) const SEARCH: &str = "search";

/// Repositories and their issues.
#[derive(Debug)]
pub struct GitHubConnector {
    upstream: Upstream,
}

/// A page of a list, as it is answered, and the address of the next.
pub(super) struct Listed<T> {
    pub(super) page: T,
    pub(super) next: Option<String>,
}

impl GitHubConnector {
    /// GitHub, at its own address or at the one that the operator has named: `https://host/api/v3` for GitHub Enterprise
    /// Server.
    pub fn new(http: &Http) -> Self {
        Self { upstream: Upstream::new(http, &VENDOR) }
    }

    pub(super) fn api<'a>(&'a self, context: &'a Context) -> Api<'a> {
        self.upstream.api(context)
    }

    /// The request for a page: for the first one of a list at `path`, with what `narrow` adds, or for the one that the page
    /// before has named.
    pub(super) fn page<'a>(
        &'a self,
        context: &'a Context,
        path: &[&str],
        listing: &Listing,
        narrow: impl FnOnce(Request<'a>) -> Request<'a>,
    ) -> Request<'a> {
        match &listing.cursor {
            Some(next) => self.api(context).follow(next),
            None => narrow(self.api(context).get(path).query("per_page", listing.max_results)),
        }
    }
}

/// Sends the request for a page.
pub(super) async fn listed<T: DeserializeOwned>(request: Request<'_>) -> Result<Listed<T>, Error> {
    let answer = request.send().await?;
    Ok(Listed { page: answer.json()?, next: answer.next_link().map(str::to_owned) })
}

#[async_trait]
impl Connector for GitHubConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        self.api(context).get(["user"]).done().await
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces {
            data: Some(self),
            project: Some(self),
            comments: Some(self),
            raw: Some(self),
            ..Surfaces::default()
        }
    }
}

impl Raw for GitHubConnector {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        Ok(self.upstream.api(context))
    }
}
