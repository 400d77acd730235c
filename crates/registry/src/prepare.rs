//! From a draft to what can be stored: checked, built and compressed. Needs no database, so authors can do it at home.

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bundler::{ArtifactKind, BuildRequest, Bundler, Definition, Diagnostic, SourceTree};
use bytes::Bytes;
use model::Violation;

use crate::encoding::{Encoding, encode_all};
use crate::manifest::Checked;
use crate::source::{Draft, Source};
use crate::{Error, Manifest};

/// The most bytes of a bundle that an author made.
pub const MAX_BUNDLE: usize = 5 * 1024 * 1024;

/// The file that an author's bundle becomes when it is built once more.
const BUNDLE_SOURCE: &str = "index.js";

/// A draft that passed every check that needs no catalog.
#[derive(Debug)]
pub struct Prepared {
    /// The manifest, completed by what was found in the program.
    pub manifest: Manifest,
    /// Its id and version.
    pub checked: Checked,
    /// What to run; `None` to change the description alone.
    pub runnable: Option<Runnable>,
    /// What the author should know, though it builds.
    pub warnings: Vec<Diagnostic>,
}

/// What a browser will load.
#[derive(Debug)]
pub enum Runnable {
    /// Files that are to be kept here.
    Files {
        /// The file without bare imports.
        entry: String,
        /// The same with bare imports; none for a bundle that the author made.
        bare_entry: Option<String>,
        /// All files.
        files: Vec<File>,
    },
    /// A bundle that is kept elsewhere.
    Url(String),
    /// The `remoteEntry` of the manifest, for hosts that load module federation.
    Remote,
}

/// A file to be kept and served.
#[derive(Debug)]
pub struct File {
    /// Its name, with a hash of its content in it.
    pub filename: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub content: Bytes,
    /// SHA-256 of the bytes, in hexadecimal: the root of its entity tags.
    pub digest: String,
    /// Subresource Integrity (SHA-384) of the bytes.
    pub integrity: String,
    /// The bytes in the codings that make them smaller.
    pub encodings: Vec<(Encoding, Bytes)>,
}

/// Checks, builds and compresses.
///
/// # Errors
/// [`Error::Manifest`], [`Error::Bundler`] and [`Error::TooLarge`], each with all that is known to be wrong.
pub async fn prepare(bundler: &Bundler, draft: Draft) -> Result<Prepared, Error> {
    let Draft { mut manifest, source, .. } = draft;
    let checked = manifest.check()?;
    let mut warnings = Vec::new();
    let runnable = match source {
        Some(Source::Tree(tree)) => {
            let entry = manifest.entry.clone();
            let request = BuildRequest { tree, entry, plugin_id: manifest.id.clone() };
            Some(build(bundler, request, &mut manifest, &mut warnings).await?)
        }
        Some(Source::Bundle(content)) => Some(adopt(bundler, content, &mut manifest, &mut warnings).await?),
        Some(Source::Url(url)) => Some(Runnable::Url(url)),
        None => manifest.remote_entry.is_some().then_some(Runnable::Remote),
    };
    Ok(Prepared { manifest, checked, runnable, warnings })
}

async fn build(
    bundler: &Bundler,
    request: BuildRequest,
    manifest: &mut Manifest,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Runnable, Error> {
    let build = bundler.build(request).await?;
    complete(manifest, build.definition)?;
    warnings.extend(build.warnings);
    let files = compress(build.artifacts).await?;
    Ok(Runnable::Files { entry: build.entry, bare_entry: Some(build.bare_entry), files })
}

/// Takes over a bundle that an author made: as it is, or, where it imports what the host provides, built once more, so
/// that it loads in pages without an import map.
pub(crate) async fn adopt(
    bundler: &Bundler,
    content: Bytes,
    manifest: &mut Manifest,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Runnable, Error> {
    if content.len() > MAX_BUNDLE {
        return Err(Error::TooLarge { what: "a bundle", max: MAX_BUNDLE });
    }
    let inspection = bundler.inspect(content.clone()).await?;
    if !inspection.host_imports.is_empty() {
        let mut tree = SourceTree::new();
        tree.insert(BUNDLE_SOURCE, content).map_err(|error| Error::Archive(error.to_string()))?;
        let entry = Some(BUNDLE_SOURCE.to_owned());
        let request = BuildRequest { tree, entry, plugin_id: manifest.id.clone() };
        return build(bundler, request, manifest, warnings).await;
    }
    complete(manifest, inspection.definition)?;
    warnings.extend(inspection.warnings);
    let file = bundle_file(content).await?;
    Ok(Runnable::Files { entry: file.filename.clone(), bare_entry: None, files: vec![file] })
}

/// Fills what the manifest leaves open from the program, and refuses what contradicts it.
fn complete(manifest: &mut Manifest, definition: Definition) -> Result<(), Error> {
    if manifest.description.is_none() {
        manifest.description = definition.description;
    }
    for (key, value) in definition.metadata {
        if !Manifest::SERVER_METADATA.contains(&key.as_str()) && !manifest.metadata.contains_key(&key) {
            manifest.metadata.insert(key, value);
        }
    }
    let found = definition.extension_points;
    if manifest.extension_points.is_empty() {
        manifest.extension_points = found;
    } else if !found.is_empty() {
        let missing: Vec<Violation> = manifest
            .extension_points
            .iter()
            .enumerate()
            .filter(|(_, point)| !found.contains(point))
            .map(|(index, point)| {
                let detail = format!("the program registers {}, not {point}", found.join(", "));
                Violation::new(format!("/extensionPoints/{index}"), detail)
            })
            .collect();
        if !missing.is_empty() {
            return Err(Error::Manifest(missing));
        }
    }
    // What the program said has met no rule yet.
    manifest.check().map(drop)
}

async fn compress(artifacts: Vec<bundler::Artifact>) -> Result<Vec<File>, Error> {
    let named = artifacts.into_iter().map(|artifact| {
        let media_type = match artifact.kind {
            ArtifactKind::Script => "text/javascript; charset=utf-8",
            ArtifactKind::SourceMap => "application/json",
        };
        (artifact.filename, media_type, artifact.content)
    });
    make_files(named.collect()).await
}

/// The file of a bundle that an author made, named by its content.
async fn bundle_file(content: Bytes) -> Result<File, Error> {
    let hash = hex::encode(digest(&SHA256, &content));
    let name = format!("index-{}.js", hash.get(..16).unwrap_or_default());
    let mut files = make_files(vec![(name, "text/javascript; charset=utf-8", content)]).await?;
    files.pop().ok_or(Error::BundleNotFound)
}

/// Compressing takes up to seconds of CPU, so it happens on the threads for blocking work.
async fn make_files(named: Vec<(String, &'static str, Bytes)>) -> Result<Vec<File>, Error> {
    let work = move || -> std::io::Result<Vec<File>> {
        let make = |(filename, media_type, content): (String, &'static str, Bytes)| {
            Ok(File {
                digest: hex::encode(digest(&SHA256, &content)),
                integrity: format!("sha384-{}", STANDARD.encode(digest(&SHA384, &content))),
                encodings: encode_all(&content)?,
                filename,
                media_type,
                content,
            })
        };
        named.into_iter().map(make).collect()
    };
    let made = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other).flatten();
    made.map_err(|error| Error::Storage(storage::Error::Blobs(error.into())))
}
