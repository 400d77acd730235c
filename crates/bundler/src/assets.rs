//! Style sheets, images and fonts as modules.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    diagnostic::Diagnostic,
    resolve::{self, FileKind, Refusal, Resolved},
    tree::SourceTree,
};

/// The module that style sheets share.
pub(crate) const STYLES: &str = "jackfield:styles";

/// Adds a style sheet to the document, once for each text; does nothing where there is no document. A constructable
/// style sheet needs no `style-src` of the page's content security policy.
pub(crate) const STYLES_SOURCE: &str = include_str!("host_modules/styles.js");

/// `content` as a `data:` URL (RFC 2397).
pub(crate) fn data_url(media_type: &str, content: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(content))
}

/// The module of an image or font: its default export is a data URL.
pub(crate) fn asset_module(media_type: &str, content: &[u8]) -> String {
    // Base64 and media types need no escaping.
    format!("export default \"{}\";", data_url(media_type, content))
}

/// The module of a text file.
pub(crate) fn text_module(text: &str) -> String {
    format!("export default {};", quoted(text))
}

/// The module of a style sheet: it adds the sheet, and its default export is the text.
pub(crate) fn css_module(plugin_id: &str, path: &str, text: &str) -> String {
    let id = quoted(&format!("{plugin_id}/{path}"));
    format!(
        "import add from \"{STYLES}\";\nvar text = {};\nadd({id}, text);\nexport default text;",
        quoted(text)
    )
}

fn quoted(text: &str) -> String {
    // JSON is ECMAScript (ECMA-262, 12.9.4.2 note), so a JSON string is a string literal.
    serde_json::Value::from(text).to_string()
}

/// The style sheet with the files that it names put in as data URLs, and what is wrong with it.
///
/// Relative addresses in a constructable style sheet would be relative to the page, so each must become a data URL.
pub(crate) fn inline_urls(
    tree: &SourceTree,
    path: &str,
    text: &str,
    asset_bytes: u64,
) -> (String, Vec<Diagnostic>) {
    let mut out = String::with_capacity(text.len());
    let mut diagnostics = Vec::new();
    let mut done = 0;
    for reference in references(text) {
        let Some(address) = text.get(reference.start..reference.end) else { continue };
        match reference.kind {
            Reference::IMPORT => diagnostics.push(
                Diagnostic::warning("css_import", "`@import` has no effect in a style sheet of a plugin")
                    .at(path, text, reference.start, address.len())
                    .hint("import the other style sheet in TypeScript"),
            ),
            _ => match inline(tree, path, address, asset_bytes) {
                Ok(None) => {}
                Ok(Some(url)) => {
                    out.push_str(text.get(done..reference.start).unwrap_or_default());
                    out.push_str(&url);
                    done = reference.end;
                }
                Err(diagnostic) => {
                    diagnostics.push(diagnostic.at(path, text, reference.start, address.len()));
                }
            },
        }
    }
    out.push_str(text.get(done..).unwrap_or_default());
    (out, diagnostics)
}

fn inline(
    tree: &SourceTree,
    path: &str,
    address: &str,
    asset_bytes: u64,
) -> Result<Option<String>, Box<Diagnostic>> {
    let absolute = address.contains(':') || address.starts_with(['/', '#']) || address.trim().is_empty();
    if absolute {
        return Ok(None);
    }
    let relative = if address.starts_with('.') { address.to_owned() } else { format!("./{address}") };
    let file = relative.split(['?', '#']).next().unwrap_or_default();
    match resolve::resolve(tree, path, file) {
        Ok(Resolved::File(found)) => {
            let Some(FileKind::Asset(media_type)) = FileKind::of(&found) else {
                return Err(
                    Diagnostic::error("unknown_file_type", format!("{found:?} is no image or font")).into()
                );
            };
            let content = tree.get(&found).map(|content| &content[..]).unwrap_or_default();
            check_size(&found, content, asset_bytes)?;
            Ok(Some(data_url(media_type, content)))
        }
        Err(Refusal::LeavesTree) => {
            Err(Diagnostic::error("import_outside_tree", format!("{address:?} leaves the plugin")).into())
        }
        _ => {
            Err(Diagnostic::error("import_not_found", format!("{address:?} is not a file of the plugin"))
                .into())
        }
    }
}

/// Refuses an asset that is too large to become a data URL.
pub(crate) fn check_size(path: &str, content: &[u8], allowed: u64) -> Result<(), Box<Diagnostic>> {
    if content.len() as u64 <= allowed {
        return Ok(());
    }
    let message = format!("{path:?} has {} bytes, an asset may have {allowed}", content.len());
    let diagnostic = Diagnostic::error("asset_too_large", message);
    Err(diagnostic.hint("make it smaller, or serve it elsewhere and refer to it by its URL").into())
}

