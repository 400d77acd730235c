//! Jira's rich text as Markdown.

use serde_json::Value;

use super::inline::{Piece, lines_of, markdown, pieces};
use super::markdown_text::{Place, code_block};
use super::table::table;
use super::{MAX_DEPTH, MAX_MARKDOWN};

/// The document as Markdown, without a line break at its end. Empty for what is none.
pub(in crate::jira) fn to_markdown(document: &Value) -> String {
    let mut text = match document {
        // Fields that are no rich text, and those of older versions of the API.
        Value::String(text) => text.clone(),
        document => blocks(content(document), 0),
    };
    if text.len() > MAX_MARKDOWN {
        let end = (0..=MAX_MARKDOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

/// What a node is.
pub(super) fn kind(node: &Value) -> &str {
    node.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// What stands in a node.
pub(super) fn content(node: &Value) -> &[Value] {
    node.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A text among a node's attributes.
pub(super) fn attribute<'a>(node: &'a Value, name: &str) -> &'a str {
    node.get("attrs").and_then(|attributes| attributes.get(name)?.as_str()).unwrap_or_default()
}

/// The text in a node, however deep it stands.
pub(super) fn flat(node: &Value) -> String {
    let (mut text, mut rest) = (String::new(), vec![node]);
    while let Some(node) = rest.pop() {
        match kind(node) {
            "text" => text.push_str(node.get("text").and_then(Value::as_str).unwrap_or_default()),
            "hardBreak" => text.push('\n'),
            "paragraph" | "heading" | "codeBlock" if !text.is_empty() => text.push('\n'),
            _ => {}
        }
        rest.extend(content(node).iter().rev());
    }
    text
}

/// Blocks, one below the other.
pub(super) fn blocks(nodes: &[Value], depth: usize) -> String {
    rendered(nodes, depth).into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n\n")
}

/// Each block that is not empty, with what it is.
fn rendered(nodes: &[Value], depth: usize) -> Vec<(Block, String)> {
    let mut done: Vec<(Block, String)> = Vec::new();
    let mut is_other = false;
    for run in runs(nodes) {
        let of = run.first().map_or(Block::Other, Block::of);
        // Two lists of a kind, one below the other, would be one.
        is_other = of != Block::Other && !is_other && done.last().is_some_and(|(before, _)| *before == of);
        let text = match run {
            [node] if !is_inline(node) => block(node, depth, is_other),
            run => markdown(pieces(run), Place::Paragraph),
        };
        if !text.is_empty() {
            done.push((of, text));
        }
    }
    done
}

/// Each block by itself, and inline nodes that stand where blocks should, together.
fn runs(nodes: &[Value]) -> impl Iterator<Item = &[Value]> {
    nodes.chunk_by(|left, right| is_inline(left) && is_inline(right))
}

fn is_inline(node: &Value) -> bool {
    matches!(
        kind(node),
        "text"
            | "hardBreak"
            | "mention"
            | "emoji"
            | "date"
            | "status"
            | "inlineCard"
            | "mediaInline"
            | "placeholder"
    )
}

/// Whether a block is a list, and with which marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Bullets,
    Numbers,
    Other,
}

impl Block {
    fn of(node: &Value) -> Self {
        match kind(node) {
            "bulletList" | "taskList" | "decisionList" => Self::Bullets,
            "orderedList" => Self::Numbers,
            _ => Self::Other,
        }
    }
}

fn block(node: &Value, depth: usize, is_other: bool) -> String {
    if depth >= MAX_DEPTH {
        return markdown(lines_of(&flat(node)), Place::Paragraph);
    }
    let inner = || blocks(content(node), depth + 1);
    match kind(node) {
        "paragraph" => markdown(pieces(content(node)), Place::Paragraph),
        "heading" => heading(node),
        "codeBlock" => {
            code_block(&flat(node).replace("\r\n", "\n").replace('\r', "\n"), attribute(node, "language"))
        }
        "rule" => "___".to_owned(),
        "blockquote" => prefixed(&inner(), "> ", "> "),
        "panel" => panel(node, &inner()),
        "bulletList" | "decisionList" => list(node, depth, if is_other { "*" } else { "-" }),
        "orderedList" => numbered(node, depth, if is_other { ')' } else { '.' }),
        "taskList" => tasks(node, depth, if is_other { "*" } else { "-" }),
        "expand" | "nestedExpand" => titled(attribute(node, "title"), &inner()),
        "table" => table(node, depth),
        "media" | "blockCard" | "embedCard" | "extension" => {
            markdown(pieces(std::slice::from_ref(node)), Place::Paragraph)
        }
        _ => inner(),
    }
}

fn heading(node: &Value) -> String {
    let level = node.pointer("/attrs/level").and_then(Value::as_u64).unwrap_or(1).clamp(1, 6);
    let marks = "#".repeat(usize::try_from(level).unwrap_or(1));
    match markdown(pieces(content(node)), Place::Heading) {
        text if text.is_empty() => text,
        text => format!("{marks} {text}"),
    }
}

fn titled(title: &str, text: &str) -> String {
    let title = title.replace(['\n', '\r'], " ");
    if title.trim().is_empty() {
        return text.to_owned();
    }
    let title = markdown(vec![Piece::strong(title)], Place::Paragraph);
    if text.is_empty() { title } else { format!("{title}\n\n{text}") }
}

/// A panel as one of GitHub's alerts.
fn panel(node: &Value, text: &str) -> String {
    let alert = match attribute(node, "panelType") {
        "note" => "IMPORTANT",
        "tip" | "success" => "TIP",
        "warning" => "WARNING",
        "error" => "CAUTION",
        _ => "NOTE",
    };
    // A list's number would be read as a word of the line above.
    let joint = if text.starts_with(|letter: char| letter.is_ascii_digit()) { "\n\n" } else { "\n" };
    if text.is_empty() { String::new() } else { prefixed(&format!("[!{alert}]{joint}{text}"), "> ", "> ") }
}

fn list(node: &Value, depth: usize, mark: &str) -> String {
    let items = content(node).iter().map(|each| item(content(each), depth, mark));
    items.filter(|item| !item.is_empty()).collect::<Vec<_>>().join("\n")
}

fn numbered(node: &Value, depth: usize, end: char) -> String {
    let first = node.pointer("/attrs/order").and_then(Value::as_u64).unwrap_or(1);
    // A number has nine digits at most.
    let marks = (first..).map(|number| format!("{}{end}", number.min(999_999_999)));
    let items = marks.zip(content(node)).map(|(mark, each)| item(content(each), depth, &mark));
    items.filter(|item| !item.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Lists of tasks stand beside the tasks that they belong to.
fn tasks(node: &Value, depth: usize, mark: &str) -> String {
    let mut lines = Vec::new();
    for each in content(node) {
        if kind(each) == "taskList" {
            lines.push(prefixed(&block(each, depth + 1, false), "  ", "  "));
            continue;
        }
        let is_done = attribute(each, "state").eq_ignore_ascii_case("DONE");
        let text = blocks(content(each), depth + 1);
        if !text.is_empty() {
            let sign = if is_done { "[x]" } else { "[ ]" };
            lines.push(prefixed(&text, &format!("{mark} {sign} "), "  "));
        }
    }
    lines.join("\n")
}

/// An item; empty where it has nothing in it, as not all readers of Markdown take such items for any.
fn item(nodes: &[Value], depth: usize, mark: &str) -> String {
    let mut text = String::new();
    for (of, block) in rendered(nodes, depth + 1) {
        if !text.is_empty() {
            text.push_str(if continues(of, &block) { "\n" } else { "\n\n" });
        }
        text.push_str(&block);
    }
    if text.is_empty() {
        return text;
    }
    prefixed(&text, &format!("{mark} "), &" ".repeat(mark.len() + 1))
}

/// Whether a block may follow a paragraph without an empty line between them (CommonMark, section 5.2).
fn continues(of: Block, text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let has_words = first.split_once(' ').is_some_and(|(_, words)| !words.trim().is_empty());
    has_words && (of == Block::Bullets || (of == Block::Numbers && first.starts_with("1.")))
}

/// Each line with something before it.
pub(super) fn prefixed(text: &str, first: &str, others: &str) -> String {
    let mut out = String::with_capacity(text.len() + first.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let prefix = if number == 0 { first } else { others };
        out.push_str(if line.is_empty() { prefix.trim_end() } else { prefix });
        out.push_str(line);
    }
    out
}
