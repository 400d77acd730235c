//! Publishing: first the blobs, then one transaction with the version, its files and its events.

use bundler::Diagnostic;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use model::{Event, EventKind, PluginId, Violation};
use serde_json::{Value, json};
use storage::{BlobKey, Staging, Tx};

use crate::fetch;
use crate::manifest::Checked;
use crate::plugin::{BundleRef, Owner, Plugin, Status};
use crate::prepare::{Backend, File, Prepared, Runnable, adopt, prepare, refuse_backend_without_sources};
use crate::source::Source;
use crate::store::bundles::FileRow;
use crate::store::plugins::{BackendRow, NewVersion, Summary};
use crate::store::{bundles, plugins};
use crate::{Draft, Encoding, Error, Manifest, Program, Registry, Version};

/// The most plugins of its own that a tenant may have, those that were taken out included.
const MAX_OWN_PLUGINS: i64 = 500;
/// The most versions that a plugin may have.
const MAX_VERSIONS: i64 = 1_000;
/// How many blobs are written at the same time.
const PARALLEL_PUTS: usize = 8;

/// Who publishes, and into which catalog.
#[derive(Debug, Clone)]
pub struct Author {
    /// The catalog.
    pub owner: Owner,
    /// The publisher's `sub`.
    pub subject: String,
}

/// What came of a publish.
#[derive(Debug)]
pub struct Published {
    /// The plugin as it now is.
    pub plugin: Plugin,
    /// What the author should know, though it builds.
    pub warnings: Vec<Diagnostic>,
}

/// A bundle that was uploaded ahead of its version.
#[derive(Debug)]
pub struct Uploaded {
    /// Its file name, for [`Registry::file_url`].
    pub filename: String,
}

/// A file with the blobs that hold it.
struct StoredFile {
    row: FileRow,
    size_bytes: i64,
    blobs: Vec<(BlobKey, Bytes)>,
}

/// What a version runs.
struct Made<'a> {
    bundle: &'a BundleRef,
    backend: Option<&'a BackendRow>,
}

/// A backend with the blobs that hold it. They stand apart from what is served, and no public route reads their keys.
struct StoredBackend {
    row: BackendRow,
    blobs: Vec<(BlobKey, Bytes)>,
}

impl StoredBackend {
    fn new(checked: &Checked, publish: &str, backend: Backend) -> Result<Self, Error> {
        let key = |name: &str| format!("backends/{}/{}/{publish}/{name}", checked.id, checked.version);
        let Program { bytes, source_map } = backend.program;
        let (script, map) = (key("program"), source_map.as_ref().map(|_| key("program.map")));
        let mut blobs = vec![(script.parse()?, bytes)];
        if let (Some(key), Some(content)) = (&map, source_map) {
            blobs.push((key.parse()?, content));
        }
        let definition = serde_json::to_string(&backend.definition).map_err(Error::Corrupt)?;
        Ok(Self { row: BackendRow { definition, blob: script, map_blob: map }, blobs })
    }

    fn keys(&self) -> Vec<BlobKey> {
        self.blobs.iter().map(|(key, _)| key.clone()).collect()
    }
}

