//! Webhooks on their way in: where they were sent, what came, and what is told of it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use model::{PluginId, TenantId};
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::address::Owner;
use super::scheme::{Proof, Verified};
use super::{Manifest, manifest};
use crate::{Answer, Error, WebhookDoor};

/// The most bytes of bodies that are in this process's memory at the same time, from before they are read until they are kept
/// and, with [`Mode::Reply`](super::Mode::Reply), handled.
pub(super) const ALL_ROOM: usize = 256 << 20;

/// The bytes that one permit stands for.
pub(super) const KIB: usize = 1024;

/// The most bytes of the headers of a webhook that are kept.
const MAX_HEADERS: usize = 16 * 1024;

/// Where a webhook was sent.
#[derive(Debug)]
pub enum Destination {
    /// To the secret address that ends in this.
    Secret(SecretString),
    /// To the documented address of a plugin in a tenant.
    Documented(TenantId, PluginId),
}

/// An installation that takes webhooks.
pub struct Door {
    pub(super) owner: Arc<Owner>,
    pub(super) installed: Arc<WebhookDoor>,
    /// The URLs by which it may have been called, for tokens that name one.
    pub(super) audiences: Vec<String>,
}

impl Door {
    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        &self.owner.tenant
    }

    /// Which plugin's.
    pub fn plugin(&self) -> &PluginId {
        &self.owner.plugin
    }

    pub(super) fn manifest(&self) -> Result<&Manifest, Error> {
        manifest(&self.installed)
    }
}

impl Proven {
    /// The installation that it is for.
    pub fn door(&self) -> &Door {
        &self.door
    }
}

impl Room {
    /// Room for `bytes`, out of `all`, which has a permit for each KiB. At once, or not at all.
    pub(super) fn of(all: &Arc<Semaphore>, bytes: usize) -> Option<Self> {
        let permits = u32::try_from(bytes.div_ceil(KIB).clamp(1, ALL_ROOM / KIB)).ok()?;
        Some(Self(Arc::new(Arc::clone(all).try_acquire_many_owned(permits).ok()?)))
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { tenant, plugin, .. } = &*self.owner;
        f.debug_struct("Door").field("tenant", tenant).field("plugin", plugin).finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (headers, bytes) = (self.headers.len(), self.body.len());
        let mut request = f.debug_struct("WebhookRequest");
        request.field("method", &self.method).field("headers", &headers).field("body_bytes", &bytes);
        request.finish_non_exhaustive()
    }
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut proven = f.debug_struct("Proven");
        proven.field("door", &self.door).field("request", &self.request).finish_non_exhaustive()
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Room").field(&self.0.num_permits()).finish()
    }
}

/// A webhook as it came.
pub struct WebhookRequest {
    /// When it began to come in: a sender that waits for an answer has waited since then.
    pub begun: Instant,
    /// The memory that it takes up.
    pub room: Room,
    /// The HTTP method, in capitals.
    pub method: String,
    /// What follows the address, with a slash before it; `/` where nothing does.
    pub path: String,
    /// The query without its question mark.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// Those that the plugin may see, which are kept.
    pub visible: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// A webhook that was found to be its sender's.
pub struct Proven {
    pub(super) door: Door,
    pub(super) request: WebhookRequest,
    pub(super) verified: Verified,
}

/// A part of the memory that webhooks may take up at the same time; given back once nobody holds it any more.
#[derive(Clone)]
pub struct Room(Arc<OwnedSemaphorePermit>);

/// What a sender is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It asked for this text.
    Challenge(String),
    /// It is kept, and its plugin is given it soon, or was given it before.
    Kept,
    /// The plugin's own answer.
    Answered(Answer),
}

/// A text as both databases keep it: PostgreSQL takes no NUL.
pub(super) fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// The headers that are kept: without the one that is the secret itself.
pub(super) fn kept_headers(headers: &HeaderMap, proof: &Proof) -> Vec<(String, String)> {
    let secret = match proof {
        Proof::Token { header } => header.as_ref(),
        Proof::Signature(_) | Proof::Bearer(_) | Proof::Address => "",
    };
    let mut bytes = 0;
    headers
        .iter()
        .filter(|(name, _)| name.as_str() != secret)
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .take_while(|(name, value)| {
            bytes += name.len() + value.len();
            bytes <= MAX_HEADERS
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_out_once() {
        let all = Arc::new(Semaphore::new(4));
        let (two, one) = (Room::of(&all, 2 * KIB).unwrap(), Room::of(&all, 0).unwrap());
        assert!(Room::of(&all, 2 * KIB).is_none());
        let held = two.clone();
        drop(two);
        assert!(Room::of(&all, 2 * KIB).is_none());
        drop((held, one));
        assert!(Room::of(&all, 4 * KIB).is_some());
    }

    #[test]
    fn what_is_secret_is_not_debugged() {
        let owner = Owner {
            tenant: "acme".parse().unwrap(),
            plugin: "shop".parse().unwrap(),
            plugin_key: "k".into(),
        };
        let installed = WebhookDoor {
            plugin_key: "k".into(),
            enabled: true,
            manifest: None,
            secrets: vec![SecretString::from("hidden")],
        };
        let audiences = vec!["https://plugins.example/webhooks/in/hidden".to_owned()];
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, "Bearer hidden".parse().unwrap())]);
        let request = WebhookRequest {
            begun: Instant::now(),
            room: Room::of(&Arc::new(Semaphore::new(1)), 1).unwrap(),
            method: "POST".into(),
            path: "/hidden".into(),
            query: "key=hidden".into(),
            visible: headers.clone(),
            headers,
            body: Bytes::from_static(b"hidden"),
        };
        let verified = Verified { dedupe_key: None, id: Some("hidden".into()), challenge: None };
        let door = Door { owner: Arc::new(owner), installed: Arc::new(installed), audiences };
        let told = format!("{:?}", Proven { door, request, verified });
        assert!(
            !told.contains("hidden") && told.contains("acme") && told.contains("body_bytes: 6"),
            "{told}"
        );
    }
}
