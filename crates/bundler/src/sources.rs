//! The modules that the entry reaches, parsed and checked, before anything is bundled.
//!
//! Whatever can be said of a source with its place is said here; what is left to rolldown is linking.

use std::collections::{BTreeMap, VecDeque};

use oxc::{
    allocator::Allocator,
    ast::ast::Program,
    parser::{ParseOptions, Parser},
    span::{SourceType, Span},
    syntax::module_record::ModuleRecord,
};
use serde_json::Value;

use crate::{
    assets,
    diagnostic::{Diagnostic, Severity},
    nesting,
    resolve::{self, FileKind, Resolved},
    survey::{Survey, survey},
    tree::SourceTree,
};

/// Diagnostics that one build reports; a broken file can give thousands.
pub(crate) const MAX_DIAGNOSTICS: usize = 50;

/// A parsed script of the tree.
pub(crate) struct Script<'a> {
    pub(crate) path: &'a str,
    pub(crate) source: &'a str,
    pub(crate) program: Program<'a>,
    pub(crate) record: ModuleRecord<'a>,
    pub(crate) survey: Survey<'a>,
    /// Whether it is TypeScript with JSX, whatever its extension says.
    pub(crate) jsx_in_ts: bool,
}

/// The modules that the entry reaches.
#[derive(Default)]
pub(crate) struct Sources<'a> {
    pub(crate) scripts: BTreeMap<String, Script<'a>>,
    pub(crate) json: BTreeMap<String, Value>,
    /// Style sheets, ready to be injected.
    pub(crate) css: BTreeMap<String, String>,
    /// The scripts in the order in which they were reached.
    pub(crate) order: Vec<String>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What the reading of sources is bound by.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) allocator: &'a Allocator,
    pub(crate) tree: &'a SourceTree,
    pub(crate) asset_bytes: u64,
}

impl<'a> Sources<'a> {
    /// Reads every file that `entry` reaches.
    pub(crate) fn read(reading: Reading<'a>, entry: &str) -> Self {
        let mut sources = Self::default();
        let mut known: std::collections::BTreeSet<String> = [entry.to_owned()].into();
        let mut queue: VecDeque<String> = [entry.to_owned()].into();
        while let Some(path) = queue.pop_front() {
            for next in sources.add(reading, &path) {
                if known.insert(next.clone()) {
                    queue.push_back(next);
                }
            }
        }
        sources
    }

    /// Whether nothing stands against bundling.
    pub(crate) fn is_sound(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning)
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Adds one file and says which files it imports.
    fn add(&mut self, reading: Reading<'a>, path: &str) -> Vec<String> {
        let Some((path, content)) = reading.tree.entry(path) else { return Vec::new() };
        let kind = FileKind::of(path);
        if let Some(FileKind::Asset(_)) = kind {
            if let Err(diagnostic) = assets::check_size(path, content, reading.asset_bytes) {
                self.report(diagnostic.in_file(path));
            }
            return Vec::new();
        }
        let text = match utf8(path, content) {
            Ok(text) => text,
            Err(diagnostic) => {
                self.report(*diagnostic);
                return Vec::new();
            }
        };
        match kind {
            Some(FileKind::Script) => return self.add_script(reading, path, text),
            Some(FileKind::Json) => self.add_json(path, text),
            Some(FileKind::Css) => self.add_css(reading, path, text),
            _ => {}
        }
        Vec::new()
    }

    fn add_script(&mut self, reading: Reading<'a>, path: &'a str, source: &'a str) -> Vec<String> {
        let script = match parse(reading.allocator, path, source) {
            Ok(script) => script,
            Err(diagnostics) => {
                for diagnostic in diagnostics {
                    self.report(diagnostic);
                }
                return Vec::new();
            }
        };
        for diagnostic in script.survey.diagnostics(path, source) {
            self.report(diagnostic);
        }
        if script.jsx_in_ts {
            self.report(
                Diagnostic::warning("jsx_in_ts", "JSX in a file that ends in .ts")
                    .in_file(path)
                    .hint("rename the file to .tsx"),
            );
        }
        let imports = imports(&script)
            .filter_map(|(specifier, _)| match resolve::resolve(reading.tree, path, specifier) {
                Ok(Resolved::File(file)) => Some(file),
                _ => None,
            })
            .collect();
        self.order.push(path.to_owned());
        self.scripts.insert(path.to_owned(), script);
        imports
    }

