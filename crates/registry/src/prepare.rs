//! From a draft to what can be stored: checked, built and compressed. Needs no database, so authors can do it at home.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bundler::{ArtifactKind, BackendRequest, BuildRequest, Bundler, Definition, Diagnostic, SourceTree};
use bytes::Bytes;
use model::Violation;
use serde_json::Value;

use crate::backend::{self, BackendDefinition, Examine, Program};
use crate::encoding::{Encoding, encode_all};
use crate::manifest::Checked;
use crate::source::{Draft, Source};
use crate::{BackendManifest, Error, Manifest, unknown_keys};

/// The most bytes of a bundle that an author made.
pub const MAX_BUNDLE: usize = 5 * 1024 * 1024;

/// The most bytes of a backend that is a WebAssembly component.
pub const MAX_COMPONENT: usize = 8 * 1024 * 1024;

/// The file that an author's bundle becomes when it is built once more.
const BUNDLE_SOURCE: &str = "index.js";

/// What makes programs of sources, and looks at what was made.
#[derive(Clone)]
pub struct Toolchain {
    /// Builds bundles and scripts.
    pub bundler: Bundler,
    /// Loads backends to see whether they are sound.
    pub examine: Arc<dyn Examine>,
    /// The ids of the connectors that plugins may ask for.
    pub connectors: Vec<String>,
    /// What is wrong with a manifest's `webhook`, by pointers within it.
    pub webhook: fn(&Value) -> Vec<Violation>,
}

/// A backend that runs here, ready to be stored.
#[derive(Debug)]
pub struct Backend {
    /// What runs.
    pub program: Program,
    /// What it offers.
    pub definition: BackendDefinition,
}

/// A draft that passed every check that needs no catalog.
#[derive(Debug)]
pub struct Prepared {
    /// The manifest, completed by what was found in the program.
    pub manifest: Manifest,
    /// Its id and version.
    pub checked: Checked,
    /// What to run; `None` to change the description alone.
    pub runnable: Option<Runnable>,
    /// The backend, where it has one that runs here.
    pub backend: Option<Backend>,
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
    /// The address of a file that was uploaded ahead of its version.
    Url(String),
    /// The `remoteEntry` of the manifest, for hosts that load module federation.
    Remote,
    /// Nothing: the plugin is a backend alone.
    Nothing,
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

/// Checks, builds, compresses, and looks at the backend.
///
/// # Errors
/// [`Error::Manifest`], [`Error::Bundler`], [`Error::Backend`] and [`Error::TooLarge`], each with all that is known to be
/// wrong.
pub async fn prepare(toolchain: &Toolchain, draft: Draft) -> Result<Prepared, Error> {
    let Draft { mut manifest, source, .. } = draft;
    let checked = manifest.check()?;
    refuse_unknown_connectors(&manifest, &toolchain.connectors)?;
    refuse_unusable_webhook(&manifest, toolchain.webhook)?;
    refuse_backend_without_sources(&manifest, source.as_ref())?;
    let bundler = &toolchain.bundler;
    let mut warnings = Vec::new();
    let mut backend = None;
    let runnable = match source {
        Some(Source::Tree(tree)) => {
            let described = manifest.backend.clone();
            let (page, program) = tokio::join!(
                build_page(bundler, &tree, &mut manifest),
                build_backend(bundler, &tree, described.as_ref()),
            );
            let ((runnable, found), (program, more)) = both(page, program)?;
            warnings.extend(found.into_iter().chain(more));
            if let (Some(program), Some(described)) = (program, described) {
                let definition = backend::examine(toolchain.examine.as_ref(), &described, &program).await?;
                backend::check_webhook_handler(&manifest, &definition)?;
                backend::complete_listens(&mut manifest, &definition);
                backend = Some(Backend { program, definition });
            }
            Some(runnable)
        }
        Some(Source::Bundle(content)) => Some(adopt(bundler, content, &mut manifest, &mut warnings).await?),
        Some(Source::Url(url)) => Some(Runnable::Url(url)),
        None if manifest.is_upstream_alone() => Some(Runnable::Nothing),
        None => manifest.remote_entry.is_some().then_some(Runnable::Remote),
    };
    Ok(Prepared { manifest, checked, runnable, backend, warnings })
}

fn refuse_unknown_connectors(manifest: &Manifest, known: &[String]) -> Result<(), Error> {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let asks = manifest.connections.iter().enumerate();
    let unknown: Vec<Violation> = asks
        .filter(|(_, ask)| !known.contains(&ask.connector.as_str()))
        .map(|(index, ask)| {
            let detail = unknown_keys::advice(&ask.connector, &known);
            Violation::new(format!("/connections/{index}/connector"), detail)
        })
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(Error::Manifest(unknown)) }
}