impl Registry {
    /// Publishes a version of a new plugin or of one that the author's catalog has.
    ///
    /// # Errors
    /// All of [`prepare`]; [`Error::Manifest`] for a `bundleUrl` that cannot be fetched; [`Error::VersionExists`], [`Error::IdTaken`], [`Error::SourceMissing`]. A failure leaves the
    /// catalog as it was.
    pub async fn publish(&self, author: &Author, mut draft: Draft) -> Result<Published, Error> {
        let checked = draft.manifest.check()?;
        self.refuse_known_version(author, &checked.id, &checked.version).await?;
        self.refuse_over_quota(author, &checked.id).await?;
        let status = status(author, draft.status);
        refuse_backend_without_sources(&draft.manifest, draft.source.as_ref())?;
        if !self.is_uploaded(&checked, draft.source.as_ref()) {
            draft = fetch::with_bundle(&self.client, draft).await?;
        }
        let Prepared { manifest, checked, runnable, backend, mut warnings } =
            Box::pin(prepare(&self.toolchain, draft)).await?;
        let publish = model::new_id(&self.ambient);
        let (bundle, files) = match runnable.ok_or(Error::SourceMissing)? {
            Runnable::Files { entry, bare_entry, files } => {
                stored_bundle(&checked, entry, bare_entry, files, &publish)?
            }
            Runnable::Url(url) => (self.bundle_at(author, &checked, url).await?, Vec::new()),
            Runnable::Remote => {
                let (bundle, warning) = fetch::remote_entry(&self.client, &manifest).await;
                warnings.extend(warning);
                (bundle, Vec::new())
            }
            Runnable::Nothing => (BundleRef::default(), Vec::new()),
        };
        let backend = backend.map(|backend| StoredBackend::new(&checked, &publish, backend)).transpose()?;
        let blobs = files.iter().flat_map(|file| file.blobs.clone());
        let private = backend.iter().flat_map(|backend| backend.blobs.clone());
        let staging = self.write_blobs(blobs.chain(private).collect()).await?;
        let mut tx = self.database.begin().await?;
        self.insert_files(&mut tx, author, &checked.id, &manifest.version, &staging, files).await?;
        if let Some(backend) = &backend {
            staging.settle(&mut tx, &backend.keys()).await?;
        }
        let made = Made { bundle: &bundle, backend: backend.as_ref().map(|backend| &backend.row) };
        self.insert_version(&mut tx, author, &checked, &manifest, made, status).await?;
        tx.commit().await?;
        let plugin = self.published(author, &checked.id, &manifest.version).await?;
        Ok(Published { plugin, warnings })
    }

    /// Keeps a bundle for a version that is yet to be published with its address.
    ///
    /// # Errors
    /// [`Error::Manifest`] for a wrong id or version, [`Error::Bundler`], [`Error::TooLarge`],
    /// [`Error::VersionExists`].
    pub async fn upload(
        &self,
        author: &Author,
        id: &str,
        version: &str,
        content: Bytes,
    ) -> Result<Uploaded, Error> {
        let mut manifest = Manifest {
            id: id.to_owned(),
            version: version.to_owned(),
            name: "upload".to_owned(),
            category: "upload".to_owned(),
            ..Manifest::default()
        };
        let checked = manifest.check()?;
        self.refuse_known_version(author, &checked.id, &checked.version).await?;
        let runnable = adopt(&self.toolchain.bundler, content, &mut manifest, &mut Vec::new()).await?;
        let Runnable::Files { entry, bare_entry, files } = runnable else { return Err(Error::SourceMissing) };
        let publish = model::new_id(&self.ambient);
        let (_, files) = stored_bundle(&checked, entry.clone(), bare_entry, files, &publish)?;
        let blobs = files.iter().flat_map(|file| file.blobs.clone()).collect();
        let staging = self.write_blobs(blobs).await?;
        let mut tx = self.database.begin().await?;
        self.insert_files(&mut tx, author, &checked.id, version, &staging, files).await?;
        tx.commit().await?;
        Ok(Uploaded { filename: entry })
    }

    /// Counted ahead of the build, so several publishes at once may go over by a few.
    async fn refuse_over_quota(&self, author: &Author, id: &PluginId) -> Result<(), Error> {
        let mut conn = self.database.read().await?;
        if plugins::count_versions(&mut conn, &author.owner, id).await? >= MAX_VERSIONS {
            return Err(Error::Quota { what: "a plugin", max: MAX_VERSIONS, of: "versions" });
        }
        let is_new = plugins::find_own(&mut conn, &author.owner, id).await?.is_none();
        if is_new
            && let Some(tenant) = author.owner.tenant()
            && plugins::count_of_owner(&mut conn, tenant).await? >= MAX_OWN_PLUGINS
        {
            return Err(Error::Quota { what: "a tenant", max: MAX_OWN_PLUGINS, of: "plugins of its own" });
        }
        Ok(())
    }

