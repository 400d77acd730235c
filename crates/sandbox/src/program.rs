//! What is run, for whom, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::SourceMap;

/// A built backend: a classic script that leaves its default export in `__plugin`.
#[derive(Debug, Clone)]
pub struct Script {
    /// Unique to this very text, for ever: instances with it are told from others by it.
    pub id: Arc<str>,
    /// The script.
    pub source: Arc<str>,
    /// Its source map (ECMA-426), by which errors are told in the author's own lines.
    pub source_map: Option<SourceMap>,
}

/// Whose instance it is. Instances are never shared by two of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Among whom turns are shared fairly: the tenant.
    pub tenant: Arc<str>,
    /// Which of the tenant's programs: the plugin.
    pub plugin: Arc<str>,
}

/// What a backend is told about by the names of functions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lifecycle {
    /// It was installed.
    #[serde(rename = "onInstall")]
    Install,
    /// It was uninstalled.
    #[serde(rename = "onUninstall")]
    Uninstall,
    /// It was switched on.
    #[serde(rename = "onEnable")]
    Enable,
    /// It was switched off.
    #[serde(rename = "onDisable")]
    Disable,
}

/// The function that is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Target {
    /// The handler of this name, with `(req, ctx)`; it must answer.
    Handler(String),
    /// The handler of this name, with `(event, ctx)`; it may return nothing.
    Hook(String),
    /// A function of the backend itself, with `(ctx)`; it may return nothing.
    Lifecycle(Lifecycle),
}

/// One call.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// What is called.
    pub target: Target,
    /// What it is called with, as JSON. A text in its `bodyBase64` is handed over as bytes in `body`.
    pub request: String,
    /// What is known in `ctx` beside the host's operations, as a JSON object: `tenantId`, `pluginId`, `version`, `config`, …
    pub context: String,
    /// When to give up, if that is before the limit of the settings.
    pub deadline: Option<Duration>,
    /// Tells the owner from former ones of the same name: an instance that another has used is not used.
    pub incarnation: i64,
}

/// What a call gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `{"status": 200, "headers": {name: value}, "body": {"json": …} | {"text": …} | {"base64": …}}`, without `body` if there is
    /// none; `null` where nothing need be returned and nothing was.
    pub json: String,
}

/// What a script's backend has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Definition {
    /// The names of its handlers.
    pub handlers: Vec<String>,
    /// The routes that it declares.
    pub routes: Vec<DeclaredRoute>,
    /// The subscriptions that it declares.
    pub hooks: Vec<DeclaredHook>,
    /// The functions of its lifecycle.
    pub lifecycle: Vec<Lifecycle>,
}

/// An entry of `routes`: texts that are not empty, and nothing else is checked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DeclaredRoute {
    /// An HTTP method.
    pub method: String,
    /// A path with `:name`s.
    pub path: String,
    /// The name of a handler.
    pub handler: String,
}

/// An entry of `hooks`, likewise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DeclaredHook {
    /// The type of an event.
    pub event: String,
    /// The name of a handler.
    pub handler: String,
}
