//! From a tree to the script of a plugin's backend: what a worker does.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use oxc::{
    allocator::Allocator,
    ast::ast::{ArrowFunctionExpression, AwaitExpression, ForOfStatement, Function, Program},
    ast_visit::{Visit, walk},
    span::Span,
    syntax::scope::ScopeFlags,
};

use crate::{
    bundle::bundle,
    compile::{Failed, check_size},
    definition,
    diagnostic::Diagnostic,
    explain::explain,
    modules::{Input, Variant},
    output::{ArtifactKind, BackendBuild, BackendRequest},
    resolve,
    sources::{MAX_DIAGNOSTICS, Reading, Script, Sources},
};

/// The most bytes of a backend's source map: it is read where the backend fails.
const MAP_BYTES: u64 = 4 << 20;

/// Builds a backend.
pub(crate) async fn build(
    request: BackendRequest,
    asset_bytes: u64,
    output_bytes: u64,
) -> Result<BackendBuild, Failed> {
    let BackendRequest { tree, entry } = request;
    let entry = resolve::entry(&tree, Some(&entry)).ok_or_else(|| vec![no_entry(&entry)])?;
    let (warnings, jsx_in_ts) = {
        let allocator = Allocator::default();
        let mut sources = Sources::read(Reading { allocator: &allocator, tree: &tree, asset_bytes }, &entry);
        let waits: Vec<Diagnostic> = sources.scripts.values().filter_map(top_level_await).collect();
        sources.diagnostics.extend(waits.into_iter().take(MAX_DIAGNOSTICS));
        if !sources.is_sound() {
            return Err(sources.diagnostics.into());
        }
        if !definition::has_default(&tree, &sources, &entry) {
            return Err(vec![no_default_export(&entry)].into());
        }
        let jsx_in_ts = sources.scripts.values().filter(|script| script.jsx_in_ts);
        let jsx_in_ts = jsx_in_ts.map(|script| script.path.to_owned()).collect();
        (sources.diagnostics, jsx_in_ts)
    };
    let input = Arc::new(Input { tree, entry, plugin_id: String::new(), css: BTreeMap::new(), jsx_in_ts });
    let built = bundle(Arc::clone(&input), Variant::Backend).await;
    let built = built.map_err(|failure| explain(&input.tree, failure))?;
    check_size(&built, output_bytes, MAP_BYTES)?;
    let mut all = warnings;
    for warning in &built.warnings {
        if !all.contains(warning) {
            all.push(warning.clone());
        }
    }
    all.truncate(MAX_DIAGNOSTICS);
    let file = |kind| -> Option<Bytes> {
        let mut files = built.artifacts.iter().filter(|file| file.kind == kind);
        // Nothing is split off, so there is one of each.
        files.next().filter(|_| files.next().is_none()).map(|file| file.content.clone())
    };
    match (file(ArtifactKind::Script), file(ArtifactKind::SourceMap)) {
        (Some(script), Some(source_map)) => Ok(BackendBuild { script, source_map, warnings: all }),
        _ => Err(vec![Diagnostic::error("bundler_failed", "the bundler gave no single script")].into()),
    }
}

fn no_entry(named: &str) -> Diagnostic {
    let message = format!("the backend's entryPoint {named:?} is not a script of the plugin");
    Diagnostic::error("entry_not_found", message)
        .hint("name a .ts, .tsx, .js or .jsx file by its path from the manifest")
}

fn no_default_export(entry: &str) -> Diagnostic {
    Diagnostic::error("no_default_export", "the backend has no default export")
        .in_file(entry)
        .hint("write `export default defineBackendPlugin({ handlers: { … } })`")
}

/// The first `await` outside of every function: a backend is loaded in one go, and cannot wait.
fn top_level_await(script: &Script<'_>) -> Option<Diagnostic> {
    let mut search = Awaits { found: None };
    search.visit_program(&script.program);
    let span = search.found?;
    Some(
        Diagnostic::error("top_level_await", "a backend cannot wait while it is loaded")
            .at(script.path, script.source, span.start as usize, "await".len())
            .hint("move the await into a handler, or into a function that handlers call"),
    )
}

struct Awaits {
    found: Option<Span>,
}

impl<'a> Visit<'a> for Awaits {
    fn visit_program(&mut self, it: &Program<'a>) {
        walk::walk_program(self, it);
    }

    fn visit_function(&mut self, _: &Function<'a>, _: ScopeFlags) {}

    fn visit_arrow_function_expression(&mut self, _: &ArrowFunctionExpression<'a>) {}

    fn visit_await_expression(&mut self, it: &AwaitExpression<'a>) {
        self.found.get_or_insert(it.span);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        if it.r#await {
            self.found.get_or_insert(it.span);
        }
        walk::walk_for_of_statement(self, it);
    }
}
