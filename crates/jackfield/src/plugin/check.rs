//! `jackfield plugin check`: the server's own checks, at home.

use std::path::Path;

use anyhow::Context as _;
use bundler::{Bundler, SourceTree};
use model::Ambient;
use registry::{Backend, Draft, File, MANIFEST_FILE, Prepared, Runnable, Toolchain};
use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::cli::print;
use crate::plugin::report::{self, Failure};
use crate::plugin::{CheckArgs, folder};
use crate::{parts, settings};

/// The backend's script, as `plugin build` writes it.
const SCRIPT: &str = "backend.js";
/// Its source map.
const SCRIPT_MAP: &str = "backend.js.map";
/// The backend where it is a component.
const COMPONENT: &str = "backend.wasm";

/// A plugin that passed every check that needs no server.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Its files.
    pub(crate) tree: SourceTree,
    /// The manifest and the warnings.
    pub(crate) prepared: Prepared,
    /// The name of the bundle's first file; none for a backend alone.
    pub(crate) entry: Option<String>,
    /// The same with bare imports.
    pub(crate) bare_entry: Option<String>,
    /// Every file of the bundle; none for a backend alone.
    pub(crate) files: Vec<File>,
}

impl Ready {
    /// What is known of a backend that was built: what it offers, and how large it is.
    pub(crate) fn backend(&self) -> Option<Value> {
        let Backend { program, definition } = self.prepared.backend.as_ref()?;
        let script = self.prepared.manifest.backend.as_ref()?.entry_point.is_some();
        Some(json!({
            "file": if script { SCRIPT } else { COMPONENT },
            "bytes": program.bytes.len(),
            "routes": definition.routes,
            "hooks": definition.hooks,
            "handlers": definition.handlers,
        }))
    }

    /// The files of a backend that was built, by their names in the folder.
    pub(crate) fn backend_files(&self) -> Vec<(&'static str, &[u8])> {
        let Some(Backend { program, .. }) = &self.prepared.backend else { return Vec::new() };
        match &program.source_map {
            Some(map) => vec![(SCRIPT, &program.bytes[..]), (SCRIPT_MAP, &map[..])],
            None => vec![(COMPONENT, &program.bytes[..])],
        }
    }
}

/// Checks and prints.
pub(crate) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let ready = prepare(&args.dir).await?;
    let manifest = &ready.prepared.manifest;
    if args.json {
        let document = json!({
            "ok": true,
            "id": manifest.id,
            "version": manifest.version,
            "extensionPoints": manifest.extension_points,
            "backend": ready.backend(),
            "warnings": ready.prepared.warnings,
        });
        return Ok(print(&format!("{document:#}\n"))?);
    }
    report::warn(&ready.prepared.warnings);
    let points = match manifest.extension_points.join(", ") {
        points if points.is_empty() => "no extension points".to_owned(),
        points => points,
    };
    let files = ready.tree.len();
    let mut text = format!("{} {} is in order: {files} files, {points}", manifest.id, manifest.version);
    if let Some(backend) = &manifest.backend {
        text.push_str(if backend.upstream.is_some() { ", an upstream" } else { ", a backend" });
    }
    Ok(print(&format!("{}\n", report::clean(&text)))?)
}

/// Reads the folder, and checks, builds and compresses as the server does on a publish.
pub(crate) async fn prepare(dir: &Path) -> Result<Ready, Failure> {
    let tree = folder::read(dir)?;
    let workshop = Workshop::open()?;
    let ready = workshop.prepare(tree).await;
    workshop.close().await;
    ready
}

/// What builds and examines plugins. The second plugin takes less time than the first.
pub(crate) struct Workshop {
    bundler: Bundler,
    toolchain: Toolchain,
}

impl Workshop {
    /// With the limits of a server whose operator has not changed them.
    pub(crate) fn open() -> Result<Self, Failure> {
        let defaults = settings::defaults().context("the default settings are wrong")?;
        let bundler = parts::bundler(&defaults)?;
        // Compiled anew if a plugin has a backend: there is no folder of this server's own to keep it in.
        let settings =
            sandbox::Settings { compiler: Some(parts::compiler()?), ..sandbox::Settings::default() };
        let scripts = Sandbox::new(settings, Ambient::system());
        let scripts = scripts.context("the sandbox of plugins' backends cannot be set up")?;
        Ok(Self { toolchain: parts::toolchain(bundler.clone(), scripts), bundler })
    }

    /// Checks, builds and compresses as the server does on a publish.
    pub(crate) async fn prepare(&self, tree: SourceTree) -> Result<Ready, Failure> {
        let draft = Draft::from_tree(tree.clone()).map_err(|error| match error.into() {
            Failure::Problem(mut problem) if tree.get(MANIFEST_FILE).is_none() => {
                let hint = "name the folder that holds it, or make a plugin with `jackfield plugin new`";
                problem.hint = Some(hint.to_owned());
                Failure::Problem(problem)
            }
            other => other,
        })?;
        let mut prepared = registry::prepare(&self.toolchain, draft).await?;
        match prepared.runnable.take() {
            Some(Runnable::Files { entry, bare_entry, files }) => {
                Ok(Ready { tree, prepared, entry: Some(entry), bare_entry, files })
            }
            Some(Runnable::Remote | Runnable::Nothing) => {
                Ok(Ready { tree, prepared, entry: None, bare_entry: None, files: Vec::new() })
            }
            _ => Err(Failure::Other(anyhow::anyhow!("the sources gave no bundle"))),
        }
    }

    /// Ends the processes that build.
    pub(crate) async fn close(self) {
        self.bundler.shutdown().await;
    }
}
