//! A plugin's server side: what the manifest says of it, and what a tenant's installation of it may do.

mod examine;
mod grants;
mod hosts;
mod routes;
mod rules;
mod shape;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};

use model::{PluginId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

pub(crate) use examine::examine;
pub use examine::{BackendDefinition, Examine, ExamineError, Program};
pub use grants::{Grants, SecretUse};
pub(crate) use rules::check;
pub(crate) use shape::{normalize, restore};
pub use webhook::handler as webhook_handler;
pub(crate) use webhook::{check_webhook_handler, complete_listens, secret_field};

/// `backend` of a manifest: exactly one of `entry_point`, `upstream` and `component`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct BackendManifest {
    /// The TypeScript module whose default export is the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<String>,
    /// The URL of a server of the plugin's own, which requests are passed on to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// A WebAssembly component that exports `wasi:http/incoming-handler`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Which handler answers which requests, besides the routes that the program itself declares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Which handler gets which events, besides those that the program itself declares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
}

/// A route of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// An HTTP method in capitals, or `*` for any.
    pub method: String,
    /// A path from `/`, whose segments may be `:name`s, the last also `*`.
    pub path: String,
    /// The name of the handler.
    pub handler: String,
}

/// A subscription of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The type of the event, or a pattern of types such as `order.*`.
    pub event: String,
    /// The name of the handler.
    pub handler: String,
}

/// A host that a backend may call, with what Jackfield adds to requests there. In a manifest also just the host as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRule {
    /// A name, `*.` and a name for every name below it, or either with `:port`; 443 otherwise.
    pub host: String,
    /// Headers that are set on the way out; `${name}` in a value stands for the secret of this name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Parameters of the query, likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
}

impl HostRule {
    /// The secrets that are put into requests to the host.
    pub fn secret_uses(&self) -> Vec<SecretUse> {
        let secret_use = |secret| SecretUse { secret, host: self.host.clone() };
        hosts::secrets(self).into_iter().map(secret_use).collect()
    }
}

/// A connector that a backend may use. In a manifest also just the connector's id as text, which asks for reading the caller's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionAsk {
    /// The connector's id.
    pub connector: String,
    /// What it may do with it.
    #[serde(default)]
    pub access: Access,
    /// Whose connections it may use.
    #[serde(default)]
    pub whose: Whose,
}

/// What a backend may do with a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Look.
    #[default]
    Read,
    /// Look and change.
    Write,
}

/// Whose connections a backend may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// Those of the user whose request it answers.
    #[default]
    Caller,
    /// Those of anybody in the tenant, also where it answers nobody's request.
    Tenant,
}

/// What answers for a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendKind {
    /// A script in the sandbox.
    Script,
    /// A component in the sandbox.
    Component,
    /// A server elsewhere.
    Upstream(Url),
}

/// A tenant's installation, as far as its backend is concerned.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The tenant.
    pub tenant: TenantId,
    /// The plugin's id.
    pub plugin: PluginId,
    /// What tells the plugin from all others, for ever: what it keeps is kept under this.
    pub plugin_key: String,
    /// What tells this version of it from all others.
    pub version_key: String,
    /// The version, for people.
    pub version: String,
    /// Whether the tenant has it switched on.
    pub enabled: bool,
    /// Whether the tenant has uninstalled it, and it is only there to be told so.
    pub departed: bool,
    /// Tells this installation from former and later ones of the plugin in a tenant of this name: when it was installed, in
    /// milliseconds since the Unix epoch; of one that has departed when it was uninstalled, below zero.
    pub incarnation: i64,
    /// What answers; `None` where the plugin has no backend.
    pub kind: Option<BackendKind>,
    /// Every route, the manifest's before the program's.
    pub routes: Vec<Route>,
    /// Every hook that was consented to, the manifest's before the program's.
    pub hooks: Vec<Hook>,
    /// The handlers that hooks name, consented to or not: they hear events, and nobody calls them.
    pub listeners: BTreeSet<String>,
    /// The names of the program's handlers, `onInstall` and its like among them.
    pub handlers: BTreeSet<String>,
    /// The rules of the hosts that were consented to.
    pub hosts: Vec<HostRule>,
    /// The event types that it may emit.
    pub emits: BTreeSet<String>,
    /// How it takes webhooks, as its manifest has it; `None` where it takes none.
    pub webhook: Option<Value>,
    /// What the tenant's admin has consented to, as far as this version asks for it.
    pub grants: Grants,
    /// The configuration without its secrets.
    pub configuration: Map<String, Value>,
    /// The names of the fields of the configuration that are secrets.
    pub sensitive: BTreeSet<String>,
}

/// The end of one installation: a plugin may be installed and uninstalled again before its last hook has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The tenant that has uninstalled it.
    pub tenant: TenantId,
    /// The plugin's key.
    pub plugin_key: String,
    /// When, as the event of the uninstall has it in `uninstalledAt`: tells it from the ends of other installations.
    pub at: Timestamp,
}
