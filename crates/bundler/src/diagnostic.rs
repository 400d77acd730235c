//! What is wrong with a source, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether the build fails for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// There is no bundle.
    Error,
    /// There is a bundle, which may not do what the author meant.
    Warning,
}

/// One finding in the sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Whether the build fails for it.
    pub severity: Severity,
    /// A stable snake_case word.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// The file's path in the tree.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1, in UTF-16 code units as editors count.
    pub column: Option<u32>,
    /// The lines around the place, with a mark under it.
    pub frame: Option<String>,
    /// What would be right.
    pub hint: Option<String>,
}

/// The longest message, in characters.
const MAX_MESSAGE: usize = 500;

impl Diagnostic {
    /// An error without a place.
    pub fn error(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code.into(), message.into())
    }

    /// A warning without a place.
    pub fn warning(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code.into(), message.into())
    }

    fn new(severity: Severity, code: String, mut message: String) -> Self {
        // A message may quote the source.
        if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
            message.truncate(end);
            message.push('…');
        }
        Self { severity, code, message, file: None, line: None, column: None, frame: None, hint: None }
    }

    /// The same in `file`, at no place in particular.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// The same at the byte `offset` of `file`, whose text is `source`, with a mark of `length` bytes.
    #[must_use]
    pub fn at(mut self, file: &str, source: &str, offset: usize, length: usize) -> Self {
        let place = Place::of(source, offset);
        self.file = Some(file.to_owned());
        self.line = Some(place.line);
        self.column = Some(place.column);
        self.frame = Some(frame(source, &place, length));
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `file:line:column: message`, as far as they are known.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

struct Place<'a> {
    line: u32,
    column: u32,
    text: &'a str,
    /// Where the place is in `text`, in bytes.
    at: usize,
    before: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(source: &'a str, offset: usize) -> Self {
        let mut offset = offset.min(source.len());
        while !source.is_char_boundary(offset) {
            offset -= 1;
        }
        let (head, tail) = source.split_at(offset);
        let start = head.rfind('\n').map_or(0, |at| at + 1);
        let end = offset + tail.find('\n').unwrap_or(tail.len());
        let text = source.get(start..end).unwrap_or_default();
        let lines_before = head.bytes().filter(|byte| *byte == b'\n').count();
        let column = source.get(start..offset).unwrap_or_default().encode_utf16().count() + 1;
        let before = start
            .checked_sub(1)
            .and_then(|end| source.get(..end))
            .map(|above| above.rsplit('\n').next().unwrap_or_default());
        Self {
            line: u32::try_from(lines_before + 1).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            text: text.strip_suffix('\r').unwrap_or(text),
            at: offset - start,
            before,
        }
    }
}

/// Characters of a line that a frame shows: a minified line may have megabytes.
const FRAME_WIDTH: usize = 120;

fn frame(source: &str, place: &Place<'_>, length: usize) -> String {
    use fmt::Write as _;

    let at = place.at.min(place.text.len());
    let column = place.text.get(..at).unwrap_or_default().chars().count();
    let skip = column.saturating_sub(FRAME_WIDTH / 2);
    let show = |line: &str| -> String { visible(line).skip(skip).take(FRAME_WIDTH).collect() };
    let marked = place.text.get(at..).unwrap_or_default();
    let mut end = length.min(marked.len());
    while !marked.is_char_boundary(end) {
        end -= 1;
    }
    let marks = marked.get(..end).unwrap_or_default().chars().count().clamp(1, FRAME_WIDTH / 2);

    let after = source.lines().nth(place.line as usize);
    let width = (place.line + 1).to_string().len();
    let mut out = String::new();
    if let Some(before) = place.before {
        let _ = writeln!(out, "  {:width$} | {}", place.line - 1, show(before));
    }
    let _ = writeln!(out, "> {:width$} | {}", place.line, show(place.text));
    let _ = write!(out, "  {:width$} | {}{}", "", " ".repeat(column - skip), "^".repeat(marks));
    if let Some(after) = after {
        let _ = write!(out, "\n  {:width$} | {}", place.line + 1, show(after));
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A line as it may go to a terminal: no control characters, no marks that reorder text.
fn visible(line: &str) -> impl Iterator<Item = char> {
    line.chars().map(|c| match c {
        '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(source: &str, offset: usize, length: usize) -> Diagnostic {
        Diagnostic::error("syntax_error", "unexpected token").at("src/a.ts", source, offset, length)
    }

    #[test]
    fn the_frame_shows_the_lines_around_and_marks_the_place() {
        let found = at("const a = 1;\nconst b = ;\nconst c = 3;\n", 23, 1);
        assert_eq!((found.line, found.column), (Some(2), Some(11)));
        assert_eq!(
            found.frame.unwrap(),
            "  1 | const a = 1;\n> 2 | const b = ;\n    |           ^\n  3 | const c = 3;"
        );
        assert_eq!(at("x", 0, 1).to_string(), "src/a.ts:1:1: unexpected token");
    }

    #[test]
    fn columns_are_utf16_units_and_marks_are_characters() {
        let found = at("\"😀\" +;", 8, 1);
        assert_eq!(found.column, Some(7));
        assert_eq!(found.frame.unwrap(), "> 1 | \"😀\" +;\n    |      ^");
    }

    #[test]
    fn any_offset_of_any_text_has_a_place() {
        let texts = ["", "\n", "\r\n\r\n", "a\u{202e}b\0\x1b[31m", "ü\n😀\n", &"x".repeat(10_000)];
        for text in texts {
            for offset in (0..text.len().min(64)).chain([text.len(), text.len() + 7]) {
                for length in [0, 1, 3, usize::MAX] {
                    let found = at(text, offset, length);
                    assert!(found.line.unwrap() >= 1 && found.column.unwrap() >= 1);
                    let frame = found.frame.unwrap();
                    assert!(frame.lines().all(|line| line.chars().count() <= FRAME_WIDTH + 16), "{frame}");
                    assert!(!frame.contains(['\u{202e}', '\x1b', '\0']));
                }
            }
        }
    }
}