    async fn refuse_known_version(
        &self,
        author: &Author,
        id: &PluginId,
        version: &Version,
    ) -> Result<(), Error> {
        let version = version.to_string();
        let mut conn = self.database.read().await?;
        if plugins::version_exists(&mut conn, &author.owner, id, &version).await? {
            return Err(Error::VersionExists { plugin: id.to_string(), version });
        }
        if author.owner.tenant().is_some() && plugins::find(&mut conn, None, id).await?.is_some() {
            return Err(Error::IdTaken(id.to_string()));
        }
        Ok(())
    }

    /// Whether a source is the address of a file that is kept here for this version.
    fn is_uploaded(&self, checked: &Checked, source: Option<&Source>) -> bool {
        let prefix = self.file_url(&checked.id, &checked.version.to_string(), "");
        matches!(source, Some(Source::Url(url)) if url.starts_with(&prefix))
    }

    /// The bundle behind a `bundleUrl` that is one of ours.
    async fn bundle_at(&self, author: &Author, checked: &Checked, url: String) -> Result<BundleRef, Error> {
        let version = checked.version.to_string();
        let prefix = self.file_url(&checked.id, &version, "");
        let filename = url.strip_prefix(&prefix).unwrap_or_default();
        let mut conn = self.database.read().await?;
        let file = bundles::find_of_owner(&mut conn, &author.owner, &checked.id, &version, filename).await?;
        let file = file.ok_or_else(|| {
            Error::Manifest(vec![Violation::new(
                "/bundleUrl",
                "names no file that was uploaded for this version",
            )])
        })?;
        Ok(BundleRef { entry: Some(file.filename), integrity: Some(file.integrity), ..BundleRef::default() })
    }

    async fn write_blobs(&self, blobs: Vec<(BlobKey, Bytes)>) -> Result<Staging, Error> {
        let keys: Vec<BlobKey> = blobs.iter().map(|(key, _)| key.clone()).collect();
        let staging = Staging::begin(&self.database, &keys, &self.ambient).await?;
        stream::iter(blobs)
            .map(|(key, content)| async move { self.blobs.put(&key, content).await })
            .buffer_unordered(PARALLEL_PUTS)
            .try_collect::<()>()
            .await?;
        Ok(staging)
    }

    async fn insert_files(
        &self,
        tx: &mut Tx,
        author: &Author,
        id: &PluginId,
        version: &str,
        staging: &Staging,
        files: Vec<StoredFile>,
    ) -> Result<(), Error> {
        for file in files {
            if bundles::is_taken(tx, id, version, &file.row).await? {
                return Err(Error::FileTaken { plugin: id.to_string(), version: version.to_owned() });
            }
            if bundles::insert(tx, &author.owner, id, version, &file.row, file.size_bytes).await? {
                let keys: Vec<BlobKey> = file.blobs.into_iter().map(|(key, _)| key).collect();
                staging.settle(tx, &keys).await?;
            }
        }
        Ok(())
    }

    async fn insert_version(
        &self,
        tx: &mut Tx,
        author: &Author,
        checked: &Checked,
        manifest: &Manifest,
        made: Made<'_>,
        status: Status,
    ) -> Result<(), Error> {
        let now = self.ambient.now();
        let summary = Summary { manifest, current_version: &manifest.version, status, now };
        let new_key = model::new_id(&self.ambient);
        let plugin_key = if plugins::insert(tx, &new_key, &author.owner, &checked.id, &summary).await? {
            tx.record(event(&author.owner, EventKind::PluginCreated, &checked.id, json!({})));
            new_key
        } else {
            // It was there, or a publish at the same time was first; either way it is there to be seen now.
            let existing = plugins::existing(tx, &author.owner, &checked.id).await?;
            let existing = existing.ok_or_else(|| Error::ChangedMeanwhile(checked.id.to_string()))?;
            if becomes_current(&checked.version, &existing.current_version) {
                plugins::update(tx, &existing.key, &summary).await?;
            }
            existing.key
        };
        let key = model::new_id(&self.ambient);
        let version = NewVersion {
            key: &key,
            plugin_key: &plugin_key,
            manifest,
            bundle: made.bundle,
            backend: made.backend,
            published_by: &author.subject,
            now,
        };
        plugins::insert_version(tx, &version).await.map_err(|error| match error {
            Error::Storage(storage::Error::Duplicate(_)) => {
                Error::VersionExists { plugin: checked.id.to_string(), version: manifest.version.clone() }
            }
            other => other,
        })?;
        let data = json!({"version": manifest.version, "by": author.subject});
        tx.record(event(&author.owner, EventKind::PluginPublished, &checked.id, data));
        Ok(())
    }

