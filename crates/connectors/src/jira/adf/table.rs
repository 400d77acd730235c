//! Jira's tables as GitHub's: <https://github.github.com/gfm/#tables-extension->. A cell is one line there.

use serde_json::Value;

use super::MAX_DEPTH;
use super::inline::{Piece, markdown, pieces};
use super::markdown_text::Place;
use super::to_markdown::{content, flat, kind};

/// The most columns that are written.
const MAX_COLUMNS: usize = 200;

pub(super) fn table(node: &Value, depth: usize) -> String {
    let rows: Vec<&[Value]> = content(node).iter().map(content).filter(|cells| !cells.is_empty()).collect();
    let columns = rows.iter().map(|cells| cells.len()).max().unwrap_or_default().min(MAX_COLUMNS);
    if columns == 0 {
        return String::new();
    }
    let mut lines: Vec<String> = rows.iter().map(|cells| row(cells, columns, depth)).collect();
    let has_head = rows.first().is_some_and(|cells| cells.iter().all(|cell| kind(cell) == "tableHeader"));
    if !has_head {
        lines.insert(0, format!("|{}", "  |".repeat(columns)));
    }
    lines.insert(1, format!("|{}", " --- |".repeat(columns)));
    lines.join("\n")
}

fn row(cells: &[Value], columns: usize, depth: usize) -> String {
    let mut line = vec!["|".to_owned()];
    for number in 0..columns {
        let mut parts = Vec::new();
        if let Some(cell) = cells.get(number) {
            lines(content(cell), depth + 1, &mut parts);
        }
        line.push(format!(" {} |", markdown(parts, Place::Cell)));
    }
    line.concat()
}

/// The lines of blocks, one after the other.
fn lines(nodes: &[Value], depth: usize, parts: &mut Vec<Piece>) {
    for node in nodes {
        let line = match kind(node) {
            "paragraph" | "heading" => pieces(content(node)),
            "codeBlock" => {
                let code = flat(node);
                let lines = code.lines().filter(|line| !line.is_empty()).map(Piece::code);
                lines.flat_map(|line| [line, Piece::Break]).collect()
            }
            "listItem" if depth < MAX_DEPTH => {
                let mut inner = vec![Piece::plain("• ")];
                lines(content(node), depth + 1, &mut inner);
                inner
            }
            _ if depth < MAX_DEPTH && !content(node).is_empty() => {
                lines(content(node), depth + 1, parts);
                continue;
            }
            _ => pieces(std::slice::from_ref(node)),
        };
        if line.is_empty() {
            continue;
        }
        if !parts.is_empty() && !is_bullet(parts) && parts.last() != Some(&Piece::Break) {
            parts.push(Piece::Break);
        }
        parts.extend(line);
    }
}

/// Whether nothing follows the bullet yet.
fn is_bullet(parts: &[Piece]) -> bool {
    matches!(parts, [Piece::Text(text, _)] if text == "• ")
}
