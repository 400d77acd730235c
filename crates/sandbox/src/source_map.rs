//! Errors told in the author's own lines.

use model::Place;
use oxc_sourcemap::SourceMap;
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

/// The error in the lines of the script's sources.
pub(crate) fn told(raw: RawError, script: &Script) -> Thrown {
    let map = script.source_map.as_deref().and_then(|text| SourceMap::from_json_string(text).ok());
    let mut place = None;
    let mut stack = Vec::new();
    for frame in raw.stack.lines().filter_map(frame).take(MOST_FRAMES) {
        let found = map.as_ref().and_then(|map| original(map, &frame));
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

fn original(map: &SourceMap<'_>, frame: &Frame<'_>) -> Option<Place> {
    let table = map.generate_lookup_table();
    let token = map.lookup_source_view_token(&table, frame.line - 1, frame.column - 1)?;
    let file = token.get_source()?.trim_start_matches("./").trim_start_matches('/').to_owned();
    Some(Place {
        file,
        line: Some(token.get_src_line() + 1),
        column: Some(token.get_src_col() + 1),
        frame: None,
    })
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
        Script { id: "a".into(), source: "".into(), source_map: source_map.map(Into::into) }
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
    fn without_a_map_the_scripts_own_lines_are_told() {
        let thrown = told(raw("    at f (<input>:1:13)\n    at g (<input>:4:2)"), &script(None));
        assert_eq!(thrown.stack, ["f ((script):1:1)", "g ((script):4:2)"]);
        assert_eq!(told(raw("what a plugin wrote there"), &script(Some("{}"))).stack, Vec::<String>::new());
    }
}
