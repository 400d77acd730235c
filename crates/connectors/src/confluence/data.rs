//! Pages as items: listed, read, written, found.

use std::collections::HashMap;

use async_trait::async_trait;
use model::ErrorCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::connector::{ConfluenceConnector, VENDOR};
use super::cql::cql;
use super::description::{INCLUDE_TEXT, ORDER_BY, SPACE_ID, STATUS, TITLE};
use super::fields::{Changes, changed, is_id, made};
use super::page::{ContentPage, page};
use super::paging::Listed;
use super::storage;
use crate::answer::{Whole, put};
use crate::connector::{Data, Listing};
use crate::filters::{flag, one_of, only};
use crate::http::{Api, Request};
use crate::{Context, Error, Item, Items};

/// The most pages that are asked for at once with all that they say: a page may have megabytes.
const MAX_WITH_TEXT: u32 = 50;

const STATUSES: [&str; 4] = ["current", "archived", "trashed", "deleted"];
const ORDERS: [&str; 8] =
    ["id", "-id", "title", "-title", "created-date", "-created-date", "modified-date", "-modified-date"];

/// What the search finds.
#[derive(Debug, Deserialize)]
struct Found {
    content: Option<Content>,
    excerpt: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Content {
    id: String,
}

fn pages<'a>(api: &Api<'a>) -> Request<'a> {
    api.get(["wiki", "api", "v2", "pages"])
}

/// Asks for what the pages say, too, unless that is not wanted.
fn with_text<'a>(request: Request<'a>, listing: &Listing) -> Result<(Request<'a>, u32), Error> {
    Ok(if flag(listing, INCLUDE_TEXT)?.unwrap_or(true) {
        (request.query("body-format", "storage"), listing.max_results.min(MAX_WITH_TEXT))
    } else {
        (request, listing.max_results)
    })
}

/// Narrows the list as it is asked to.
fn narrowed<'a>(request: Request<'a>, listing: &Listing) -> Result<Request<'a>, Error> {
    let space = listing.filter(SPACE_ID);
    if space.is_some_and(|id| !is_id(id)) {
        let detail = format!("{SPACE_ID} must be the id of a space, which is a number");
        return Err(Error::invalid("", detail));
    }
    Ok(request
        .query_opt("space-id", space)
        .query_opt("title", listing.filter(TITLE))
        .query_opt("status", one_of(listing, STATUS, &STATUSES)?)
        .query_opt("sort", one_of(listing, ORDER_BY, &ORDERS)?))
}

/// A search has its own language for what narrows lists.
const IN_THE_QUERY: &str =
    "say it in the query, as in space = \"KEY\" and title ~ \"word\" order by lastmodified";

async fn one(api: &Api<'_>, id: &str) -> Result<Whole<ContentPage>, Error> {
    let request = api.get(["wiki", "api", "v2", "pages", id]).about("page", id);
    request.query("body-format", "storage").whole().await
}

impl Changes<'_> {
    /// The page as it is to be: what is not given stays as it is in `now`.
    ///
    /// # Errors
    /// [`Error::Upstream`] as a conflict where `now` is not the version that is to be changed.
    fn applied_to(&self, now: &ContentPage) -> Result<Value, Error> {
        let refused = |code, detail: String| Err(Error::upstream(VENDOR.name, code, detail));
        let Some(version) = now.version() else {
            return refused(ErrorCode::UpstreamUnavailable, "it does not tell the page's version".to_owned());
        };
        if let Some(expected) = self.expected.filter(|expected| *expected != version) {
            let detail = format!(
                "the page is at version {version}, not {expected}: read it again and send the change with its new version"
            );
            return refused(ErrorCode::Conflict, detail);
        }
        let Some(storage) = self.storage.as_deref().or(now.storage()) else {
            return refused(ErrorCode::UpstreamUnavailable, "it does not tell what the page says".to_owned());
        };
        let mut to_be = Map::new();
        put(&mut to_be, "id", now.id.as_str());
        put(&mut to_be, "status", now.status.as_deref().unwrap_or("current"));
        put(&mut to_be, "title", self.title.or(now.title.as_deref()));
        put(&mut to_be, "parentId", self.parent_id);
        put(&mut to_be, "body", json!({"representation": "storage", "value": storage}));
        let mut next = Map::new();
        put(&mut next, "number", version.saturating_add(1));
        put(&mut next, "message", self.message);
        put(&mut to_be, "version", next);
        Ok(Value::Object(to_be))
    }
}

#[async_trait]
impl Data for ConfluenceConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        let (request, limit) = with_text(pages(&self.site(context)?), listing)?;
        let request = narrowed(request, listing)?.query("limit", limit);
        let listed: Listed<ContentPage> =
            request.query_opt("cursor", listing.cursor.as_deref()).json().await?;
        listed.page(|each| page(context, each))
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        Ok(page(context, one(&self.site(context)?, id).await?))
    }

    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error> {
        let body = made(fields)?;
        let request = self.site(context)?.post(["wiki", "api", "v2", "pages"]);
        Ok(page(context, request.body(&body).whole().await?))
    }

    /// Confluence takes pages as a whole: what is not given is read and sent again, with the version that it was read at. So
    /// a change by somebody else in between is a conflict, and never undone.
    async fn update(&self, context: &Context, id: &str, fields: &Map<String, Value>) -> Result<Item, Error> {
        let changes = changed(fields)?;
        let api = self.site(context)?;
        let to_be = changes.applied_to(&one(&api, id).await?.known)?;
        // Sent twice, the second would meet a conflict with the first.
        let request = api.put(["wiki", "api", "v2", "pages", id]).about("page", id).once();
        Ok(page(context, request.body(&to_be).whole().await?))
    }

    /// Moves a page to the trash of its space.
    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error> {
        let request = self.site(context)?.delete(["wiki", "api", "v2", "pages", id]);
        request.about("page", id).done().await
    }

    /// What CQL finds among pages; words that are no CQL are sought in all that pages say. The search tells little of what it
    /// finds, so the pages are read then, all with one call.
    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        only(listing, &[INCLUDE_TEXT], IN_THE_QUERY)?;
        let api = self.site(context)?;
        let (request, limit) = with_text(pages(&api), listing)?;
        let cursor = listing.cursor.as_deref();
        let found: Listed<Found> = api
            .get(["wiki", "rest", "api", "search"])
            .query("cql", cql(query)?)
            .query("limit", limit)
            .query_opt("next", cursor.map(|_| true))
            .query_opt("cursor", cursor)
            .json()
            .await?;
        let next = found.cursor()?;
        let hits: Vec<(String, Option<String>)> = found
            .results
            .into_iter()
            .filter_map(|found| Some((found.known.content?.id, found.known.excerpt)))
            .filter(|(id, _)| is_id(id))
            .collect();
        if hits.is_empty() {
            return Ok(Items { next, ..Items::default() });
        }
        let ids: Vec<&str> = hits.iter().map(|(id, _)| id.as_str()).collect();
        let read: Listed<ContentPage> =
            request.query("id", ids.join(",")).query("limit", hits.len()).json().await?;
        let each = |each: Whole<ContentPage>| (each.known.id.clone(), page(context, each));
        let mut read: HashMap<String, Item> = read.results.into_iter().map(each).collect();
        // In the order of the search, whose index may still have what is gone.
        let items = hits.into_iter().filter_map(|(id, excerpt)| {
            let mut item = read.remove(&id)?;
            put(&mut item.extra, "excerpt", excerpt.map(|excerpt| storage::excerpt(&excerpt)));
            Some(item)
        });
        Ok(Items::of(items, next))
    }
}
