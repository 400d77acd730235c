//! Pages and comments as items.

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::storage;
use crate::answer::{Whole, moment, put};
use crate::{Author, Context, Item};

/// A page, as `PageSingle` and `PageBulk` of
/// <https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-page/>.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContentPage {
    pub(super) id: String,
    pub(super) status: Option<String>,
    pub(super) title: Option<String>,
    space_id: Option<String>,
    parent_id: Option<String>,
    parent_type: Option<String>,
    author_id: Option<String>,
    owner_id: Option<String>,
    subtype: Option<String>,
    created_at: Option<String>,
    version: Option<Version>,
    body: Option<Body>,
    #[serde(default, rename = "_links")]
    links: Links,
}

/// A comment, as `PageCommentModel` and `FooterCommentModel` of
/// <https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-comment/>.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Comment {
    id: String,
    status: Option<String>,
    page_id: Option<String>,
    version: Option<Version>,
    body: Option<Body>,
    #[serde(default, rename = "_links")]
    links: Links,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    number: Option<u64>,
    message: Option<String>,
    created_at: Option<String>,
    author_id: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Body {
    storage: Option<Representation>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Representation {
    value: Option<String>,
}

/// Where people see a thing, relative to the site's address and `/wiki`.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Links {
    webui: Option<String>,
}

impl ContentPage {
    /// The number of its version.
    pub(super) fn version(&self) -> Option<u64> {
        self.version.as_ref()?.number
    }

    /// What it says, in the storage format.
    pub(super) fn storage(&self) -> Option<&str> {
        stored(self.body.as_ref())
    }
}

fn stored(body: Option<&Body>) -> Option<&str> {
    body?.storage.as_ref()?.value.as_deref()
}

/// The item that a page is.
pub(super) fn page(context: &Context, page: Whole<ContentPage>) -> Item {
    let Whole { known: page, raw } = page;
    let mut extra = Map::new();
    put(&mut extra, "space_id", page.space_id.as_deref());
    put(&mut extra, "parent_id", page.parent_id.as_deref());
    put(&mut extra, "parent_type", page.parent_type.as_deref());
    put(&mut extra, "status", page.status.as_deref());
    put(&mut extra, "subtype", page.subtype.as_deref());
    put(&mut extra, "owner_id", page.owner_id.as_deref());
    let text = text(page.body.as_ref(), &mut extra);
    let version = page.version.unwrap_or_default();
    put(&mut extra, "version", version.number);
    put(&mut extra, "version_message", version.message);
    put(&mut extra, "updated_by_id", version.author_id);
    Item {
        id: page.id,
        kind: "page",
        title: page.title.filter(|title| !title.is_empty()),
        text,
        url: url(context, &page.links),
        author: page.author_id.map(author),
        container_id: page.space_id,
        created_at: page.created_at.as_deref().and_then(moment),
        updated_at: version.created_at.as_deref().and_then(moment),
        etag: version.number.map(|number| number.to_string()),
        extra,
        raw: raw.when(context.raw),
    }
}

/// The item that a comment on the page `about` is. A comment tells of its versions alone: when it was made is told by the
/// first.
pub(super) fn comment(context: &Context, about: &str, comment: Whole<Comment>) -> Item {
    let Whole { known: comment, raw } = comment;
    let mut extra = Map::new();
    put(&mut extra, "status", comment.status.as_deref());
    let text = text(comment.body.as_ref(), &mut extra);
    let version = comment.version.unwrap_or_default();
    put(&mut extra, "version", version.number);
    let changed_at = version.created_at.as_deref().and_then(moment);
    Item {
        id: comment.id,
        kind: "comment",
        title: None,
        text,
        url: url(context, &comment.links),
        // Confluence lets nobody change a comment but who wrote it.
        author: version.author_id.map(author),
        container_id: Some(comment.page_id.unwrap_or_else(|| about.to_owned())),
        created_at: changed_at.filter(|_| version.number == Some(1)),
        updated_at: changed_at,
        etag: version.number.map(|number| number.to_string()),
        extra,
        raw: raw.when(context.raw),
    }
}

fn author(id: String) -> Author {
    Author { id: Some(id), ..Author::default() }
}

fn text(body: Option<&Body>, extra: &mut Map<String, Value>) -> Option<String> {
    let read = storage::text(stored(body)?);
    if read.is_cut {
        put(extra, "is_text_cut", true);
    }
    Some(read.text)
}

/// The address for people: that of the site, and the vendor's path below it. What would lead elsewhere is left out.
pub(super) fn url(context: &Context, links: &Links) -> Option<String> {
    let address = context.site().ok()?.address.as_deref()?.trim_end_matches('/');
    let webui = links.webui.as_deref().filter(|path| path.starts_with('/'))?;
    let site = Url::parse(address).ok().filter(|site| matches!(site.scheme(), "http" | "https"))?;
    let url = Url::parse(&format!("{address}/wiki{webui}")).ok()?;
    (url.origin() == site.origin()).then(|| url.into())
}
