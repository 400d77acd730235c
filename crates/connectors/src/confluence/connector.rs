//! The connector `confluence`.

use async_trait::async_trait;

use super::description::DESCRIPTION;
use crate::atlassian;
use crate::connector::{Connector, Description, Raw, Surfaces};
use crate::http::{Api, Http, Refusal, Trouble, Upstream, Vendor};
use crate::{Context, Error};

pub(super) static VENDOR: Vendor = Vendor {
    id: "confluence",
    name: "Confluence",
    base_url: "https://api.atlassian.com",
    headers: &[],
    refuses_with_200: false,
    trouble,
};

/// What is Confluence's own among Atlassian's refusals.
fn trouble(refusal: &Refusal<'_>) -> Option<Trouble> {
    let title = refusal.text("/errors/0/title");
    // Titles are unique within a space.
    if refusal.status == http::StatusCode::BAD_REQUEST && title.contains("title already exists") {
        return Some(Trouble::Conflict(title.to_owned()));
    }
    atlassian::trouble(refusal)
}

/// The pages, spaces and comments of a site.
#[derive(Debug)]
pub struct ConfluenceConnector {
    upstream: Upstream,
}

impl ConfluenceConnector {
    /// Confluence behind Atlassian's gateway, at its own address or at the one that the operator has named.
    pub fn new(http: &Http) -> Self {
        Self { upstream: Upstream::new(http, &VENDOR) }
    }

    /// The API of the site that the connection has chosen.
    pub(super) fn site<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        atlassian::site(&self.upstream, context, "confluence")
    }
}

#[async_trait]
impl Connector for ConfluenceConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        let request = self.site(context)?.get(["wiki", "api", "v2", "pages"]).query("limit", 1);
        request.json::<serde_json::Value>().await.map(drop)
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces {
            data: Some(self),
            containers: Some(self),
            comments: Some(self),
            raw: Some(self),
            ..Surfaces::default()
        }
    }
}

impl Raw for ConfluenceConnector {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        self.site(context)
    }
}
