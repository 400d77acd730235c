//! Errors told in the author's own lines.

use std::fmt;
use std::sync::{Arc, OnceLock};

use model::Place;
use serde::Deserialize;

use crate::Script;
use crate::error::Thrown;

/// What the engine calls a script that was evaluated.
const EVALUATED: &str = "<input>";

/// What stands before the script on its first line (see `main.js` of the component), in characters.
const BEFORE: u32 = 12;

/// Frames that are told.
const MOST_FRAMES: usize = 20;

/// An error as the component writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct RawError {
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) stack: String,
}

/// A source map (ECMA-426), which is read when it is first needed. Clones share what was read.
#[derive(Clone)]
pub struct SourceMap {
    text: Arc<str>,
    read: Arc<OnceLock<Option<Read>>>,
}

struct Read {
    map: oxc_sourcemap::SourceMap<'static>,
    /// Where the tokens of each line of the script begin, and where they end.
    lines: Vec<u32>,
}

impl SourceMap {
    /// The map with this text. One that is none tells nothing.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), read: Arc::default() }
    }

    /// About how many bytes of memory it takes up once it is read.
    pub fn memory(&self) -> usize {
        self.text.len().saturating_mul(4)
    }

    fn original(&self, frame: &Frame<'_>) -> Option<Place> {
        let Read { map, lines } = self.read.get_or_init(|| read(&self.text)).as_ref()?;
        let line = usize::try_from(frame.line - 1).ok()?;
        let (mut from, mut to) = (*lines.get(line)?, *lines.get(line + 1)?);
        // The last that begins at the column or before.
        while from < to {
            let middle = from + (to - from) / 2;
            if map.get_token(middle)?.get_dst_col() < frame.column { from = middle + 1 } else { to = middle }
        }
        let at = from.checked_sub(1).filter(|at| lines.get(line).is_some_and(|first| at >= first))?;
        let token = map.get_source_view_token(at)?;
        let file = token.get_source()?.trim_start_matches("./").trim_start_matches('/').to_owned();
        let (line, column) = (token.get_src_line() + 1, token.get_src_col() + 1);
        Some(Place { file, line: Some(line), column: Some(column), frame: None })
    }
}

fn read(text: &str) -> Option<Read> {
    let mut map = oxc_sourcemap::SourceMap::from_json_string(text).ok()?.into_owned();
    map.set_source_contents(Vec::new());
    let mut lines = vec![0];
    let mut count: u32 = 0;
    for token in map.get_tokens() {
        // There are no more lines than semicolons in the text.
        while lines.len() <= usize::try_from(token.get_dst_line()).ok()? {
            lines.push(count);
        }
        count += 1;
    }
    lines.push(count);
    Some(Read { map, lines })
}

impl fmt::Debug for SourceMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceMap").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// The error in the lines of the script's sources.
pub(crate) fn told(raw: RawError, script: &Script) -> Thrown {
    let map = script.source_map.as_ref();
    let mut place = None;
    let mut stack = Vec::new();
    for frame in raw.stack.lines().filter_map(frame).take(MOST_FRAMES) {
        let found = map.and_then(|map| map.original(&frame));
        let at = found.unwrap_or_else(|| own(&frame, map.is_some()));
        let (file, line, column) = (&at.file, at.line.unwrap_or(0), at.column.unwrap_or(0));
        stack.push(match frame.function {
            "" | "<anonymous>" => format!("{file}:{line}:{column}"),
            function => format!("{function} ({file}:{line}:{column})"),
        });
        place.get_or_insert(at);
    }
    Thrown { name: raw.name, message: raw.message, stack, place }
}

struct Frame<'a> {
    function: &'a str,
    /// From 1.
    line: u32,
    /// From 1, within the script.
    column: u32,
}

/// Reads `    at name (<input>:6:35)` or `    at <input>:6:35`; nothing where the frame is not of the script.
fn frame(text: &str) -> Option<Frame<'_>> {
    let text = text.trim().strip_prefix("at ")?;
    let (function, place) = match text.rsplit_once(" (") {
        Some((function, place)) => (function, place.strip_suffix(')')?),
        None => ("", text),
    };
    let (line, column) = match place.strip_prefix(EVALUATED)?.strip_prefix(':') {
        Some(numbers) => numbers.split_once(':').unwrap_or((numbers, "1")),
        None => return None,
    };
    let (line, column): (u32, u32) = (line.parse().ok()?, column.parse().ok()?);
    let column = if line == 1 { column.saturating_sub(BEFORE).max(1) } else { column.max(1) };
    Some(Frame { function, line: line.max(1), column })
}

/// A place that no map tells: in code that the bundler added, or in a script that came without a map.
fn own(frame: &Frame<'_>, is_mapped: bool) -> Place {
    let file = if is_mapped { "(added by the bundler)" } else { "(script)" };
    Place { file: file.to_owned(), line: Some(frame.line), column: Some(frame.column), frame: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(stack: &str) -> RawError {
        RawError {
            kind: "threw".to_owned(),
            name: "TypeError".to_owned(),
            message: "no".to_owned(),
            stack: stack.to_owned(),
        }
    }

    fn script(source_map: Option<&str>) -> Script {
        Script { id: "a".into(), source: "".into(), source_map: source_map.map(SourceMap::new) }
    }

    #[test]
    fn frames_of_the_script_are_told_in_its_sources() {
        // Line 2 of the script from column 0 is line 7 of src/a.ts, column 4.
        let map = r#"{"version":3,"sources":["src/a.ts"],"names":[],"mappings":";AAMI"}"#;
        let stack = "    at pay (<input>:2:3)\n    at handle (main.js:9:1)\n    at <input>:2:1\n    at apply (native)\n";
        let thrown = told(raw(stack), &script(Some(map)));
        assert_eq!(thrown.stack, ["pay (src/a.ts:7:5)", "src/a.ts:7:5"]);
        assert_eq!(thrown.place.unwrap().line, Some(7));
    }

    #[test]
    fn the_last_token_before_a_place_tells_it() {
        // Line 1: columns 0 and 4 from a.ts 1:1 and 2:1. Line 3: column 2 from a.ts 3:1. Line 2 has none.
        let map =
            SourceMap::new(r#"{"version":3,"sources":["a.ts"],"names":[],"mappings":"AAAA,IACA;;EACA"}"#);
        let line =
            |line, column| map.original(&Frame { function: "", line, column }).and_then(|place| place.line);
        let told =
            [line(1, 1), line(1, 4), line(1, 5), line(1, 99), line(2, 1), line(3, 2), line(3, 3), line(4, 1)];
        assert_eq!(told, [Some(1), Some(1), Some(2), Some(2), None, None, Some(3), None]);
        assert!(map.clone().read.get().is_some(), "clones share what was read");
    }

    #[test]
    fn without_a_map_the_scripts_own_lines_are_told() {
        let thrown = told(raw("    at f (<input>:1:13)\n    at g (<input>:4:2)"), &script(None));
        assert_eq!(thrown.stack, ["f ((script):1:1)", "g ((script):4:2)"]);
        assert_eq!(told(raw("what a plugin wrote there"), &script(Some("{}"))).stack, Vec::<String>::new());
    }
}
