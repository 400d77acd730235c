//! Comments on issues:
//! <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-comments/>

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::adf::to_markdown;
use super::connector::{JiraConnector, Site};
use super::data::key_of;
use super::fields::comment;
use super::issue::{author, person, text};
use super::offset;
use crate::answer::{moment, put};
use crate::comments::Comments;
use crate::connector::Listing;
use crate::{Context, Error, Item, Items};

#[async_trait]
impl Comments for JiraConnector {
    async fn comments(&self, context: &Context, id: &str, listing: &Listing) -> Result<Items, Error> {
        let site = self.site(context)?;
        let request = site.get(&["issue", id, "comment"]).query("orderBy", "created");
        let request =
            request.query("startAt", offset::start(listing)?).query("maxResults", listing.max_results);
        let mut answer: Value = request.about("issue", id).budget("comments").value().await?;
        let comments = match answer.get_mut("comments").map(Value::take) {
            Some(Value::Array(comments)) => comments,
            _ => Vec::new(),
        };
        let next = offset::next(&answer, comments.len());
        let total = answer.get("total").and_then(Value::as_u64);
        let items = comments.into_iter().map(|comment| item(&site, id, comment)).collect();
        Ok(Items { items, total, next })
    }

    async fn add_comment(&self, context: &Context, id: &str, text: &str) -> Result<Item, Error> {
        let site = self.site(context)?;
        let request = site.post(&["issue", id, "comment"]).body(&comment(text, "/text")?);
        Ok(item(&site, id, request.about("issue", id).budget("add comment").value().await?))
    }
}

fn item(site: &Site<'_>, issue: &str, comment: Value) -> Item {
    let at = |place: &str| text(&comment, place);
    let id = at("/id").unwrap_or_default();
    let url =
        key_of(issue).and_then(|key| site.browse(key)).map(|url| format!("{url}?focusedCommentId={id}"));
    let mut extra = Map::new();
    put(&mut extra, "updated_by", person(comment.get("updateAuthor")));
    // A comment that not all may see who see the issue.
    put(&mut extra, "visible_to", at("/visibility/value"));
    Item {
        id: id.to_owned(),
        kind: "comment",
        text: comment.get("body").map(to_markdown).filter(|text| !text.is_empty()),
        url: url.filter(|_| !id.is_empty()),
        author: comment.get("author").filter(|who| who.is_object()).map(author),
        container_id: Some(issue.to_owned()),
        created_at: at("/created").and_then(moment),
        updated_at: at("/updated").and_then(moment),
        extra,
        raw: site.context.raw.then_some(comment),
        ..Item::default()
    }
}
