//! A comment on a pull request as an item.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::account::{Account, Links};
use super::name::PullRequestName;
use crate::Item;
use crate::answer::{Whole, moment, put};

/// A comment. What an answer leaves out is empty, but for its number.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Comment {
    id: u64,
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    user: Option<Account>,
    #[serde(default)]
    created_on: Option<String>,
    #[serde(default)]
    updated_on: Option<String>,
    #[serde(default)]
    deleted: Option<bool>,
    #[serde(default)]
    pending: Option<bool>,
    #[serde(default)]
    parent: Option<Parent>,
    #[serde(default)]
    inline: Option<Inline>,
    #[serde(default)]
    resolution: Option<Value>,
    #[serde(default)]
    links: Links,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Content {
    raw: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Parent {
    id: u64,
}

/// The lines of a file that it is about.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Inline {
    path: Option<String>,
    /// In the file as it was.
    from: Option<u64>,
    /// In the file as it is to be.
    to: Option<u64>,
}

/// The item that a comment on `about` is.
pub(super) fn item(about: &PullRequestName, whole: Whole<Comment>, raw: bool) -> Item {
    let Whole { known: comment, raw: answer } = whole;
    let text = comment.content.as_ref().and_then(|content| content.raw.clone());
    Item {
        id: format!("{about}:{}", comment.id),
        kind: "comment",
        title: None,
        text: text.filter(|text| !text.is_empty()),
        url: comment.links.page(),
        author: comment.user.as_ref().map(Account::author),
        container_id: Some(about.to_string()),
        created_at: comment.created_on.as_deref().and_then(moment),
        updated_at: comment.updated_on.as_deref().and_then(moment),
        etag: None,
        extra: extra(about, &comment),
        raw: answer.when(raw),
    }
}

fn extra(about: &PullRequestName, comment: &Comment) -> Map<String, Value> {
    let mut extra = Map::new();
    put(&mut extra, "parent_id", comment.parent.as_ref().map(|parent| format!("{about}:{}", parent.id)));
    if let Some(inline) = &comment.inline {
        put(&mut extra, "path", inline.path.as_deref());
        put(&mut extra, "line", inline.to);
        put(&mut extra, "old_line", inline.from);
    }
    let only_if = |is: bool| is.then_some(true);
    put(&mut extra, "is_deleted", only_if(comment.deleted == Some(true)));
    put(&mut extra, "is_pending", only_if(comment.pending == Some(true)));
    put(
        &mut extra,
        "is_resolved",
        only_if(comment.resolution.as_ref().is_some_and(|value| !value.is_null())),
    );
    extra
}
