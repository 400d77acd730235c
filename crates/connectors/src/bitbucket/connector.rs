//! The connector `bitbucket`.

use async_trait::async_trait;

use super::description::DESCRIPTION;
use super::dialect::VENDOR;
use crate::connector::{Connector, Description, Raw, Surfaces};
use crate::http::{Api, Http, Upstream};
use crate::{Context, Error};

/// The workspaces that an account sees, and what is in them.
#[derive(Debug)]
pub struct BitbucketConnector {
    upstream: Upstream,
}

impl BitbucketConnector {
    /// Bitbucket Cloud, at its own address or at the one that the operator has named.
    pub fn new(http: &Http) -> Self {
        Self { upstream: Upstream::new(http, &VENDOR) }
    }

    pub(super) fn calls<'a>(&'a self, context: &'a Context) -> Api<'a> {
        self.upstream.api(context)
    }
}

#[async_trait]
impl Connector for BitbucketConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        self.calls(context).get(["user"]).done().await
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

impl Raw for BitbucketConnector {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        Ok(self.calls(context))
    }
}
