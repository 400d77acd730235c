//! Plugins from manifest to installation: publishing, the catalog and its search, what each tenant has installed and
//! how it is configured, and the bundles that browsers load.

pub mod archive;
mod backend;
mod bundles;
mod catalog;
mod compatibility;
mod configuration;
mod consent;
mod deployed;
mod deployment;
mod encoding;
mod error;
mod fetch;
mod installation;
mod listeners;
mod manifest;
mod plugin;
mod prepare;
mod publish;
mod ratings;
mod revise;
mod schema_bounds;
mod source;
mod store;
mod unknown_keys;
mod version;
mod webhooks;

use std::fmt;
use std::sync::Arc;

use model::Ambient;
use storage::{Blobs, Database, Sealer};
use url::Url;

pub use backend::{
    Access, BackendDefinition, BackendKind, BackendManifest, ConnectionAsk, Departure, Deployment, Examine,
    ExamineError, Grants, Hook, HostRule, Program, Route, SecretUse, Whose, webhook_handler,
};
pub use bundles::{BundleFile, FilePath};
pub use catalog::{Page, PageRequest, SearchRequest, Sort};
pub use configuration::MASK;
pub use consent::Consent;
pub use encoding::Encoding;
pub use error::Error;
pub use installation::Installation;
pub use manifest::Manifest;
pub use plugin::{BundleRef, Owner, Plugin, Status};
pub use prepare::{Backend, File, MAX_BUNDLE, MAX_COMPONENT, Prepared, Runnable, Toolchain, prepare};
pub use publish::{Author, Published, Uploaded};
pub use ratings::Rating;
pub use source::{Draft, MANIFEST_FILE, Source};
pub use store::{MIGRATIONS, SEALED, TENANT_DATA, is_current, those_installed};
pub use version::{Version, VersionError};

/// What the registry needs to know of the platform that it serves.
#[derive(Debug, Clone)]
pub struct Platform {
    /// The host product's version, which manifests are held against.
    pub version: Version,
    /// Where browsers reach this server; bundle addresses begin with it. No query, no fragment.
    pub public_url: Url,
    /// The most bytes of bundles kept in memory.
    pub bundle_cache_bytes: u64,
}

/// The registry. One for the program.
pub struct Registry {
    database: Database,
    blobs: Arc<dyn Blobs>,
    sealer: Sealer,
    toolchain: Toolchain,
    platform: Platform,
    ambient: Ambient,
    /// Fetches what manifests have elsewhere.
    client: outbound::Client,
    cache: bundles::Cache,
    deployed: deployed::Cache,
}

impl Registry {
    /// A registry on the given storage, with what makes programs of sources. `client` fetches what manifests have elsewhere.
    pub fn new(
        database: Database,
        blobs: Arc<dyn Blobs>,
        sealer: Sealer,
        toolchain: Toolchain,
        platform: Platform,
        ambient: Ambient,
        client: outbound::Client,
    ) -> Self {
        let cache = bundles::Cache::new(platform.bundle_cache_bytes);
        let deployed = deployed::Cache::new();
        Self { database, blobs, sealer, toolchain, platform, ambient, client, cache, deployed }
    }

    /// The blob store, for health checks.
    pub fn blobs(&self) -> &dyn Blobs {
        self.blobs.as_ref()
    }

    /// The platform that plugins are held against.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("platform", &self.platform).finish_non_exhaustive()
    }
}
