//! One run of rolldown.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use rolldown::{
    BundleFactory, BundleFactoryOptions, BundleOutput, BundlerOptions, BundlerTransformOptions,
    ChecksOptions, ChunkFilenamesOutputOption, CodeSplittingMode, CommentsOptions, DecoratorOptions, Either,
    HashCharacters, InputItem, JsxOptions, ManualCodeSplittingOptions, MatchGroup, MatchGroupName,
    OutputExports, OutputFormat, Platform, RawMinifyOptions, ResolveOptions, SourceMapType, StrictMode,
    TsConfig,
};
use rolldown_common::Output;
use rolldown_error::{BuildDiagnostic, EventKind, Severity as EventSeverity};
use rolldown_resolver::Resolver;

use crate::{
    diagnostic::{Diagnostic, Severity},
    filesystem::NoFiles,
    modules::{HOST, Input, Modules, ROOT, Refused, Variant, path},
    output::{Artifact, ArtifactKind},
    sources::MAX_DIAGNOSTICS,
};

/// One of the bundles.
pub(crate) struct Bundle {
    pub(crate) entry: String,
    pub(crate) artifacts: Vec<Artifact>,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Why there is none.
pub(crate) struct Failure {
    /// The imports that were refused; they explain what rolldown could not resolve.
    pub(crate) refused: Vec<Refused>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Bundles `input`. The output depends on nothing but the input.
pub(crate) async fn bundle(input: Arc<Input>, variant: Variant) -> Result<Bundle, Failure> {
    let modules = Arc::new(Modules::new(Arc::clone(&input), variant));
    let output = run(&input, variant, Arc::clone(&modules)).await;
    let refused = modules.take_refused();
    match output {
        Ok(output) if refused.is_empty() => {
            collect(&output).map_err(|diagnostics| Failure { refused, diagnostics })
        }
        // Rolldown takes a package that it does not find for one that the page will have.
        Ok(_) => Err(Failure { refused, diagnostics: Vec::new() }),
        Err(errors) => {
            let told =
                errors.iter().filter(|error| refused.is_empty() || !explains(error)).take(MAX_DIAGNOSTICS);
            Err(Failure { diagnostics: told.map(|error| convert(&input, error)).collect(), refused })
        }
    }
}

/// Whether `error` says no more than that an import was refused.
fn explains(error: &BuildDiagnostic) -> bool {
    matches!(error.kind(), EventKind::UnresolvedImport | EventKind::ResolveError | EventKind::UnresolvedEntry)
}

async fn run(
    input: &Input,
    variant: Variant,
    modules: Arc<Modules>,
) -> Result<BundleOutput, Vec<BuildDiagnostic>> {
    let resolver = Arc::new(Resolver::new(
        NoFiles,
        PathBuf::from(ROOT),
        Platform::Browser,
        &TsConfig::Auto(false),
        ResolveOptions { symlinks: Some(false), ..ResolveOptions::default() },
    ));
    let mut factory = BundleFactory::new(BundleFactoryOptions {
        bundler_options: options(input, variant),
        plugins: vec![modules],
        session: None,
        disable_tracing_setup: true,
    })
    .map_err(rolldown_error::BatchedBuildDiagnostic::into_vec)?;
    let bundle = factory.create_bundle_with_fs(NoFiles, resolver);
    bundle.generate().await.map_err(rolldown_error::BatchedBuildDiagnostic::into_vec)
}

/// The script of a backend: nothing split off, nothing renamed, in the ECMAScript that the sandbox has.
fn backend_options() -> BundlerOptions {
    let production = ("process.env.NODE_ENV".to_owned(), "\"production\"".to_owned());
    BundlerOptions {
        name: Some("__plugin".to_owned()),
        format: Some(OutputFormat::Iife),
        exports: Some(OutputExports::Default),
        strict: Some(StrictMode::Always),
        minify: Some(RawMinifyOptions::DeadCodeEliminationOnly),
        code_splitting: Some(CodeSplittingMode::Bool(false)),
        define: Some([production].into_iter().collect()),
        transform: Some(BundlerTransformOptions {
            target: Some(Either::Left("es2023".to_owned())),
            ..transform()
        }),
        ..BundlerOptions::default()
    }
}

fn options(input: &Input, variant: Variant) -> BundlerOptions {
    let (name, options) = match variant {
        Variant::Served => ("index", page_options()),
        Variant::Bare => ("index.bare", page_options()),
        Variant::Backend => ("backend", backend_options()),
    };
    let filenames = |text: &str| Some(ChunkFilenamesOutputOption::String(text.to_owned()));
    BundlerOptions {
        input: Some(vec![InputItem { name: Some(name.to_owned()), import: format!("./{}", input.entry) }]),
        cwd: Some(PathBuf::from(ROOT)),
        platform: Some(Platform::Browser),
        entry_filenames: filenames("[name]-[hash:12].js"),
        chunk_filenames: filenames("chunk-[hash:12].js"),
        hash_characters: Some(HashCharacters::Base36),
        comments: Some(CommentsOptions { legal: true, annotation: false, jsdoc: false }),
        sourcemap: Some(SourceMapType::File),
        tsconfig: Some(TsConfig::Auto(false)),
        checks: Some(ChecksOptions {
            circular_dependency: Some(false),
            plugin_timings: Some(false),
            ..ChecksOptions::default()
        }),
        ..options
    }
}

/// A module for pages.
fn page_options() -> BundlerOptions {
    BundlerOptions {
        format: Some(OutputFormat::Esm),
        minify: Some(RawMinifyOptions::Bool(true)),
        code_splitting: Some(shared_chunk()),
        transform: Some(transform()),
        ..BundlerOptions::default()
    }
}

/// What a dynamic import shares with the entry goes into a chunk of its own. Otherwise the dynamic chunk would import
/// it from the entry, by the entry's plain name, and a page that had loaded the entry with a query (a retry) would
/// run it twice.
fn shared_chunk() -> CodeSplittingMode {
    let group = MatchGroup {
        name: MatchGroupName::Static("shared".to_owned()),
        min_share_count: Some(2),
        ..MatchGroup::default()
    };
    CodeSplittingMode::Advanced(ManualCodeSplittingOptions {
        groups: Some(vec![group]),
        ..ManualCodeSplittingOptions::default()
    })
}

fn transform() -> BundlerTransformOptions {
    BundlerTransformOptions {
        jsx: Some(Either::Right(JsxOptions {
            runtime: Some("automatic".to_owned()),
            development: Some(false),
            import_source: Some("react".to_owned()),
            ..JsxOptions::default()
        })),
        decorator: Some(DecoratorOptions { legacy: Some(true), ..DecoratorOptions::default() }),
        ..BundlerTransformOptions::default()
    }
}

fn collect(output: &BundleOutput) -> Result<Bundle, Vec<Diagnostic>> {
    let mut entry = None;
    let mut artifacts = Vec::new();
    for file in &output.assets {
        match file {
            Output::Chunk(chunk) => {
                if chunk.is_entry {
                    entry = Some(chunk.filename.to_string());
                }
                artifacts.push(script(&chunk.filename, chunk.code.as_bytes()));
            }
            Output::Asset(asset) => artifacts.push(source_map(&asset.filename, asset.source.as_bytes())?),
        }
    }
    let entry = entry.ok_or_else(internal)?;
    let warnings = output.warnings.iter().take(MAX_DIAGNOSTICS).map(located).collect();
    Ok(Bundle { entry, artifacts, warnings })
}

fn script(filename: &str, content: &[u8]) -> Artifact {
    Artifact {
        filename: filename.to_owned(),
        kind: ArtifactKind::Script,
        content: Bytes::copy_from_slice(content),
    }
}

/// The source map with the sources named as in the tree.
fn source_map(filename: &str, content: &[u8]) -> Result<Artifact, Vec<Diagnostic>> {
    let mut map: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(content).map_err(|_| internal())?;
    if let Some(sources) = map.get_mut("sources").and_then(|sources| sources.as_array_mut()) {
        for source in sources {
            let name = source.as_str().unwrap_or_default().trim_start_matches("../").to_owned();
            *source = name.into();
        }
    }
    let content = serde_json::to_vec(&map).map_err(|_| internal())?;
    Ok(Artifact { filename: filename.to_owned(), kind: ArtifactKind::SourceMap, content: content.into() })
}

fn internal() -> Vec<Diagnostic> {
    vec![Diagnostic::error("bundler_failed", "the bundler gave no usable output")]
}

fn convert(input: &Input, error: &BuildDiagnostic) -> Diagnostic {
    let mut diagnostic = located(error);
    if diagnostic.file.is_none()
        && let Some(file) = error.id().as_deref().and_then(path)
    {
        diagnostic.file = Some(file.to_owned());
    }
    let text = diagnostic.file.as_deref().and_then(|file| input.tree.get(file));
    if let (Some(text), Some(file), Some(line), Some(column)) = (
        text.and_then(|text| std::str::from_utf8(text).ok()),
        diagnostic.file.clone(),
        diagnostic.line,
        diagnostic.column,
    ) {
        let offset = offset(text, line, column);
        diagnostic = diagnostic.at(&file, text, offset, 1);
    }
    diagnostic
}

/// The byte at which a line, from 1, and a column in UTF-16 units, from 1, are.
fn offset(text: &str, line: u32, column: u32) -> usize {
    let start: usize = text.split_inclusive('\n').take(line as usize - 1).map(str::len).sum();
    let mut units = 1;
    let line = text.get(start..).unwrap_or_default();
    let at = line.char_indices().find(|(_, c)| {
        let here = units >= column;
        units += u32::try_from(c.len_utf16()).unwrap_or(2);
        here
    });
    start + at.map_or(line.len(), |(at, _)| at)
}

/// One of rolldown's diagnostics in our words, with its place.
fn located(event: &BuildDiagnostic) -> Diagnostic {
    let whole = event.to_diagnostic();
    let message = event.to_message_with(&rolldown_error::DiagnosticOptions::default());
    let message = clean(message.lines().next().unwrap_or_default());
    let (code, hint) = known(event.kind());
    let mut diagnostic = Diagnostic::error(code, message);
    diagnostic.hint = hint.map(ToOwned::to_owned);
    if event.severity() != EventSeverity::Error {
        diagnostic.severity = Severity::Warning;
    }
    if let Some((file, line, column, _)) = whole.get_primary_location() {
        let file = path(&file).unwrap_or(&file);
        diagnostic.file = Some(file.to_owned());
        diagnostic.line = u32::try_from(line).ok();
        diagnostic.column = u32::try_from(column + 1).ok();
    }
    diagnostic
}

/// A message without the folder that does not exist.
fn clean(message: &str) -> String {
    let relative = format!("{}/", ROOT.trim_start_matches('/'));
    let message = message.replace(&format!("{ROOT}/"), "").replace(&relative, "").replace("\\0", "\0");
    message.replace(HOST, "").replace('\0', "")
}

fn known(kind: EventKind) -> (String, Option<&'static str>) {
    let (code, hint) = match kind {
        EventKind::ParseError => ("syntax_error", None),
        EventKind::TransformError => ("transform_error", None),
        EventKind::MissingExportError => ("missing_export", Some("import a name that the module exports")),
        EventKind::ImportIsUndefined => ("missing_export", Some("the value is always undefined")),
        EventKind::JsonParseError => ("invalid_json", None),
        EventKind::UnresolvedImport | EventKind::ResolveError => ("import_not_found", None),
        EventKind::AssignToImportError => ("assign_to_import", Some("an import cannot be assigned to")),
        EventKind::Eval => {
            ("eval", Some("`eval` keeps the bundle from being minified, and most pages forbid it"))
        }
        EventKind::RequireTlaError => ("require_of_async_module", Some("import the module instead")),
        other => return (other.to_string().to_lowercase(), None),
    };
    (code.to_owned(), hint)
}
