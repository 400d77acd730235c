//! The connector `drive`.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fields::{Written, changed, made};
use super::file::{FIELDS, File, item};
use super::query::query;
use crate::answer::Whole;
use crate::connector::{Ability, Connector, Data, Description, Filter, Listing, Operation, Raw, Surfaces};
use crate::google::trouble;
use crate::http::{Api, Http, Part, Request, Upstream, Vendor};
use crate::{Context, Error, Item, Items};

static VENDOR: Vendor = Vendor {
    id: "drive",
    name: "Google Drive",
    base_url: "https://www.googleapis.com",
    headers: &[],
    refuses_with_200: false,
    trouble,
};

/// Where the API is below the root; uploads are beside it.
const PATH: &str = "drive/v3";

const ALL: &str = "https://www.googleapis.com/auth/drive";
const OWN: &str = "https://www.googleapis.com/auth/drive.file";
const READ_ALL: &str = "https://www.googleapis.com/auth/drive.readonly";
const READ: &[&str] = &[
    READ_ALL,
    "https://www.googleapis.com/auth/drive.metadata.readonly",
    "https://www.googleapis.com/auth/drive.metadata",
    OWN,
    ALL,
];
const WRITE: &[&str] = &[OWN, ALL];
const CONTENT: &[&str] = &[READ_ALL, OWN, ALL];
const DRIVES: &[&str] = &[READ_ALL, ALL];

/// Scopes: <https://developers.google.com/workspace/drive/api/guides/api-specific-auth>, and the page of each method.
static DESCRIPTION: Description = Description {
    id: "drive",
    aliases: &[],
    bound_scopes: &[],
    provider: "google",
    name: "Google Drive",
    items: "files",
    operations: &[
        Ability { operation: Operation::List, scopes: &[READ] },
        Ability { operation: Operation::Get, scopes: &[READ] },
        Ability { operation: Operation::Create, scopes: &[WRITE] },
        Ability { operation: Operation::Update, scopes: &[WRITE] },
        Ability { operation: Operation::Delete, scopes: &[WRITE] },
        Ability { operation: Operation::Search, scopes: &[READ] },
        Ability { operation: Operation::Containers, scopes: &[DRIVES] },
        Ability { operation: Operation::Content, scopes: &[CONTENT] },
    ],
    filters: &[
        Filter { name: "folder_id", meaning: "files in this folder; root for the top one" },
        Filter { name: "mime_type", meaning: "files of this media type" },
        Filter { name: "drive_id", meaning: "files of this shared drive" },
        Filter { name: "include_trashed", meaning: "true for those in the trash, too" },
        Filter { name: "order_by", meaning: "Drive's orderBy, like modifiedTime desc" },
    ],
    max_page: 1000,
};

/// How long one attempt of an upload may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    files: Vec<Whole<File>>,
    next_page_token: Option<String>,
}

/// The files that an account sees.
#[derive(Debug)]
pub struct DriveConnector {
    upstream: Upstream,
}

impl DriveConnector {
    /// Google Drive, at its own address or at the one that the operator has named.
    pub fn new(http: &Http) -> Self {
        Self { upstream: Upstream::with_path(http, &VENDOR, PATH) }
    }

    pub(super) fn api<'a>(&'a self, context: &'a Context) -> Api<'a> {
        self.upstream.api(context)
    }

    async fn page(&self, context: &Context, words: Option<&str>, listing: &Listing) -> Result<Items, Error> {
        let drive = listing.filter("drive_id");
        let fields = if context.raw { "*" } else { FIELDS };
        let listed: Listed = self
            .api(context)
            .get(["drive", "v3", "files"])
            .query("q", query(words, listing)?)
            .query("pageSize", listing.max_results)
            .query_opt("pageToken", listing.cursor.as_deref())
            .query_opt("orderBy", listing.filter("order_by"))
            .query_opt("corpora", drive.map(|_| "drive"))
            .query_opt("driveId", drive)
            .query("supportsAllDrives", true)
            .query("includeItemsFromAllDrives", true)
            .query("fields", format!("nextPageToken,files({fields})"))
            .json()
            .await?;
        let each = |whole: Whole<File>| item(&whole.known, whole.raw.when(context.raw));
        Ok(Items::of(listed.files.into_iter().map(each), listed.next_page_token))
    }
}

/// Sends what was written, as an upload where there are bytes, and reads the file that came of it.
async fn send(request: Request<'_>, written: &Written<'_>, context: &Context) -> Result<Item, Error> {
    let fields = if context.raw { "*" } else { FIELDS };
    let request = request.query("supportsAllDrives", true).query("fields", fields);
    let request = match &written.content {
        Some((bytes, content_type)) => request
            .query("uploadType", "multipart")
            .related(&[Part::json(&written.about), Part::new(*content_type, bytes.clone())])
            .timeout(UPLOAD_TIMEOUT),
        None => request.body(&written.about),
    };
    let Whole { known, raw } = request.whole().await?;
    Ok(item(&known, raw.when(context.raw)))
}

#[async_trait]
impl Connector for DriveConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        let request = self.api(context).get(["drive", "v3", "files"]).query("pageSize", 1);
        request.query("fields", "files(id)").json::<Value>().await.map(drop)
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces {
            data: Some(self),
            containers: Some(self),
            content: Some(self),
            raw: Some(self),
            ..Surfaces::default()
        }
    }
}

impl Raw for DriveConnector {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        // Other APIs are at the same host, and the token may be good for them: rules for this one are not about those.
        self.upstream.api(context).below(PATH.split('/'))
    }
}

#[async_trait]
impl Data for DriveConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.page(context, None, listing).await
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        let fields = if context.raw { "*" } else { FIELDS };
        let request = self.api(context).get(["drive", "v3", "files", id]).about("file", id);
        let Whole { known, raw } =
            request.query("supportsAllDrives", true).query("fields", fields).whole().await?;
        Ok(item(&known, raw.when(context.raw)))
    }

    /// Makes a file or a folder.
    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error> {
        let written = made(fields)?;
        let api = self.api(context);
        let request = match written.content {
            Some(_) => api.post(["upload", "drive", "v3", "files"]),
            None => api.post(["drive", "v3", "files"]),
        };
        send(request, &written, context).await
    }

    async fn update(&self, context: &Context, id: &str, fields: &Map<String, Value>) -> Result<Item, Error> {
        let written = changed(fields)?;
        let api = self.api(context);
        let request = match written.content {
            Some(_) => api.patch(["upload", "drive", "v3", "files", id]),
            None => api.patch(["drive", "v3", "files", id]),
        };
        let (added, removed) = &written.parents;
        let list = |ids: &[&str]| (!ids.is_empty()).then(|| ids.join(","));
        let request = request.query_opt("addParents", list(added)).query_opt("removeParents", list(removed));
        send(request.about("file", id), &written, context).await
    }

    /// Moves a file to the trash.
    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error> {
        let request = self.api(context).patch(["drive", "v3", "files", id]).about("file", id);
        // In the trash twice is in the trash.
        let request = request.repeatable().query("supportsAllDrives", true).query("fields", "id,trashed");
        request.body(&json!({"trashed": true})).done().await
    }

    /// What a query of Drive's language finds; words without its operators are sought in names and contents.
    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        self.page(context, Some(query), listing).await
    }
}
