//! Tables, as Markdown.

use super::tree::Element;

/// The most columns; a row has no more cells than that.
const MAX_COLUMNS: usize = 256;

/// What the cells say, row by row, and whether the first row is the heading.
pub(super) struct Rows {
    cells: Vec<Vec<String>>,
    has_heading: bool,
}

/// The rows of a table, with each cell as `cell` writes it.
pub(super) fn rows(table: &Element, cell: &mut dyn FnMut(&Element) -> String) -> Rows {
    let mut rows = Rows { cells: Vec::new(), has_heading: false };
    add(table, cell, &mut rows);
    rows
}

fn add(part: &Element, cell: &mut dyn FnMut(&Element) -> String, rows: &mut Rows) {
    for element in part.elements() {
        match element.name.as_str() {
            "thead" | "tbody" | "tfoot" => add(element, cell, rows),
            "tr" => {
                let cells = || element.elements().filter(|cell| matches!(cell.name.as_str(), "td" | "th"));
                if rows.cells.is_empty() {
                    rows.has_heading = cells().all(|cell| cell.name == "th");
                }
                rows.cells.push(cells().take(MAX_COLUMNS).map(|each| flat(&cell(each))).collect());
            }
            _ => {}
        }
    }
}

/// What a cell says, in one line.
fn flat(text: &str) -> String {
    let line = text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|")
}

/// The table in Markdown, which needs a heading: an empty one where there is none.
pub(super) fn written(rows: &Rows) -> Option<String> {
    let columns = rows.cells.iter().map(Vec::len).max().filter(|columns| *columns > 0)?;
    let mut cells = rows.cells.iter();
    let heading = if rows.has_heading { cells.next() } else { None };
    let mut heading = heading.cloned().unwrap_or_default();
    heading.resize(columns, String::new());
    let mut lines = vec![line(&heading), line(&vec!["---".to_owned(); columns])];
    lines.extend(cells.filter(|row| !row.is_empty()).map(|row| line(row)));
    Some(lines.join("\n"))
}

fn line(cells: &[String]) -> String {
    let cells = cells.iter().map(|cell| if cell.is_empty() { "  ".to_owned() } else { format!(" {cell} ") });
    format!("|{}|", cells.collect::<Vec<_>>().join("|"))
}