    pub(crate) async fn published(
        &self,
        author: &Author,
        id: &PluginId,
        version: &str,
    ) -> Result<Plugin, Error> {
        let mut conn = self.database.read().await?;
        let plugin = plugins::find_own_version(&mut conn, &author.owner, id, version).await?;
        plugin.ok_or_else(|| Error::PluginNotFound(id.to_string()))
    }
}

/// A tenant's own plugins need no review; in the shared catalog a platform admin may say otherwise.
fn status(author: &Author, wanted: Option<Status>) -> Status {
    match author.owner {
        Owner::Tenant(_) => Status::Approved,
        Owner::Shared => wanted.unwrap_or(Status::Approved),
    }
}

fn stored_file(id: &PluginId, version: &str, publish: &str, file: File) -> Result<StoredFile, Error> {
    let key = format!("plugins/{id}/{version}/{publish}/{}", file.filename);
    let codings: Vec<&str> = file.encodings.iter().map(|(encoding, _)| encoding.as_str()).collect();
    let row = FileRow {
        filename: file.filename,
        media_type: file.media_type.to_owned(),
        digest: file.digest,
        integrity: file.integrity,
        encodings: codings.join(","),
        blob_key: key.clone(),
    };
    let size_bytes = i64::try_from(file.content.len()).unwrap_or(i64::MAX);
    let all = std::iter::once((Encoding::Identity, file.content)).chain(file.encodings);
    let blobs = all
        .map(|(encoding, content)| Ok((format!("{key}{}", encoding.suffix()).parse()?, content)))
        .collect::<Result<_, storage::Error>>()?;
    Ok(StoredFile { row, size_bytes, blobs })
}

fn stored_bundle(
    checked: &Checked,
    entry: String,
    bare_entry: Option<String>,
    files: Vec<File>,
    publish: &str,
) -> Result<(BundleRef, Vec<StoredFile>), Error> {
    let integrity_of = |name: Option<&String>| {
        name.and_then(|name| files.iter().find(|file| file.filename == *name))
            .map(|file| file.integrity.clone())
    };
    let bundle = BundleRef {
        integrity: integrity_of(Some(&entry)),
        bare_integrity: integrity_of(bare_entry.as_ref()),
        entry: Some(entry),
        bare_entry,
        external_url: None,
    };
    let version = checked.version.to_string();
    let files = files.into_iter().map(|file| stored_file(&checked.id, &version, publish, file));
    Ok((bundle, files.collect::<Result<_, _>>()?))
}

/// The newest release is what the catalog shows; a pre-release only while there is no release.
fn becomes_current(new: &Version, current: &str) -> bool {
    let Ok(current) = current.parse::<Version>() else { return true };
    match (new.is_prerelease(), current.is_prerelease()) {
        (false, true) => true,
        (true, false) => false,
        _ => *new > current,
    }
}

pub(crate) fn event(owner: &Owner, kind: EventKind, id: &PluginId, data: Value) -> Event {
    Event { tenant: owner.tenant().cloned(), kind, subject: id.to_string(), data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_current() {
        for (new, current, becomes) in [
            ("1.1.0", "1.0.0", true),
            ("1.0.1", "2.0.0", false),
            ("2.0.0-beta.1", "1.0.0", false),
            ("1.0.0", "2.0.0-beta.1", true),
            ("2.0.0-beta.2", "2.0.0-beta.1", true),
        ] {
            assert_eq!(becomes_current(&new.parse().unwrap(), current), becomes, "{new} after {current}");
        }
    }
}