struct Reference {
    kind: u8,
    start: usize,
    end: usize,
}

impl Reference {
    const IMPORT: u8 = 0;
    const URL: u8 = 1;
}

/// The addresses in `url(…)` and the places of `@import`, outside of comments and strings (CSS Syntax 3).
fn references(text: &str) -> Vec<Reference> {
    let bytes = text.as_bytes();
    let starts = |at: usize, word: &[u8]| {
        bytes.get(at..at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word))
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'/' if starts(at, b"/*") => bytes
                .get(at + 2..)
                .and_then(|rest| rest.windows(2).position(|w| w == b"*/"))
                .map_or(bytes.len(), |n| at + n + 4),
            b'"' | b'\'' => end_of_string(bytes, at),
            b'@' if starts(at, b"@import") => {
                found.push(Reference { kind: Reference::IMPORT, start: at, end: at + 7 });
                bytes
                    .get(at..)
                    .and_then(|rest| rest.iter().position(|b| *b == b';'))
                    .map_or(bytes.len(), |n| at + n)
            }
            b'u' | b'U' if starts(at, b"url(") => {
                let (start, end, next) = url(bytes, at + 4);
                found.push(Reference { kind: Reference::URL, start, end });
                next
            }
            _ => at + 1,
        };
    }
    found
}

/// The address of a `url(` that begins before `at`: where it starts and ends, and where to go on.
fn url(bytes: &[u8], at: usize) -> (usize, usize, usize) {
    let mut start = at;
    while bytes.get(start).is_some_and(u8::is_ascii_whitespace) {
        start += 1;
    }
    if matches!(bytes.get(start), Some(b'"' | b'\'')) {
        let next = end_of_string(bytes, start);
        return (start + 1, next.saturating_sub(1).max(start + 1).min(bytes.len()), next);
    }
    let mut end = start;
    while bytes.get(end).is_some_and(|byte| *byte != b')' && !byte.is_ascii_whitespace()) {
        end += 1;
    }
    (start, end, end)
}

/// Behind the string that begins at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let quote = bytes.get(at).copied();
    let mut next = at + 1;
    while let Some(byte) = bytes.get(next) {
        match byte {
            b'\\' => next += 2,
            b'\n' => return next,
            byte if Some(*byte) == quote => return next + 1,
            _ => next += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn tree() -> SourceTree {
        let mut tree = SourceTree::new();
        tree.insert("src/a.png", Bytes::from_static(b"png")).unwrap();
        tree.insert("big.svg", Bytes::from(vec![b'x'; 40])).unwrap();
        tree
    }

    #[test]
    fn files_of_the_tree_become_data_urls_and_other_addresses_stay() {
        let text = ".a{background:url(a.png)}.b{background:URL( './a.png' )}/* url(x.png) */\
            .c{background:url(https://x.example/a.png);content:\"url(x.png)\"}.d{fill:url(#p)}.e{background:url(data:,x)}";
        let (out, diagnostics) = inline_urls(&tree(), "src/a.css", text, 32);
        assert_eq!(diagnostics, []);
        assert_eq!(out.matches("data:image/png;base64,cG5n").count(), 2);
        assert!(out.contains("url(https://x.example/a.png)") && out.contains("\"url(x.png)\""));
        assert!(out.contains("/* url(x.png) */") && out.contains("url(#p)") && out.contains("url(data:,x)"));
    }

    #[test]
    fn addresses_that_mean_nothing_are_told_with_their_place() {
        for (text, code) in [
            ("\na{b:url(no.png)}", "import_not_found"),
            ("\na{b:url(../../etc/passwd)}", "import_outside_tree"),
            ("\na{b:url(../big.svg)}", "asset_too_large"),
            ("\n@import 'x.css';", "css_import"),
        ] {
            let (_, diagnostics) = inline_urls(&tree(), "src/a.css", text, 32);
            assert_eq!(diagnostics.len(), 1, "{text}");
            assert_eq!((diagnostics[0].code.as_str(), diagnostics[0].line), (code, Some(2)), "{text}");
        }
    }

    #[test]
    fn broken_style_sheets_come_through_unchanged() {
        for text in
            ["url(", "url('", "url('x", "/*", "@import", "\"\\", "a{b:url(", "url(\"a.png", "/**", "'"]
        {
            let (out, _) = inline_urls(&SourceTree::new(), "a.css", text, 32);
            assert_eq!(out, text);
        }
    }
}
