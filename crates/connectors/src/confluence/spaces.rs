//! Spaces: <https://developer.atlassian.com/cloud/confluence/rest/v2/api-group-space/>

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Map;

use super::connector::ConfluenceConnector;
use super::page::{Links, url};
use super::paging::Listed;
use crate::answer::{Whole, put};
use crate::connector::Listing;
use crate::containers::{Container, Containers};
use crate::{Context, Error, Page};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Space {
    id: String,
    key: Option<String>,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
    author_id: Option<String>,
    created_at: Option<String>,
    homepage_id: Option<String>,
    description: Option<Description>,
    #[serde(default, rename = "_links")]
    links: Links,
}

#[derive(Debug, Deserialize)]
struct Description {
    plain: Option<Plain>,
}

#[derive(Debug, Deserialize)]
struct Plain {
    value: Option<String>,
}

fn container(context: &Context, space: Whole<Space>) -> Container {
    let Whole { known: space, raw } = space;
    let mut extra = Map::new();
    put(&mut extra, "key", space.key.as_deref());
    put(&mut extra, "type", space.kind);
    put(&mut extra, "status", space.status);
    put(&mut extra, "homepage_id", space.homepage_id);
    put(&mut extra, "author_id", space.author_id);
    put(&mut extra, "created_at", space.created_at);
    let description = space.description.and_then(|description| description.plain?.value);
    Container {
        id: space.id,
        kind: "space",
        name: space.name.or(space.key).unwrap_or_default(),
        text: description.filter(|text| !text.is_empty()),
        url: url(context, &space.links),
        extra,
        raw: raw.when(context.raw),
    }
}

#[async_trait]
impl Containers for ConfluenceConnector {
    async fn containers(&self, context: &Context, listing: &Listing) -> Result<Page<Container>, Error> {
        let listed: Listed<Space> = self
            .site(context)?
            .get(["wiki", "api", "v2", "spaces"])
            .query("description-format", "plain")
            .query("limit", listing.max_results)
            .query_opt("cursor", listing.cursor.as_deref())
            .json()
            .await?;
        listed.page(|space| container(context, space))
    }
}
