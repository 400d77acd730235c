//! Workspaces: what repositories stand in.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Map;

use super::account::Links;
use super::connector::BitbucketConnector;
use super::page::Paged;
use crate::answer::{Whole, put};
use crate::connector::Listing;
use crate::containers::{Container, Containers};
use crate::{Context, Error, Page};

/// An entry of the list of workspaces
/// (<https://developer.atlassian.com/cloud/bitbucket/rest/api-group-workspaces/#api-user-workspaces-get>).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Workspaces {
    administrator: Option<bool>,
    workspace: Workspace,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Workspace {
    slug: String,
    uuid: Option<String>,
    /// Not in the list as it is documented.
    name: Option<String>,
    links: Links,
}

/// The name by which a workspace is asked for.
pub(super) fn slugs(access: Workspaces) -> Option<String> {
    Some(access.workspace.slug).filter(|slug| !slug.is_empty())
}

fn container(whole: Whole<Workspaces>, raw: bool) -> Container {
    let Whole { known: Workspaces { administrator, workspace }, raw: answer } = whole;
    let mut extra = Map::new();
    put(&mut extra, "uuid", workspace.uuid.as_deref());
    put(&mut extra, "is_administrator", administrator);
    Container {
        name: workspace.name.unwrap_or_else(|| workspace.slug.clone()),
        id: workspace.slug,
        kind: "workspace",
        text: None,
        url: workspace.links.page(),
        extra,
        raw: answer.when(raw),
    }
}

#[async_trait]
impl Containers for BitbucketConnector {
    async fn containers(&self, context: &Context, listing: &Listing) -> Result<Page<Container>, Error> {
        let api = self.calls(context);
        let first = || api.get(["user", "workspaces"]).query("pagelen", listing.max_results);
        let request = match &listing.cursor {
            Some(next) => api.follow(next),
            None => first().query("sort", "slug"),
        };
        let paged: Paged<Whole<Workspaces>> = request.json().await?;
        Ok(paged.page(|whole| container(whole, context.raw)))
    }
}
