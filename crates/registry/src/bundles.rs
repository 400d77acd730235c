//! Serving bundles: from memory when they are hot, from the blob store when they are not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::PluginId;
use moka::future::Cache as Memory;
use storage::BlobKey;

use crate::plugin::Plugin;
use crate::store::bundles::{self, FileRow};
use crate::{Encoding, Error, Registry};

/// The most files whose description is kept in memory.
const MAX_DESCRIBED: u64 = 100_000;
/// How long a file is kept in memory: so long may another replica serve it after its tenant was deleted.
const KEPT_FOR: Duration = Duration::from_mins(10);

/// Names under which older hosts ask for the file that a version begins with.
const ENTRY_ALIASES: [&str; 2] = ["index.js", "bundle.js"];

/// Which file is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath {
    /// The plugin's id.
    pub plugin_id: String,
    /// The version.
    pub version: String,
    /// The file's name.
    pub filename: String,
}

/// A file, without its content.
#[derive(Debug)]
pub struct BundleFile {
    /// Its media type.
    pub media_type: String,
    /// SHA-256 of the content, in hexadecimal.
    pub digest: String,
    codings: Vec<Encoding>,
    blob_key: Arc<str>,
}

impl BundleFile {
    /// Whether the file is kept in this coding.
    pub fn is_kept_as(&self, encoding: Encoding) -> bool {
        encoding == Encoding::Identity || self.codings.contains(&encoding)
    }
}

impl From<FileRow> for BundleFile {
    fn from(row: FileRow) -> Self {
        let kept = |encoding: &Encoding| row.encodings.split(',').any(|name| name == encoding.as_str());
        Self {
            codings: Encoding::COMPRESSED.into_iter().filter(kept).collect(),
            media_type: row.media_type,
            digest: row.digest,
            blob_key: row.blob_key.into(),
        }
    }
}

/// Files and contents that were asked for lately. Neither ever changes; they go with their tenant alone.
pub(crate) struct Cache {
    files: Memory<FilePath, Arc<BundleFile>>,
    contents: Memory<(Arc<str>, Encoding), Bytes>,
}

impl Cache {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self {
            files: Memory::builder().max_capacity(MAX_DESCRIBED).time_to_live(KEPT_FOR).build(),
            contents: Memory::builder()
                .max_capacity(max_bytes)
                .time_to_live(KEPT_FOR)
                .weigher(|(key, _): &(Arc<str>, Encoding), content: &Bytes| {
                    u32::try_from(key.len() + content.len()).unwrap_or(u32::MAX)
                })
                .build(),
        }
    }
}

impl Registry {
    /// Forgets what a deleted tenant's files may be among, and its installations. Addresses do not name their tenant, so it is
    /// all of them.
    pub fn forget_files(&self) {
        self.deployed.forget_all();
        self.cache.files.invalidate_all();
        self.cache.contents.invalidate_all();
    }

    /// Where browsers load a file of a version from.
    pub fn file_url(&self, id: &PluginId, version: &str, filename: &str) -> String {
        let base = self.platform.public_url.as_str().trim_end_matches('/');
        format!("{base}/plugins/bundles/{id}/v{version}/{filename}")
    }

    /// Where browsers load a plugin from; `None` for a plugin that has a `remoteEntry` alone.
    pub fn bundle_url(&self, plugin: &Plugin) -> Option<String> {
        let entry = plugin.bundle.entry.as_ref();
        entry.and_then(|entry| self.url_of(plugin, entry)).or_else(|| plugin.bundle.external_url.clone())
    }

    /// Where browsers load the variant with bare imports from.
    pub fn bare_bundle_url(&self, plugin: &Plugin) -> Option<String> {
        self.url_of(plugin, plugin.bundle.bare_entry.as_ref()?)
    }

    fn url_of(&self, plugin: &Plugin, filename: &str) -> Option<String> {
        let id: PluginId = plugin.manifest.id.parse().ok()?;
        Some(self.file_url(&id, &plugin.manifest.version, filename))
    }

    /// A file of a version that was asked for lately.
    pub async fn remembered_file(&self, path: &FilePath) -> Option<Arc<BundleFile>> {
        self.cache.files.get(path).await
    }

    /// Finds a file of a version.
    ///
    /// # Errors
    /// [`Error::BundleNotFound`].
    pub async fn bundle_file(&self, path: &FilePath) -> Result<Arc<BundleFile>, Error> {
        if let Some(file) = self.cache.files.get(path).await {
            return Ok(file);
        }
        let mut conn = self.database.read().await?;
        let mut row = bundles::find(&mut conn, &path.plugin_id, &path.version, &path.filename).await?;
        if row.is_none() && ENTRY_ALIASES.contains(&path.filename.as_str()) {
            let entry = bundles::entry(&mut conn, &path.plugin_id, &path.version).await?;
            if let Some(entry) = entry {
                row = bundles::find(&mut conn, &path.plugin_id, &path.version, &entry).await?;
            }
        }
        let file = Arc::new(BundleFile::from(row.ok_or(Error::BundleNotFound)?));
        self.cache.files.insert(path.clone(), Arc::clone(&file)).await;
        Ok(file)
    }

    /// Finds a file by an address of the old servers: a blob's key, or `[plugins/]id/[v]version/name`.
    ///
    /// # Errors
    /// [`Error::BundleNotFound`].
    pub async fn bundle_file_by_key(&self, key: &str) -> Result<Arc<BundleFile>, Error> {
        let mut conn = self.database.read().await?;
        if let Some(row) = bundles::find_by_key(&mut conn, key).await? {
            return Ok(Arc::new(row.into()));
        }
        drop(conn);
        let path = key.strip_prefix("plugins/").unwrap_or(key);
        let mut parts = path.split('/');
        let (Some(id), Some(version), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::BundleNotFound);
        };
        self.bundle_file(&FilePath {
            plugin_id: id.to_owned(),
            version: version.strip_prefix('v').unwrap_or(version).to_owned(),
            filename: name.to_owned(),
        })
        .await
    }

    /// The content of a file in a coding that it is kept in. Callers that ask at the same time share one read.
    ///
    /// # Errors
    /// [`Error::BundleNotFound`] for a coding that it is not kept in, or if the blob is gone.
    pub async fn bundle_content(&self, file: &BundleFile, encoding: Encoding) -> Result<Bytes, Error> {
        if !file.is_kept_as(encoding) {
            return Err(Error::BundleNotFound);
        }
        let cached = (Arc::clone(&file.blob_key), encoding);
        if let Some(content) = self.cache.contents.get(&cached).await {
            return Ok(content);
        }
        let load = async {
            let key: BlobKey = format!("{}{}", file.blob_key, encoding.suffix()).parse()?;
            match self.blobs.get(&key).await {
                Ok(Some(content)) => Ok(content),
                Ok(None) => Err(Error::BundleNotFound),
                Err(error) => Err(error.into()),
            }
        };
        // A failure is shared by those who waited for it and kept for nobody.
        self.cache.contents.try_get_with(cached, load).await.map_err(|shared| match shared.as_ref() {
            Error::BundleNotFound => Error::BundleNotFound,
            error => Error::Storage(storage::Error::Blobs(error.to_string().into())),
        })
    }
}
