//! Shared drives: <https://developers.google.com/workspace/drive/api/reference/rest/v3/drives>

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Map;

use super::connector::DriveConnector;
use crate::answer::{Whole, put};
use crate::connector::Listing;
use crate::containers::{Container, Containers};
use crate::{Context, Error, Page};

/// What is asked for where the whole answer is not wanted.
const FIELDS: &str = "id,name,colorRgb,createdTime,hidden,orgUnitId";

/// The most that Drive gives to a page of these.
const MAX_PAGE: u32 = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    drives: Vec<Whole<Drive>>,
    next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drive {
    id: String,
    #[serde(default)]
    name: String,
    color_rgb: Option<String>,
    created_time: Option<String>,
    hidden: Option<bool>,
    org_unit_id: Option<String>,
}

#[async_trait]
impl Containers for DriveConnector {
    /// The shared drives that the account is a member of. Its own drive is none of them.
    async fn containers(&self, context: &Context, listing: &Listing) -> Result<Page<Container>, Error> {
        let fields = if context.raw { "*" } else { FIELDS };
        let listed: Listed = self
            .api(context)
            .get(["drive", "v3", "drives"])
            .query("pageSize", listing.max_results.min(MAX_PAGE))
            .query_opt("pageToken", listing.cursor.as_deref())
            .query("fields", format!("nextPageToken,drives({fields})"))
            .json()
            .await?;
        let drives = listed.drives.into_iter().map(|drive| container(drive, context.raw));
        Ok(Page::of(drives, listed.next_page_token))
    }
}

fn container(Whole { known: drive, raw }: Whole<Drive>, is_raw: bool) -> Container {
    let mut extra = Map::new();
    put(&mut extra, "color", drive.color_rgb);
    put(&mut extra, "created_at", drive.created_time);
    put(&mut extra, "is_hidden", drive.hidden);
    put(&mut extra, "org_unit_id", drive.org_unit_id);
    Container {
        id: drive.id,
        kind: "drive",
        name: drive.name,
        extra,
        raw: raw.when(is_raw),
        ..Container::default()
    }
}
