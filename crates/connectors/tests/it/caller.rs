//! What tests ask connectors with, and how they look at what came of it.

use std::borrow::Borrow;
use std::sync::Arc;

use async_trait::async_trait;
use connections::connection::Site;
use connections::vault::{self, AccessToken};
use connections::{Callback, Connections};
use connectors::connector::Listing;
use connectors::{Asker, Context, Credential, Error, Item, Wanted};
use model::Coded as _;
use serde_json::{Map, Value};
use url::Url;

/// A token that never changes.
pub(crate) struct Fixed(pub(crate) String);

#[async_trait]
impl Credential for Fixed {
    async fn token(&self) -> Result<Arc<AccessToken>, vault::Error> {
        let secret = self.0.clone().into();
        Ok(Arc::new(AccessToken { secret, expires_at: None, scopes: Vec::new(), version: 1 }))
    }

    async fn rejected(&self, _: i64) -> Result<Arc<AccessToken>, vault::Error> {
        self.token().await
    }
}

/// The same where the vendor's own answers are wanted, too.
pub(crate) fn raw(context: &Context) -> Context {
    Context { raw: true, ..context.clone() }
}

/// Gives a connection two sites of Atlassian's, `other` and `acme`, of these ids. The second is chosen.
pub(crate) fn choose_site(context: &mut Context, [other, acme]: [&str; 2]) {
    let site = |id: &str, name: &str| Site {
        id: id.to_owned(),
        name: name.to_owned(),
        address: Some(format!("https://{name}.atlassian.net")),
    };
    context.connection.sites = vec![site(other, "other"), site(acme, "acme")];
    context.connection.site = Some(acme.to_owned());
}

/// Ann of Acme.
pub(crate) fn ann() -> Asker {
    Asker {
        tenant: "acme".parse().unwrap(),
        actor: "u1".into(),
        user_email: "ann@acme.example".into(),
        connection: None,
    }
}

/// Makes the connection that a provider's page has led back from to here.
pub(crate) async fn complete(connections: &Connections, provider: &str, back: &Url) {
    let parameter = |name: &str| {
        let mut pairs = back.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let (state, iss) = (parameter("state"), parameter("iss"));
    let callback = Callback {
        provider,
        tenant: None,
        browser: None,
        state: state.as_deref(),
        code: parameter("code").map(Into::into),
        error: None,
        iss: iss.as_deref(),
    };
    connections.complete(callback).await.unwrap().result.unwrap();
}

/// A page of this many, as callers ask for it.
pub(crate) fn wanted(max_results: u32) -> Wanted {
    Wanted { max_results, ..Wanted::default() }
}

/// A page of this many, as a connector is asked for it.
pub(crate) fn pages_of(max_results: u32) -> Listing {
    Listing { max_results, ..Listing::default() }
}

/// A page of 50, narrowed.
pub(crate) fn filtered(filters: &[(&'static str, &str)]) -> Listing {
    let filters = filters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Listing { filters, ..pages_of(50) }
}

/// The page after that.
pub(crate) fn after(listing: &Listing, next: Option<String>) -> Listing {
    Listing { cursor: Some(next.unwrap()), ..listing.clone() }
}

/// The fields of a JSON object.
pub(crate) fn fields(value: impl Borrow<Value>) -> Map<String, Value> {
    value.borrow().as_object().unwrap().clone()
}

pub(crate) fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.id.as_str()).collect()
}

/// Where a body is wrong.
pub(crate) fn pointers(error: &Error) -> Vec<String> {
    error.violations().into_iter().map(|violation| violation.pointer).collect()
}
