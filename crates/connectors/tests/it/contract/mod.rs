//! Calls held against the vendors' own descriptions of their APIs.

mod bitbucket;
mod exercise;
mod github;
mod google;
mod slack;

use std::sync::Arc;

use async_trait::async_trait;
use connections::connection::Site;
use connections::vault::{self, AccessToken};
use connectors::http::Settings;
use connectors::{Acting, Connectors, Context, Credential};
use tempfile::TempDir;
use testkit::Prism;
use url::Url;

use crate::house::house;
use crate::http::world::context;
use exercise::{Samples, exercise};

/// The site of an Atlassian connection.
const SITE: &str = "site-1";

/// An API as its vendor describes it, and a connection to it.
struct Contract {
    id: &'static str,
    prism: Prism,
    connectors: Connectors,
    context: Context,
    _folder: TempDir,
}

/// A token that never changes.
struct Fixed;

#[async_trait]
impl Credential for Fixed {
    async fn token(&self) -> Result<Arc<AccessToken>, vault::Error> {
        let secret = "token-1".to_owned().into();
        Ok(Arc::new(AccessToken { secret, expires_at: None, scopes: Vec::new(), version: 1 }))
    }

    async fn rejected(&self, _: i64) -> Result<Arc<AccessToken>, vault::Error> {
        self.token().await
    }
}

impl Contract {
    /// Of the connector of this id, the paths of whose document are below `below`; the connection has all scopes.
    async fn of(id: &'static str, below: &str) -> Self {
        let prism = Prism::start(id, below).unwrap();
        let root = prism.base().strip_suffix(below).unwrap();
        let base_urls = [(id.to_owned(), Url::parse(root).unwrap())].into();
        let settings = Settings { base_urls, ..Settings::default() };
        let (parts, folder) = house("", &|_| None, settings).await;
        let connectors = Connectors::new(parts);
        let mut context = context("acme", "c1", Arc::new(Fixed));
        let scopes = connectors.get(id).unwrap().description().operations.iter();
        let scopes = scopes.flat_map(|ability| ability.scopes.iter().copied().flatten());
        let granted = scopes.map(|scope| (*scope).to_owned()).collect();
        context.connection.credentials.first_mut().unwrap().scopes = granted;
        context.connection.sites = vec![Site {
            id: SITE.into(),
            name: "Acme".into(),
            address: Some("https://acme.atlassian.net".into()),
        }];
        context.connection.site = Some(SITE.into());
        context.acting = Acting::default();
        Self { id, prism, connectors, context, _folder: folder }
    }

    /// The same without a scope.
    fn without(mut self, scope: &str) -> Self {
        self.context.connection.credentials.first_mut().unwrap().scopes.retain(|granted| granted != scope);
        self
    }

    /// Does all that the connector declares, twice: the document must allow each call, and each answer of the document's
    /// must be understood.
    async fn is_kept(&self, samples: &Samples) {
        let connector = self.connectors.get(self.id).unwrap();
        let mut failed = Vec::new();
        for raw in [false, true] {
            let context = Context { raw, ..self.context.clone() };
            failed.extend(exercise(connector, &context, samples).await);
        }
        let asked = self.prism.asked().await.unwrap();
        let broken: Vec<_> = asked.iter().filter(|asked| !asked.breaches.is_empty()).collect();
        assert!(broken.is_empty(), "{broken:#?}");
        assert!(!asked.is_empty());
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
