//! `jackfield plugin check`: the server's own checks, at home.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bundler::{Bundler, SourceTree};
use model::Ambient;
use registry::{Backend, Draft, File, MANIFEST_FILE, Prepared, Runnable, Toolchain};
use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::cli::print;
use crate::plugin::{CheckArgs, folder};
use crate::remote::report::{self, Failure};
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

/// The folder for what this user's commands have compiled (XDG Base Directory Specification 0.8).
fn cache_folder(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Option<PathBuf> {
    let (mut cache, mut home) = (None, None);
    for (name, value) in environment {
        // A path that is not absolute is to be ignored.
        let path = Some(PathBuf::from(value)).filter(|path| path.is_absolute());
        match name.to_str() {
            Some("XDG_CACHE_HOME") => cache = path,
            Some("HOME") => home = path,
            _ => {}
        }
    }
    Some(cache.or_else(|| Some(home?.join(".cache")))?.join("jackfield/compiled"))
}

/// The folder, which is this user's alone if it is new; `None` if it cannot be made.
fn made(folder: PathBuf) -> Option<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok().map(|()| folder)
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
        let settings = sandbox::Settings {
            // Without one, what scripts run on is compiled anew each time.
            cache_dir: cache_folder(std::env::vars_os()).and_then(made),
            compiler: Some(parts::compiler()?),
            ..sandbox::Settings::default()
        };
        let sandbox = Sandbox::new(settings, Ambient::system());
        let sandbox = sandbox.context("the sandbox of plugins' backends cannot be set up")?;
        Ok(Self { toolchain: parts::toolchain(bundler.clone(), sandbox), bundler })
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_compiled_is_kept_in_a_folder_of_the_users_own() {
        let found = |variables: &[(&str, &str)]| {
            cache_folder(variables.iter().map(|(name, value)| (name.into(), value.into())))
        };
        let at = |path: &str| Some(PathBuf::from(path));
        assert_eq!(found(&[("HOME", "/home/ann")]), at("/home/ann/.cache/jackfield/compiled"));
        let both = [("XDG_CACHE_HOME", "/var/ann"), ("HOME", "/home/ann")];
        assert_eq!(found(&both), at("/var/ann/jackfield/compiled"));
        let relative = [("XDG_CACHE_HOME", "cache"), ("HOME", "/home/ann")];
        assert_eq!(found(&relative), at("/home/ann/.cache/jackfield/compiled"));
        assert_eq!(found(&[("HOME", "")]), None);
        assert_eq!(found(&[]), None);

        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("cache/jackfield/compiled");
        assert_eq!(made(wanted.clone()), Some(wanted.clone()));
        let mode = std::fs::metadata(&wanted).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(made(wanted.clone()), Some(wanted), "it is there already");
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(made(folder.path().join("file/below")), None);
    }
}
