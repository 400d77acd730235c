//! What the connector `bitbucket` is and what it can.

use super::page::MAX_PAGE;
use crate::connector::{Ability, Description, Filter, Operation};

/// Seeing repositories. The further ones imply the first; `repository:admin` does not.
const READ: &[&str] = &["repository", "repository:write", "pullrequest", "pullrequest:write", "project"];
/// Seeing pull requests, and talking about them.
const TALK: &[&str] = &["pullrequest", "pullrequest:write"];
/// Writing pull requests, or repositories: which of the two it takes depends on what is written.
const WRITE: &[&str] = &["pullrequest:write", "repository:admin"];
/// No other scope lets repositories be deleted.
const DELETE: &[&str] = &["repository:delete"];
/// Seeing which workspaces there are.
const ACCOUNT: &[&str] = &["account", "account:write"];

/// The filters, by name.
pub(super) const WORKSPACE: &str = "workspace";
pub(super) const REPOSITORY: &str = "repository";
pub(super) const STATE: &str = "state";
pub(super) const ROLE: &str = "role";
pub(super) const ORDER_BY: &str = "order_by";

/// Scopes: <https://developer.atlassian.com/cloud/bitbucket/rest/intro/#bitbucket-oauth-2-0-scopes>, and the page of each
/// method. What a list or a change needs beyond these, Bitbucket tells when it is asked: `pullrequest` for pull requests,
/// `account` for lists without a workspace, `repository` beside `repository:admin` for changes of repositories.
pub(super) static DESCRIPTION: Description = Description {
    id: "bitbucket",
    aliases: &[],
    bound_scopes: &[],
    provider: "bitbucket",
    name: "Bitbucket",
    items: "repositories",
    operations: &[
        Ability { operation: Operation::List, scopes: &[READ] },
        Ability { operation: Operation::Get, scopes: &[READ] },
        Ability { operation: Operation::Create, scopes: &[WRITE] },
        Ability { operation: Operation::Update, scopes: &[WRITE] },
        Ability { operation: Operation::Delete, scopes: &[DELETE] },
        Ability { operation: Operation::Search, scopes: &[READ] },
        Ability { operation: Operation::Containers, scopes: &[ACCOUNT] },
        Ability { operation: Operation::Comments, scopes: &[TALK] },
        Ability { operation: Operation::AddComment, scopes: &[TALK] },
    ],
    filters: &[
        Filter {
            name: WORKSPACE,
            meaning: "the repositories of this workspace; without it those of all workspaces, one after the other",
        },
        Filter { name: REPOSITORY, meaning: "the pull requests of this repository, by its id" },
        Filter {
            name: STATE,
            meaning: "of them, those that are open, merged, declined or superseded, or all; without it a list has the \
                      open ones, a search all",
        },
        Filter {
            name: ROLE,
            meaning: "repositories where the account is owner or admin, or at least contributor or member",
        },
        Filter {
            name: ORDER_BY,
            meaning: "created_on or updated_on, or a repository's name or a pull request's title; with - before it the \
                      last come first; within each workspace",
        },
    ],
    max_page: MAX_PAGE,
};
