//! What a failed bundle means for its author.

use std::collections::BTreeMap;

use oxc::{allocator::Allocator, span::Span};

use crate::{
    bundle::Failure,
    diagnostic::Diagnostic,
    host_modules,
    modules::Refused,
    resolve::Refusal,
    sources::{self, MAX_DIAGNOSTICS},
    tree::SourceTree,
};

/// The diagnostics of a failed bundle: at least one, each once, with its place where that is known.
pub(crate) fn explain(tree: &SourceTree, failure: Failure) -> Vec<Diagnostic> {
    let mut by_importer: BTreeMap<String, Vec<Refused>> = BTreeMap::new();
    for refused in failure.refused {
        by_importer.entry(refused.importer.clone()).or_default().push(refused);
    }
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for (importer, refused) in by_importer {
        let mut found = places(tree, &importer, &refused);
        found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        found.dedup();
        diagnostics.extend(found);
        if diagnostics.len() >= MAX_DIAGNOSTICS {
            break;
        }
    }
    for diagnostic in failure.diagnostics {
        if !diagnostics.contains(&diagnostic) {
            diagnostics.push(diagnostic);
        }
    }
    if diagnostics.is_empty() {
        diagnostics.push(Diagnostic::error("bundler_failed", "the bundler failed without saying why"));
    }
    diagnostics.truncate(MAX_DIAGNOSTICS);
    diagnostics
}

/// What stands in the place of Node's modules.
const IN_A_BACKEND: &str = "there are ctx.http and fetch, ctx.storage, ctx.secrets, crypto.subtle and crypto.randomUUID, URL, \
                            TextEncoder, atob and btoa, structuredClone and timers";

fn page_only(specifier: &str) -> String {
    if specifier.starts_with("react/jsx") {
        return "JSX needs React, which a backend does not have".to_owned();
    }
    format!("{specifier:?} is for pages, and cannot be used in a backend")
}

/// Why an import means nothing, without its place.
pub(crate) fn refusal(specifier: &str, reason: Refusal) -> Diagnostic {
    match reason {
        Refusal::LeavesTree => {
            Diagnostic::error("import_outside_tree", format!("{specifier:?} leaves the plugin"))
                .hint("only files of the plugin can be imported")
        }
        Refusal::NotFound => {
            Diagnostic::error("import_not_found", format!("{specifier:?} is not a file of the plugin"))
                .hint("check the path, including upper and lower case")
        }
        Refusal::Bare => {
            Diagnostic::error("bare_import", format!("{specifier:?} is not provided by the page"))
                .hint(host_modules::provided())
        }
        Refusal::PageOnly => Diagnostic::error("page_only", page_only(specifier))
            .hint("a backend runs on the server, without a page: keep what is shown in the plugin's entry"),
        Refusal::Node => {
            Diagnostic::error("node_module", format!("{specifier:?} is a module of Node, which a backend does not have"))
                .hint(IN_A_BACKEND)
        }
        Refusal::NotInBackend => {
            Diagnostic::error("bare_import", format!("{specifier:?} is not there for a backend"))
                .hint("copy the code into the plugin and import it relatively; \"@jackfield/plugin-sdk/server\" is there")
        }
        Refusal::Remote => {
            Diagnostic::error("remote_import", format!("{specifier:?} is code from another server"))
                .hint("copy the code into the plugin")
        }
        Refusal::UnknownKind => {
            Diagnostic::error("unknown_file_type", format!("{specifier:?} cannot be imported"))
                .hint("scripts, .json, .css, .txt, images and fonts can be")
        }
    }
}

/// The refused imports of one file with the places where they are written.
fn places(tree: &SourceTree, importer: &str, refused: &[Refused]) -> Vec<Diagnostic> {
    let without_place = |refused: &Refused| refusal(&refused.specifier, refused.reason).in_file(importer);
    let text = tree.get(importer).and_then(|content| std::str::from_utf8(content).ok()).unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let allocator = Allocator::default();
    let Ok(script) = sources::parse(&allocator, importer, text) else {
        return refused.iter().take(MAX_DIAGNOSTICS).map(without_place).collect();
    };
    let spans: BTreeMap<&str, Span> = sources::imports(&script).collect();
    let refused = refused.iter().take(MAX_DIAGNOSTICS);
    let placed = refused.map(|refused| match spans.get(refused.specifier.as_str()) {
        Some(span) => refusal(&refused.specifier, refused.reason).at(
            importer,
            text,
            span.start as usize,
            span.size() as usize,
        ),
        None => without_place(refused),
    });
    placed.collect()
}
