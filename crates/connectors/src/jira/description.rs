//! What the connector `jira` is and what it can.

use super::jql::FILTERS;
use crate::connector::{Ability, Description, Operation};

/// One of each group: a group for each of the granular scopes that a method needs, each with the classic scope that stands for
/// all of them.
macro_rules! scopes {
    ($($classic:literal: $($granular:literal)+;)+) => { &[$($(&[$classic, $granular],)+)+] };
}

type Scopes = &'static [&'static [&'static str]];

const PROJECTS: Scopes = scopes! {
    "read:jira-work": "read:project:jira" "read:issue-type:jira" "read:project.property:jira" "read:user:jira"
        "read:application-role:jira" "read:avatar:jira" "read:group:jira" "read:issue-type-hierarchy:jira"
        "read:project-category:jira" "read:project-version:jira" "read:project.component:jira";
};

const SEARCH: Scopes = scopes! {
    "read:jira-work": "read:issue-details:jira" "read:field:jira" "read:issue-meta:jira" "read:field-configuration:jira"
        "read:avatar:jira" "read:audit-log:jira" "read:field.default-value:jira" "read:field.option:jira" "read:group:jira";
};

const ISSUE: Scopes = scopes! {
    "read:jira-work": "read:issue:jira" "read:issue-meta:jira" "read:issue-security-level:jira" "read:issue.vote:jira"
        "read:issue.changelog:jira" "read:status:jira" "read:user:jira" "read:avatar:jira" "read:field-configuration:jira";
};

/// Making an issue, and reading it and the types there are.
const CREATE: Scopes = scopes! {
    "write:jira-work": "write:issue:jira" "write:comment:jira" "write:comment.property:jira" "write:attachment:jira";
    "read:jira-work": "read:issue:jira" "read:issue-meta:jira" "read:issue-security-level:jira" "read:issue.vote:jira"
        "read:issue.changelog:jira" "read:status:jira" "read:user:jira" "read:avatar:jira" "read:field-configuration:jira";
};

/// Editing an issue, moving it on, commenting, and reading it and the moves there are.
const UPDATE: Scopes = scopes! {
    "write:jira-work": "write:issue:jira" "write:issue.property:jira" "write:comment:jira";
    "read:jira-work": "read:issue:jira" "read:issue-meta:jira" "read:issue-security-level:jira" "read:issue.vote:jira"
        "read:issue.changelog:jira" "read:status:jira" "read:user:jira" "read:avatar:jira" "read:field-configuration:jira"
        "read:issue.transition:jira" "read:comment:jira" "read:comment.property:jira" "read:group:jira" "read:project:jira"
        "read:project-role:jira";
};

const DELETE: Scopes = scopes! { "write:jira-work": "delete:issue:jira"; };

const COMMENTS: Scopes = scopes! {
    "read:jira-work": "read:comment:jira" "read:comment.property:jira" "read:group:jira" "read:project:jira"
        "read:project-role:jira" "read:user:jira" "read:avatar:jira";
};

/// Its granular scopes are those of reading, and one of writing.
const ADD_COMMENT: Scopes = &[
    &["write:jira-work", "write:comment:jira"],
    &["write:jira-work", "read:comment:jira"],
    &["write:jira-work", "read:comment.property:jira"],
    &["write:jira-work", "read:group:jira"],
    &["write:jira-work", "read:project:jira"],
    &["write:jira-work", "read:project-role:jira"],
    &["write:jira-work", "read:user:jira"],
    &["write:jira-work", "read:avatar:jira"],
];

/// Reading a project and its statuses, and counting its issues.
const SUMMARY: Scopes = scopes! {
    "read:jira-work": "read:project:jira" "read:issue-type:jira" "read:project.property:jira" "read:user:jira"
        "read:application-role:jira" "read:avatar:jira" "read:group:jira" "read:issue-type-hierarchy:jira"
        "read:project-category:jira" "read:project-version:jira" "read:project.component:jira" "read:status:jira"
        "read:issue-status:jira" "read:issue-details:jira" "read:field:jira" "read:issue-meta:jira"
        "read:field-configuration:jira" "read:audit-log:jira" "read:field.default-value:jira" "read:field.option:jira";
};

/// Scopes: the page of each method below <https://developer.atlassian.com/cloud/jira/platform/rest/v3/>, and
/// <https://developer.atlassian.com/cloud/jira/platform/scopes-for-oauth-2-3LO-and-forge-apps/>.
pub(super) static DESCRIPTION: Description = Description {
    id: "jira",
    aliases: &["atlassian"],
    provider: "atlassian",
    name: "Jira",
    items: "issues",
    operations: &[
        Ability { operation: Operation::List, scopes: SEARCH },
        Ability { operation: Operation::Get, scopes: ISSUE },
        Ability { operation: Operation::Create, scopes: CREATE },
        Ability { operation: Operation::Update, scopes: UPDATE },
        Ability { operation: Operation::Delete, scopes: DELETE },
        Ability { operation: Operation::Search, scopes: SEARCH },
        Ability { operation: Operation::Projects, scopes: PROJECTS },
        Ability { operation: Operation::Project, scopes: PROJECTS },
        Ability { operation: Operation::Issues, scopes: SEARCH },
        Ability { operation: Operation::Issue, scopes: ISSUE },
        Ability { operation: Operation::CreateIssue, scopes: CREATE },
        Ability { operation: Operation::UpdateIssue, scopes: UPDATE },
        Ability { operation: Operation::MyIssues, scopes: SEARCH },
        Ability { operation: Operation::Summary, scopes: SUMMARY },
        Ability { operation: Operation::Comments, scopes: COMMENTS },
        Ability { operation: Operation::AddComment, scopes: ADD_COMMENT },
    ],
    filters: FILTERS,
    // Jira gives fewer where issues are large, and up to 5,000 where it is asked for their ids alone.
    max_page: 100,
    bound_scopes: &[],
};
