//! The connector `jira`.

use async_trait::async_trait;
use serde_json::Value;

use super::description::DESCRIPTION;
use crate::atlassian::{self, trouble};
use crate::connector::{Connector, Description, Raw, Surfaces};
use crate::http::{Api, Http, Request, Upstream, Vendor};
use crate::{Context, Error};

static VENDOR: Vendor = Vendor {
    id: "jira",
    name: "Jira",
    base_url: "https://api.atlassian.com",
    headers: &[],
    refuses_with_200: false,
    trouble,
};

/// The version of the API, below a site's root.
const API: [&str; 3] = ["rest", "api", "3"];

/// The issues and projects of a site.
#[derive(Debug)]
pub struct JiraConnector {
    upstream: Upstream,
}

impl JiraConnector {
    /// Jira, at its own address or at the one that the operator has named.
    pub fn new(http: &Http) -> Self {
        Self { upstream: Upstream::new(http, &VENDOR) }
    }

    /// The API of the chosen site.
    ///
    /// # Errors
    /// [`Error::NeedsSite`].
    pub(super) fn site<'a>(&'a self, context: &'a Context) -> Result<Site<'a>, Error> {
        Ok(Site { api: atlassian::site(&self.upstream, context, "jira")?, context })
    }
}

/// The API of a site for the length of one operation. Jira limits each of its methods by itself.
#[derive(Debug, Clone)]
pub(super) struct Site<'a> {
    api: Api<'a>,
    pub(super) context: &'a Context,
}

impl<'a> Site<'a> {
    pub(super) fn get(&self, path: &[&str]) -> Request<'a> {
        self.api.get(API.iter().chain(path))
    }

    pub(super) fn post(&self, path: &[&str]) -> Request<'a> {
        self.api.post(API.iter().chain(path))
    }

    pub(super) fn put(&self, path: &[&str]) -> Request<'a> {
        self.api.put(API.iter().chain(path))
    }

    pub(super) fn delete(&self, path: &[&str]) -> Request<'a> {
        self.api.delete(API.iter().chain(path))
    }

    /// Where people see what is called `key`.
    pub(super) fn browse(&self, key: &str) -> Option<String> {
        let address = self.context.site().ok()?.address.as_deref()?;
        let mut url = url::Url::parse(address).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
        url.set_query(None);
        url.path_segments_mut().ok()?.pop_if_empty().push("browse").push(key);
        Some(url.into())
    }
}

#[async_trait]
impl Connector for JiraConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        let request = self.site(context)?.get(&["project", "search"]).query("maxResults", 1);
        request.budget("projects").json::<Value>().await.map(drop)
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces {
            data: Some(self),
            project: Some(self),
            comments: Some(self),
            raw: Some(self),
            ..Surfaces::default()
        }
    }
}

impl Raw for JiraConnector {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        atlassian::site(&self.upstream, context, "jira")
    }
}
