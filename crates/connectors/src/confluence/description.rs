//! What the connector `confluence` can, and which scopes Atlassian asks for.

use crate::connector::{Ability, Description, Filter, Operation};

/// The filters, by name.
pub(super) const SPACE_ID: &str = "space_id";
pub(super) const TITLE: &str = "title";
pub(super) const STATUS: &str = "status";
pub(super) const ORDER_BY: &str = "order_by";
pub(super) const INCLUDE_TEXT: &str = "include_text";

const READ_PAGE: &[&str] = &["read:page:confluence"];
const WRITE_PAGE: &[&str] = &["write:page:confluence"];

/// Scopes: those that <https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-page/>, `api-group-space` and
/// `api-group-comment` name. Version 2 takes granular scopes alone; the classic ones of the same purpose
/// (`read:confluence-content.all` and the like) are refused there, and so are not named. The search is of version 1 and takes
/// either: <https://developer.atlassian.com/cloud/confluence/rest/v1/api-group-search/>; what it finds is then read.
pub(super) static DESCRIPTION: Description = Description {
    id: "confluence",
    aliases: &[],
    provider: "atlassian",
    name: "Confluence",
    items: "pages",
    operations: &[
        Ability { operation: Operation::List, scopes: &[READ_PAGE] },
        Ability { operation: Operation::Get, scopes: &[READ_PAGE] },
        Ability { operation: Operation::Create, scopes: &[WRITE_PAGE] },
        // What a change does not give is read and sent again.
        Ability { operation: Operation::Update, scopes: &[WRITE_PAGE, READ_PAGE] },
        Ability { operation: Operation::Delete, scopes: &[&["delete:page:confluence"]] },
        Ability {
            operation: Operation::Search,
            scopes: &[&["search:confluence", "read:content-details:confluence"], READ_PAGE],
        },
        Ability { operation: Operation::Containers, scopes: &[&["read:space:confluence"]] },
        Ability { operation: Operation::Comments, scopes: &[&["read:comment:confluence"]] },
        Ability { operation: Operation::AddComment, scopes: &[&["write:comment:confluence"]] },
    ],
    filters: &[
        Filter { name: SPACE_ID, meaning: "pages of this space, by its id: a number" },
        Filter { name: TITLE, meaning: "pages with just this title" },
        Filter {
            name: STATUS,
            meaning: "current, archived, trashed or deleted pages; without it current and archived ones",
        },
        Filter {
            name: ORDER_BY,
            meaning: "id, title, created-date or modified-date; with a - before it the other way round",
        },
        Filter {
            name: INCLUDE_TEXT,
            meaning: "false to leave out what the pages say: a page of the list then has up to 250 instead of 50",
        },
    ],
    max_page: 250,
    bound_scopes: &[],
};
