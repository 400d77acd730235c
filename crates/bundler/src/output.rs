//! What goes into a build and what comes out of it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{diagnostic::Diagnostic, tree::SourceTree};

/// One plugin to build.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// Its sources.
    pub tree: SourceTree,
    /// The module that exports the plugin. Without it: `src/index.tsx`, else `.ts`, `.jsx`, `.js`, else `index.*`.
    pub entry: Option<String>,
    /// The plugin's id; it keeps the style sheets of two plugins apart.
    pub plugin_id: String,
}

/// The backend of a plugin to build.
#[derive(Debug, Clone)]
pub struct BackendRequest {
    /// The plugin's sources.
    pub tree: SourceTree,
    /// The module whose default export is the backend.
    pub entry: String,
}

/// A built backend.
#[derive(Debug, Clone)]
pub struct BackendBuild {
    /// A classic script that leaves the default export in `__plugin`. Names are as the author wrote them, so that errors read
    /// well.
    pub script: Bytes,
    /// Its source map, revision 3 (ECMA-426).
    pub source_map: Bytes,
    /// What the author should look at.
    pub warnings: Vec<Diagnostic>,
}

/// A built plugin.
#[derive(Debug, Clone)]
pub struct Build {
    /// The file to load: it has no bare imports, and takes React and the SDK from the page.
    pub entry: String,
    /// The same with bare imports of React and the SDK, for pages with an import map.
    pub bare_entry: String,
    /// Every file, in the order of the names. They belong into one folder: chunks are imported relatively.
    pub artifacts: Vec<Artifact>,
    /// What the plugin says of itself.
    pub definition: Definition,
    /// What the author should look at.
    pub warnings: Vec<Diagnostic>,
}

/// A file to publish. The name carries a hash of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// `index-<hash>.js`, `index.bare-<hash>.js`, `chunk-<hash>.js`, or one of these with `.map`.
    pub filename: String,
    /// What it is.
    pub kind: ArtifactKind,
    /// Its bytes.
    pub content: Bytes,
}

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactKind {
    /// An ECMAScript module.
    Script,
    /// A source map, revision 3 (ECMA-426).
    SourceMap,
}

/// What a plugin's default export says of it, as far as that can be read without running it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// `name`.
    pub name: Option<String>,
    /// `version`.
    pub version: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `category`.
    pub category: Option<String>,
    /// The keys of `extensionPoints` and the names given to `registerExtensionPoint` and `createExtensionPoint`,
    /// each once, in the order of the source.
    pub extension_points: Vec<String>,
    /// `metadata`, without what is not constant.
    pub metadata: Map<String, Value>,
    /// Every other constant key of the definition, such as `configSchema`.
    pub other: Map<String, Value>,
}

/// What is found in a bundle that somebody else built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// What the plugin says of itself.
    pub definition: Definition,
    /// The modules of the host that it imports by their bare names, each once, in the order of the source.
    pub host_imports: Vec<String>,
    /// What the author should look at.
    pub warnings: Vec<Diagnostic>,
}
