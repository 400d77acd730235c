//! Every connector does all that it says it can: against the vendor's own description of its API, which allows each call or
//! does not, or where there is none, against what stands for the vendor.

mod bitbucket;
mod confluence;
mod exercise;
mod github;
mod google;
mod jira;
mod lexmodo;
mod notes;
mod slack;

use std::sync::Arc;

use connections::connection::Site;
use connectors::connector::Connector;
use connectors::http::Settings;
use connectors::{Acting, Connectors, Context, Parts};
use tempfile::TempDir;
use testkit::Prism;
use url::Url;

use crate::caller::Fixed;
use crate::house::house;
use crate::http::world::context;
use exercise::{Samples, exercise};

/// The site of an Atlassian connection.
const SITE: &str = "site-1";

/// A test of each of these connectors, by its name, and the list of them.
macro_rules! exercised {
    ($($connector:ident: $exercise:path,)+) => {
        const EXERCISED: &[&str] = &[$(stringify!($connector)),+];
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $connector() {
                $exercise().await;
            }
        )+
    };
}

exercised! {
    bitbucket: bitbucket::is_called_as_bitbucket_describes_it,
    calendar: google::calendar_is_called_as_google_describes_it,
    confluence: confluence::does_all_that_it_says,
    drive: google::drive_is_called_as_google_describes_it,
    github: github::is_called_as_github_describes_it,
    gmail: google::gmail_is_called_as_google_describes_it,
    jira: jira::is_called_as_atlassian_describes_it,
    lexmodo: lexmodo::does_all_that_it_says,
    notes: notes::does_all_that_it_says,
    slack: slack::is_called_as_slack_describes_it,
}

/// What a connector says that it can is what the tests above call: [`exercise`] goes by its description.
#[tokio::test]
async fn no_connector_is_left_out() {
    let (parts, _folder) = house("", &|_| None, Settings::default()).await;
    let listed = Connectors::new(parts).list(&"acme".parse().unwrap()).await.unwrap();
    let ids: Vec<&str> = listed.iter().map(|info| info.description.id).collect();
    assert_eq!(EXERCISED, ids);
    let nothing = listed.iter().find(|info| info.description.operations.is_empty());
    assert!(nothing.is_none(), "{nothing:?}");
}

/// An API as its vendor describes it, and a connection to it.
struct Contract {
    id: &'static str,
    prism: Prism,
    connectors: Connectors,
    context: Context,
    _folder: TempDir,
}

/// Connectors of which that of this id calls `root`, and a connection for it that has all scopes.
async fn connected(id: &str, root: &str, change: impl FnOnce(&mut Parts)) -> (Connectors, Context, TempDir) {
    let base_urls = [(id.to_owned(), Url::parse(root).unwrap())].into();
    let settings = Settings { base_urls, ..Settings::default() };
    let (mut parts, folder) = house("", &|_| None, settings).await;
    change(&mut parts);
    let connectors = Connectors::new(parts);
    let mut context = context("acme", "c1", Arc::new(Fixed("token-1".to_owned())));
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
    (connectors, context, folder)
}

/// Does all that the connector declares, twice: the second time the vendor's own answers are wanted, too. Gives what failed.
async fn twice(connector: &dyn Connector, context: &Context, samples: &Samples<'_>) -> Vec<String> {
    let mut failed = Vec::new();
    for raw in [false, true] {
        let context = Context { raw, ..context.clone() };
        failed.extend(exercise(connector, &context, samples).await);
    }
    failed
}

impl Contract {
    /// Of the connector of this id, the paths of whose document are below `below`.
    async fn of(id: &'static str, below: &str) -> Self {
        let prism = Prism::start(id, below).unwrap();
        let root = prism.base().strip_suffix(below).unwrap();
        let (connectors, context, folder) = connected(id, root, |_| ()).await;
        Self { id, prism, connectors, context, _folder: folder }
    }

    /// The same without a scope.
    fn without(mut self, scope: &str) -> Self {
        self.context.connection.credentials.first_mut().unwrap().scopes.retain(|granted| granted != scope);
        self
    }

    /// Does all that the connector declares, twice: the document must allow each call, and each answer of the document's
    /// must be understood.
    async fn is_kept(&self, samples: &Samples<'_>) {
        let connector = self.connectors.get(self.id).unwrap();
        let failed = twice(connector, &self.context, samples).await;
        let asked = self.prism.asked().await.unwrap();
        let broken: Vec<_> = asked.iter().filter(|asked| !asked.breaches.is_empty()).collect();
        assert!(broken.is_empty(), "{broken:#?}");
        assert!(!asked.is_empty());
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