fn refuse_unusable_webhook(manifest: &Manifest, check: fn(&Value) -> Vec<Violation>) -> Result<(), Error> {
    let found = manifest.webhook.as_ref().map(check).unwrap_or_default().into_iter();
    let found: Vec<_> =
        found.map(|found| Violation::new(format!("/webhook{}", found.pointer), found.detail)).collect();
    if found.is_empty() { Ok(()) } else { Err(Error::Manifest(found)) }
}

/// Refuses a backend that is to be built where there is nothing to build it from.
pub(crate) fn refuse_backend_without_sources(
    manifest: &Manifest,
    source: Option<&Source>,
) -> Result<(), Error> {
    let Some(backend) = &manifest.backend else { return Ok(()) };
    if backend.upstream.is_some() || matches!(source, Some(Source::Tree(_))) {
        return Ok(());
    }
    let detail = "is built from the plugin's sources: send files or an archive instead of a built bundle";
    Err(Error::Manifest(vec![Violation::new("/backend", detail)]))
}

/// Both results, or what is wrong with either: an author wants to see all of it.
fn both<A, B>(left: Result<A, Error>, right: Result<B, Error>) -> Result<(A, B), Error> {
    match (left, right) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        (
            Err(Error::Bundler(bundler::Error::Invalid(mut all))),
            Err(Error::Bundler(bundler::Error::Invalid(more))),
        ) => {
            let new: Vec<Diagnostic> = more.into_iter().filter(|each| !all.contains(each)).collect();
            all.extend(new);
            Err(Error::Bundler(bundler::Error::Invalid(all)))
        }
        (Err(error), _) | (Ok(_), Err(error)) => Err(error),
    }
}

/// The bundle for pages; none for a plugin that has a backend and nothing for a page.
async fn build_page(
    bundler: &Bundler,
    tree: &SourceTree,
    manifest: &mut Manifest,
) -> Result<(Runnable, Vec<Diagnostic>), Error> {
    let mut warnings = Vec::new();
    if let Some(backend) = &manifest.backend
        && manifest.entry.is_none()
        && bundler::default_entry(tree, backend.entry_point.as_deref()).is_none()
        && (manifest.extension_points.is_empty() || manifest.remote_entry.is_some())
    {
        let remote = manifest.remote_entry.is_some();
        return Ok((if remote { Runnable::Remote } else { Runnable::Nothing }, warnings));
    }
    let (tree, entry) = (tree.clone(), manifest.entry.clone());
    let request = BuildRequest { tree, entry, plugin_id: manifest.id.clone() };
    let runnable = build(bundler, request, manifest, &mut warnings).await?;
    Ok((runnable, warnings))
}

/// The program of a backend that runs here.
async fn build_backend(
    bundler: &Bundler,
    tree: &SourceTree,
    backend: Option<&BackendManifest>,
) -> Result<(Option<Program>, Vec<Diagnostic>), Error> {
    let Some(backend) = backend else { return Ok((None, Vec::new())) };
    if let Some(entry) = &backend.entry_point {
        let request = BackendRequest { tree: tree.clone(), entry: entry.clone() };
        let built = bundler.build_backend(request).await?;
        let program = Program { bytes: built.script, source_map: Some(built.source_map) };
        return Ok((Some(program), built.warnings));
    }
    let Some(path) = &backend.component else { return Ok((None, Vec::new())) };
    let Some(component) = tree.get(path.strip_prefix("./").unwrap_or(path)) else {
        let detail = "is not a file of the plugin: check the path, including upper and lower case";
        return Err(Error::Manifest(vec![Violation::new("/backend/component", detail)]));
    };
    if component.len() > MAX_COMPONENT {
        return Err(Error::TooLarge { what: "a component", max: MAX_COMPONENT });
    }
    Ok((Some(Program { bytes: component.clone(), source_map: None }), Vec::new()))
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

/// Subresource Integrity of `content`.
pub(crate) fn integrity(content: &[u8]) -> String {
    format!("sha384-{}", STANDARD.encode(digest(&SHA384, content)))
}

/// Compressing takes up to seconds of CPU, so it happens on the threads for blocking work.
async fn make_files(named: Vec<(String, &'static str, Bytes)>) -> Result<Vec<File>, Error> {
    let work = move || -> std::io::Result<Vec<File>> {
        let make = |(filename, media_type, content): (String, &'static str, Bytes)| {
            Ok(File {
                digest: hex::encode(digest(&SHA256, &content)),
                integrity: integrity(&content),
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
