//! The connector `slack`.

use async_trait::async_trait;

use super::calls::{Form, read};
use super::description::DESCRIPTION;
use super::dialect::VENDOR;
use crate::connector::{Connector, Description, Raw, Surfaces};
use crate::http::{Api, Http, Upstream};
use crate::{Context, Error};

/// Messages, channels and members of workspaces.
#[derive(Debug)]
pub(crate) struct SlackConnector {
    upstream: Upstream,
}

impl SlackConnector {
    pub(crate) fn new(http: &Http) -> Self {
        Self { upstream: Upstream::new(http, &VENDOR) }
    }

    pub(super) fn api<'a>(&'a self, context: &'a Context) -> Api<'a> {
        self.upstream.api(context)
    }
}

#[async_trait]
impl Connector for SlackConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        read(&self.api(context), "auth.test", &Form::new()).done().await
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces { data: Some(self), communication: Some(self), raw: Some(self), ..Surfaces::default() }
    }
}

impl Raw for SlackConnector {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        Ok(self.upstream.api(context))
    }
}
