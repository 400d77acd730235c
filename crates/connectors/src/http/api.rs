//! A vendor's API, and what one operation uses it with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use reqwest::Client;
use tokio::time::Instant;
use url::Url;

use super::Http;
use super::address::Base;
use super::host::Host;
use super::path::RawPath;
use super::request::Request;
use super::trouble::malformed;
use super::vendor::Vendor;
use crate::{Context, Error};

/// A vendor's API: what a connector keeps.
#[derive(Clone)]
pub struct Upstream {
    pub(super) http: Http,
    pub(super) vendor: &'static Vendor,
    pub(super) host: Arc<Host>,
    pub(super) client: Client,
    /// Whether a user has named its host, so that the guard has a say.
    pub(super) is_guarded: bool,
    base: Base,
}

impl Upstream {
    /// The API of `vendor`, at its own root or at the one that the operator has named instead.
    ///
    /// # Panics
    /// If the `base_url` of `vendor` is no root of an API: a constant of the connector's, which each of its tests makes.
    pub fn new(http: &Http, vendor: &'static Vendor) -> Self {
        Self::rooted(http, vendor, http.named_root(vendor.id))
    }

    /// The same where several APIs stand below one root, of which one is at `path`: the operator may name the root with
    /// that path at its end or without it.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn with_path(http: &Http, vendor: &'static Vendor, path: &str) -> Self {
        Self::rooted(http, vendor, http.named_root(vendor.id).map(|named| named.without(path)))
    }

    #[expect(clippy::expect_used, reason = "a constant that every test of the connector makes")]
    fn rooted(http: &Http, vendor: &'static Vendor, named: Option<Base>) -> Self {
        let base = named.unwrap_or_else(|| {
            Url::parse(vendor.base_url).ok().and_then(Base::new).expect("a vendor's base URL")
        });
        Self {
            host: http.host(&base),
            client: http.client(&base),
            is_guarded: false,
            http: http.clone(),
            vendor,
            base,
        }
    }

    /// The API of `vendor` at `root`, which is known only now: below a host of a provider's. `None` where it is no root.
    pub(crate) fn at(http: &Http, vendor: &'static Vendor, root: Url) -> Option<Self> {
        let base = Base::new(root)?;
        Some(Self {
            host: http.passing_host(&base),
            client: http.client(&base),
            is_guarded: false,
            http: http.clone(),
            vendor,
            base,
        })
    }

    /// The same API where a user has named its host: it is reached where the guard lets it through.
    #[must_use]
    pub(crate) fn guarded(self) -> Self {
        Self { is_guarded: true, ..self }
    }

    /// What one operation calls it with. All its calls together have the time of one operation, beginning now.
    pub fn api<'a>(&'a self, context: &'a Context) -> Api<'a> {
        let deadline = Instant::now() + self.http.settings().operation_timeout;
        Api { upstream: self, context, base: self.base.clone(), deadline }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("vendor", &self.vendor)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// A vendor's API for the length of one operation, with a connection's token.
#[derive(Debug, Clone)]
pub struct Api<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) context: &'a Context,
    pub(super) deadline: Instant,
    base: Base,
}

impl<'a> Api<'a> {
    /// The same API where its root is further down, as with the sites of Atlassian: `ex`, `jira` and the site's id.
    ///
    /// # Errors
    /// [`Error::Upstream`] for what cannot be segments of a path.
    pub fn below<I>(&self, segments: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let base = self.base.below(segments);
        let base =
            base.map_err(|_| malformed(self.upstream.vendor, "the connection's site has no usable id"))?;
        Ok(Self { base, ..self.clone() })
    }

    /// The same with this much time, from now, for all calls together.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.deadline = Instant::now() + time;
        self
    }

    pub(super) fn base(&self) -> &Base {
        &self.base
    }

    pub(super) fn root(&self) -> &Url {
        self.base.url()
    }

    /// Asks for what the segments lead to. An id is one segment, whatever it holds.
    pub fn get<I: IntoIterator<Item: AsRef<str>>>(&self, segments: I) -> Request<'a> {
        self.request(Method::GET, segments)
    }

    /// Sends to it. It is sent once unless [`repeatable`](Request::repeatable) or
    /// [`idempotency_key`](Request::idempotency_key) say otherwise.
    pub fn post<I: IntoIterator<Item: AsRef<str>>>(&self, segments: I) -> Request<'a> {
        self.request(Method::POST, segments)
    }

    /// Puts it there.
    pub fn put<I: IntoIterator<Item: AsRef<str>>>(&self, segments: I) -> Request<'a> {
        self.request(Method::PUT, segments)
    }

    /// Changes part of it. Sent once unless [`repeatable`](Request::repeatable).
    pub fn patch<I: IntoIterator<Item: AsRef<str>>>(&self, segments: I) -> Request<'a> {
        self.request(Method::PATCH, segments)
    }

    /// Deletes it. One that is sent again after an unknown outcome and finds nothing has succeeded.
    pub fn delete<I: IntoIterator<Item: AsRef<str>>>(&self, segments: I) -> Request<'a> {
        self.request(Method::DELETE, segments)
    }

    /// A request of any method to what the segments lead to.
    pub fn request<I: IntoIterator<Item: AsRef<str>>>(&self, method: Method, segments: I) -> Request<'a> {
        let url = self.base.at(segments);
        Request::new(self.clone(), method, url.map_err(|id| Error::not_found("item", &id.0)))
    }

    /// A request of any method to a path below the root, with a query, both as a caller gave them.
    pub fn raw(&self, method: Method, path: &RawPath, query: Option<&str>) -> Request<'a> {
        let url = self.base.under(path, query);
        let url = url.ok_or(Error::Path("must stay below the root of the API"));
        Request::new(self.clone(), method, url)
    }

    /// Asks for an address that the vendor gave, as the next page of a list. It must be below the root: nothing is sent
    /// elsewhere.
    pub fn follow(&self, address: &str) -> Request<'a> {
        let url = self.base.given(address).ok_or_else(|| {
            malformed(self.upstream.vendor, "it gives an address outside its own API for what is next")
        });
        Request::new(self.clone(), Method::GET, url)
    }
}
