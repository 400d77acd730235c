//! Trees, bundlers and Node for the tests.

use std::{path::Path, process::Command, sync::LazyLock};

use bundler::{Build, BuildRequest, Bundler, Diagnostic, Error, Limits, SourceTree, WorkerCommand};
use bytes::Bytes;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use tokio::runtime::Runtime;

/// The argument that makes this program a worker.
pub(crate) const WORKER: &str = "bundler-worker";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
/// The bundler that tests share which do not break it.
pub(crate) static SHARED: LazyLock<Bundler> =
    LazyLock::new(|| bundler(Limits { time: std::time::Duration::from_secs(30), ..Limits::default() }));

/// A test that is a future.
pub(crate) fn trial<F>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()> + Send + 'static,
{
    Trial::test(name, move || {
        RUNTIME.block_on(async { tokio::spawn(test()).await }).map_err(|error| match error.try_into_panic() {
            Ok(panic) => Failed::from(message(panic.as_ref())),
            Err(error) => Failed::from(error),
        })
    })
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

pub(crate) fn worker() -> WorkerCommand {
    WorkerCommand::this_program([WORKER]).unwrap()
}

pub(crate) fn bundler(limits: Limits) -> Bundler {
    Bundler::new(worker(), limits)
}

pub(crate) fn tree(files: &[(&str, &str)]) -> SourceTree {
    let mut tree = SourceTree::new();
    for (path, content) in files {
        tree.insert(path, Bytes::copy_from_slice(content.as_bytes())).unwrap();
    }
    tree
}

pub(crate) fn request(files: &[(&str, &str)]) -> BuildRequest {
    BuildRequest { tree: tree(files), entry: None, plugin_id: "acme".to_owned() }
}

pub(crate) async fn build(files: &[(&str, &str)]) -> Build {
    match SHARED.build(request(files)).await {
        Ok(build) => build,
        Err(error) => panic!("{error}\n{:#?}", error.diagnostics()),
    }
}

/// The diagnostics of a build that must not succeed.
pub(crate) async fn refused(files: &[(&str, &str)]) -> Vec<Diagnostic> {
    match SHARED.build(request(files)).await {
        Ok(build) => panic!("built: {}", script(&build, &build.entry)),
        Err(Error::Invalid(diagnostics)) => diagnostics,
        Err(error) => panic!("{error:?}"),
    }
}

pub(crate) fn content<'b>(build: &'b Build, filename: &str) -> &'b Bytes {
    &build.artifacts.iter().find(|file| file.filename == filename).expect(filename).content
}

pub(crate) fn script(build: &Build, filename: &str) -> String {
    String::from_utf8(content(build, filename).to_vec()).unwrap()
}

/// The text of every script that the served bundle may load.
pub(crate) fn served_scripts(build: &Build) -> Vec<(String, String)> {
    let scripts = build.artifacts.iter().filter(|file| file.kind == bundler::ArtifactKind::Script);
    let served = scripts.filter(|file| !file.filename.starts_with("index.bare"));
    served.map(|file| (file.filename.clone(), script(build, &file.filename))).collect()
}

/// Runs `check` in Node beside the files of `build`; `entry` is the URL of the served bundle and `bare` of the other.
/// What `check` returns comes back as JSON.
pub(crate) fn node(build: &Build, check: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    for artifact in &build.artifacts {
        std::fs::write(folder.path().join(&artifact.filename), &artifact.content).unwrap();
    }
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("package.json", r#"{"type":"module"}"#);
    let driver = format!(
        "const entry = './{}', bare = './{}';\n{HOST}\nconst run = async () => {{ {check} }};\n\
         console.log(JSON.stringify(await run()));",
        build.entry, build.bare_entry
    );
    write("driver.mjs", &driver);
    run(folder.path())
}

/// A page's React, as far as bundles can tell: elements are plain objects.
const HOST: &str = r#"
const Fragment = "fragment";
const createElement = (type, props, ...children) => {
  const { key = null, ...rest } = props || {};
  if (children.length) rest.children = children.length === 1 ? children[0] : children;
  return typeof type === "function" ? type(rest) : { type, key, props: rest };
};
const React = { createElement, Fragment, useState: (value) => [value, () => {}] };
const jsx = (type, props, key) => createElement(type, key === undefined ? props : { ...props, key });
const jsxRuntime = { jsx, jsxs: jsx, Fragment };
const provide = (modules) => { globalThis[Symbol.for("jackfield.host.v1")] = { version: 1, modules }; };
const provideAll = () => provide({ react: React, "react/jsx-runtime": jsxRuntime, "react-dom": { version: "19" },
  "@jackfield/plugin-sdk": { definePlugin: (plugin) => ({ ...plugin, defined: true }), usePluginConfig: () => "configured" } });
"#;

fn run(folder: &Path) -> Value {
    let output =
        Command::new("node").arg("driver.mjs").current_dir(folder).output().expect("node is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("no JSON: {text}"))
}
