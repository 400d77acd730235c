//! `jackfield plugin check`: the server's own checks, at home.

use std::path::Path;

use anyhow::Context as _;
use bundler::SourceTree;
use registry::{Draft, File, MANIFEST_FILE, Prepared, Runnable};
use serde_json::json;

use crate::cli::print;
use crate::plugin::report::{self, Failure};
use crate::plugin::{CheckArgs, folder};
use crate::{parts, settings};

/// A plugin that passed every check that needs no server.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Its files.
    pub(crate) tree: SourceTree,
    /// The manifest and the warnings.
    pub(crate) prepared: Prepared,
    /// The name of the bundle's first file.
    pub(crate) entry: String,
    /// The same with bare imports.
    pub(crate) bare_entry: Option<String>,
    /// Every file of the bundle.
    pub(crate) files: Vec<File>,
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
    let text = format!("{} {} is in order: {files} files, {points}", manifest.id, manifest.version);
    Ok(print(&format!("{}\n", report::clean(&text)))?)
}

/// Reads the folder, and checks, builds and compresses as the server does on a publish.
pub(crate) async fn prepare(dir: &Path) -> Result<Ready, Failure> {
    let tree = folder::read(dir)?;
    let draft = Draft::from_tree(tree.clone()).map_err(|error| match error.into() {
        Failure::Problem(mut problem) if tree.get(MANIFEST_FILE).is_none() => {
            let hint = "name the folder that holds it, or make a plugin with `jackfield plugin new`";
            problem.hint = Some(hint.to_owned());
            Failure::Problem(problem)
        }
        other => other,
    })?;
    // The limits of a server whose operator has not changed them.
    let defaults = settings::defaults().context("the default settings are wrong")?;
    let bundler = parts::bundler(&defaults)?;
    let prepared = registry::prepare(&bundler, draft).await;
    bundler.shutdown().await;
    let mut prepared = prepared?;
    match prepared.runnable.take() {
        Some(Runnable::Files { entry, bare_entry, files }) => {
            Ok(Ready { tree, prepared, entry, bare_entry, files })
        }
        _ => Err(Failure::Other(anyhow::anyhow!("the sources gave no bundle"))),
    }
}
