//! From a tree to the files to publish, and from a prebuilt bundle to what is known of it: what a worker does.

use std::{collections::BTreeMap, sync::Arc};

use oxc::{allocator::Allocator, span::Span};

use crate::{
    bundle::{Bundle, bundle},
    definition::{self, Found},
    diagnostic::{Diagnostic, Severity},
    error::Limit,
    explain::{explain, refusal},
    host_modules,
    modules::{Input, Variant},
    output::{Artifact, ArtifactKind, Build, BuildRequest, Definition, Inspection},
    resolve::{self, Refusal},
    sources::{self, MAX_DIAGNOSTICS, Reading, Sources},
    tree::SourceTree,
};

/// The name under which a prebuilt bundle is looked at.
const PREBUILT: &str = "bundle.js";

/// How many times as large as the scripts their source maps may be together.
pub(crate) const MAPS_PER_SCRIPT: u64 = 4;

/// The most bytes of a definition, written as JSON.
const MAX_DEFINITION: usize = 256 * 1024;

/// Why there is no build.
#[derive(Debug)]
pub(crate) enum Failed {
    Invalid(Vec<Diagnostic>),
    Limit { limit: Limit, actual: u64, allowed: u64 },
}

impl From<Vec<Diagnostic>> for Failed {
    fn from(diagnostics: Vec<Diagnostic>) -> Self {
        Self::Invalid(diagnostics)
    }
}

/// Builds a plugin.
pub(crate) async fn build(
    request: BuildRequest,
    asset_bytes: u64,
    output_bytes: u64,
) -> Result<Build, Failed> {
    let BuildRequest { tree, entry, plugin_id } = request;
    let entry = resolve::entry(&tree, entry.as_deref()).ok_or_else(|| vec![no_entry(entry.as_deref())])?;
    let (found, mut warnings, css, jsx_in_ts) = {
        let allocator = Allocator::default();
        let sources = Sources::read(Reading { allocator: &allocator, tree: &tree, asset_bytes }, &entry);
        if !sources.is_sound() {
            return Err(sources.diagnostics.into());
        }
        let found = definition::find(&tree, &sources, &entry)?;
        let jsx_in_ts = sources.scripts.values().filter(|script| script.jsx_in_ts);
        let jsx_in_ts = jsx_in_ts.map(|script| script.path.to_owned()).collect();
        (found, sources.diagnostics, sources.css, jsx_in_ts)
    };
    let input = Arc::new(Input { tree, entry, plugin_id, css, jsx_in_ts });
    let served = tokio::spawn(bundle(Arc::clone(&input), Variant::Served));
    let bare = bundle(Arc::clone(&input), Variant::Bare).await;
    let served = served.await.map_err(|_| vec![Diagnostic::error("bundler_failed", "the bundler failed")])?;
    let served = served.map_err(|failure| explain(&input.tree, failure))?;
    let bare = bare.map_err(|failure| explain(&input.tree, failure))?;
    let map_bytes = output_bytes.saturating_mul(MAPS_PER_SCRIPT);
    check_size(&served, output_bytes, map_bytes)?;
    check_size(&bare, output_bytes, map_bytes)?;
    check_definition(&found.definition, &input.entry)?;
    warnings.extend(found.warnings);
    merge(&mut warnings, &served.warnings);
    merge(&mut warnings, &bare.warnings);
    warnings.truncate(MAX_DIAGNOSTICS);
    Ok(join(served, bare, found.definition, warnings))
}