    fn add_json(&mut self, path: &str, text: &str) {
        match serde_json::from_str(text) {
            Ok(value) => {
                self.json.insert(path.to_owned(), value);
            }
            Err(error) => {
                let offset = offset_of(text, error.line(), error.column());
                let text_of = error.to_string();
                let message = text_of.split(" at line ").next().unwrap_or_default();
                self.report(
                    Diagnostic::error("invalid_json", format!("not JSON: {message}"))
                        .at(path, text, offset, 1),
                );
            }
        }
    }

    fn add_css(&mut self, reading: Reading<'a>, path: &str, text: &str) {
        if path.ends_with(".module.css") {
            self.report(
                Diagnostic::warning("css_modules", "class names of a .module.css file are not made unique")
                    .in_file(path)
                    .hint("the import gives the style sheet's text; use class names of your own"),
            );
        }
        let (css, diagnostics) = assets::inline_urls(reading.tree, path, text, reading.asset_bytes);
        for diagnostic in diagnostics {
            self.report(diagnostic);
        }
        self.css.insert(path.to_owned(), css);
    }
}

/// Parses a script; the errors are those of its syntax.
pub(crate) fn parse<'a>(
    allocator: &'a Allocator,
    path: &'a str,
    source: &'a str,
) -> Result<Script<'a>, Vec<Diagnostic>> {
    if let Some(offset) = nesting::too_deep(source) {
        return Err(vec![too_deep(path, source, offset)]);
    }
    let kind = source_type(path);
    let parse = |kind| {
        let options = ParseOptions { parse_regular_expression: true, ..ParseOptions::default() };
        Parser::new(allocator, source, kind).with_options(options).parse()
    };
    let mut parsed = parse(kind);
    let mut jsx_in_ts = false;
    if parsed.diagnostics.has_errors() && kind.is_typescript() && !kind.is_jsx() {
        let again = parse(kind.with_jsx(true));
        if !again.diagnostics.has_errors() {
            (parsed, jsx_in_ts) = (again, true);
        }
    }
    if parsed.panicked || parsed.diagnostics.has_errors() {
        let errors = parsed.diagnostics.iter().take(MAX_DIAGNOSTICS);
        return Err(errors.map(|error| syntax_error(path, source, error)).collect());
    }
    let survey = survey(&parsed.program);
    if let Some(span) = survey.too_deep {
        return Err(vec![too_deep(path, source, span.start as usize)]);
    }
    let (program, record) = (parsed.program, parsed.module_record);
    Ok(Script { path, source, program, record, survey, jsx_in_ts })
}

/// What the script imports: the specifier and where it stands.
pub(crate) fn imports<'s, 'a: 's>(script: &'s Script<'a>) -> impl Iterator<Item = (&'a str, Span)> + 's {
    let requested = script.record.requested_modules.iter().flat_map(|(specifier, requests)| {
        requests.iter().filter(|request| !request.is_type).map(|request| (specifier.as_str(), request.span))
    });
    requested.chain(script.survey.calls.iter().map(|call| (call.specifier, call.span)))
}

/// The language of a script, by its extension; `.js` may contain JSX.
fn source_type(path: &str) -> SourceType {
    match path.rsplit('.').next().unwrap_or_default() {
        "tsx" => SourceType::tsx(),
        "ts" | "mts" | "cts" => SourceType::ts(),
        _ => SourceType::jsx(),
    }
}

fn syntax_error(path: &str, source: &str, error: &oxc::diagnostics::OxcDiagnostic) -> Diagnostic {
    let mut diagnostic = Diagnostic::error("syntax_error", error.message.to_string());
    if let Some(label) = error.labels.first() {
        diagnostic = diagnostic.at(path, source, label.span().start as usize, label.span().size() as usize);
    } else {
        diagnostic = diagnostic.in_file(path);
    }
    diagnostic.hint = error.help.as_ref().map(ToString::to_string);
    diagnostic
}

fn too_deep(path: &str, source: &str, offset: usize) -> Diagnostic {
    Diagnostic::error("source_too_deep", format!("nested deeper than {} levels", nesting::MAX_DEPTH))
        .at(path, source, offset, 1)
        .hint("split the expression into several constants")
}

fn utf8<'a>(path: &str, content: &'a [u8]) -> Result<&'a str, Box<Diagnostic>> {
    std::str::from_utf8(content).map(|text| text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(|error| {
        let valid = content.get(..error.valid_up_to()).unwrap_or_default();
        let valid = String::from_utf8_lossy(valid);
        Diagnostic::error("not_utf8", "not UTF-8 text")
            .at(path, &valid, valid.len(), 1)
            .hint("save the file in UTF-8")
            .into()
    })
}

/// The byte offset of a line and column as `serde_json` counts them: both from 1, columns in bytes.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    start + column.saturating_sub(1)
}