/// Looks at a bundle that somebody else built.
pub(crate) fn inspect(content: bytes::Bytes) -> Result<Inspection, Vec<Diagnostic>> {
    let mut tree = SourceTree::new();
    if let Err(error) = tree.insert(PREBUILT, content) {
        return Err(vec![Diagnostic::error("input_too_large", error.to_string())]);
    }
    let allocator = Allocator::default();
    let mut sources = Sources::read(Reading { allocator: &allocator, tree: &tree, asset_bytes: 0 }, PREBUILT);
    sources.diagnostics.retain(|diagnostic| diagnostic.code != "asset_url");
    let mut host_imports = Vec::new();
    let mut diagnostics = std::mem::take(&mut sources.diagnostics);
    if let Some(script) = sources.scripts.get(PREBUILT) {
        let mut imports: Vec<_> = sources::imports(script).collect();
        imports.sort_by_key(|(_, span)| span.start);
        for (specifier, span) in imports {
            match host_modules::name(specifier) {
                Some(name) if !host_imports.iter().any(|known| known == name) => {
                    host_imports.push(name.to_owned());
                }
                Some(_) => {}
                None => diagnostics.push(unresolvable(script.source, specifier, span)),
            }
        }
    }
    if let Some(first) = host_imports.first() {
        let message =
            format!("{first:?} is imported by its bare name, which works in pages with an import map only");
        diagnostics.push(
            Diagnostic::warning("host_import", message)
                .hint("publish the sources instead, or bundle them with the page's modules as externals"),
        );
    }
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(diagnostics);
    }
    let Found { definition, warnings } = definition::find(&tree, &sources, PREBUILT)?;
    check_definition(&definition, PREBUILT)?;
    diagnostics.extend(warnings);
    diagnostics.truncate(MAX_DIAGNOSTICS);
    Ok(Inspection { definition, host_imports, warnings: diagnostics })
}

/// A plugin cannot say without end what it is: every list of plugins repeats it.
fn check_definition(definition: &Definition, entry: &str) -> Result<(), Vec<Diagnostic>> {
    let size = serde_json::to_vec(definition).map_or(usize::MAX, |json| json.len());
    if size <= MAX_DEFINITION {
        return Ok(());
    }
    let message =
        format!("what the plugin says of itself has {size} bytes, at most {MAX_DEFINITION} are allowed");
    Err(vec![Diagnostic::error("definition_too_large", message).in_file(entry)])
}

/// Refuses a bundle that is larger than allowed.
pub(crate) fn check_size(bundle: &Bundle, output_bytes: u64, map_bytes: u64) -> Result<(), Failed> {
    let size = |kind| -> u64 {
        let files = bundle.artifacts.iter().filter(|file| file.kind == kind);
        files.map(|file| file.content.len() as u64).sum()
    };
    for (kind, limit, allowed) in [
        (ArtifactKind::Script, Limit::OutputBytes, output_bytes),
        (ArtifactKind::SourceMap, Limit::SourceMapBytes, map_bytes),
    ] {
        let actual = size(kind);
        if actual > allowed {
            return Err(Failed::Limit { limit, actual, allowed });
        }
    }
    Ok(())
}

fn unresolvable(source: &str, specifier: &str, span: Span) -> Diagnostic {
    let diagnostic = match resolve::resolve(&SourceTree::new(), PREBUILT, specifier) {
        Err(Refusal::Bare) => refusal(specifier, Refusal::Bare),
        Err(Refusal::Remote) => refusal(specifier, Refusal::Remote),
        _ => Diagnostic::error("import_not_found", format!("{specifier:?} is not part of the bundle"))
            .hint("a prebuilt bundle is one file: switch code splitting off"),
    };
    diagnostic.at(PREBUILT, source, span.start as usize, span.size() as usize)
}

fn no_entry(named: Option<&str>) -> Diagnostic {
    match named {
        Some(named) => {
            Diagnostic::error("entry_not_found", format!("the entry {named:?} is not a script of the plugin"))
                .hint("name a .tsx, .ts, .jsx or .js file by its path from the manifest")
        }
        None => Diagnostic::error("entry_not_found", "there is no entry")
            .hint("add src/index.tsx (or .ts, .jsx, .js), or name the file as `entry` in the manifest"),
    }
}

fn merge(all: &mut Vec<Diagnostic>, more: &[Diagnostic]) {
    for diagnostic in more {
        if !all.contains(diagnostic) {
            all.push(diagnostic.clone());
        }
    }
}

fn join(served: Bundle, bare: Bundle, definition: Definition, warnings: Vec<Diagnostic>) -> Build {
    let mut artifacts: BTreeMap<String, Artifact> = BTreeMap::new();
    for artifact in served.artifacts.into_iter().chain(bare.artifacts) {
        // The hash in the name is of the content: a chunk that both bundles have is the same file.
        artifacts.insert(artifact.filename.clone(), artifact);
    }
    Build {
        entry: served.entry,
        bare_entry: bare.entry,
        artifacts: artifacts.into_values().collect(),
        definition,
        warnings,
    }
}
