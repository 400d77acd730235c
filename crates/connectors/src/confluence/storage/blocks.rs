//! Paragraphs, headings, lists and the like, as Markdown.

use super::inline::{HIDDEN, inline, longest_run};
use super::tables::{self, Rows};
use super::tree::{Element, Node, nodes};

/// The most bytes of Markdown that come of a text.
const MAX_TEXT: usize = 1024 * 1024;

/// What a text in the storage format says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::confluence) struct Read {
    /// In Markdown.
    pub(in crate::confluence) text: String,
    /// Whether there was more than fits.
    pub(in crate::confluence) is_cut: bool,
}

/// Reads a text in the storage format. Macros are read by the text in them; those that only show something from elsewhere are
/// left out. Never fails: what is no markup is text.
pub(in crate::confluence) fn text(storage: &str) -> Read {
    let mut writer = Writer { is_cut: false };
    let text = joined(&writer.blocks(&nodes(storage)));
    let text = writer.cut(text);
    Read { text, is_cut: writer.is_cut }
}

/// One block of Markdown.
struct Block {
    text: String,
    is_list: bool,
}

impl Block {
    fn of(text: String) -> Self {
        Self { text, is_list: false }
    }
}

fn joined(blocks: &[Block]) -> String {
    blocks.iter().map(|block| block.text.as_str()).collect::<Vec<_>>().join("\n\n")
}

struct Writer {
    is_cut: bool,
}

impl Writer {
    /// What fits of a text. Asked before each line gets longer, so that little cannot grow into much.
    fn cut(&mut self, mut text: String) -> String {
        if text.len() > MAX_TEXT {
            self.is_cut = true;
            text.truncate(text.floor_char_boundary(MAX_TEXT));
        }
        text
    }

    fn blocks(&mut self, nodes: &[Node]) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut line: Vec<&Node> = Vec::new();
        for node in nodes {
            match node {
                Node::Element(element) if is_block(element) => {
                    blocks.extend(paragraph(std::mem::take(&mut line)));
                    self.block(element, &mut blocks);
                }
                node => line.push(node),
            }
        }
        blocks.extend(paragraph(line));
        blocks
    }

    fn block(&mut self, element: &Element, blocks: &mut Vec<Block>) {
        match element.name.as_str() {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => blocks.extend(heading(element)),
            "ul" | "ol" => blocks.extend(self.list(element)),
            "ac:task-list" => blocks.extend(self.tasks(element)),
            "blockquote" => {
                let quoted = joined(&self.blocks(&element.children));
                let lines = self.cut(quoted);
                let lines: Vec<String> =
                    lines.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect();
                blocks.extend((!lines.is_empty()).then(|| Block::of(lines.join("\n"))));
            }
            "pre" => blocks.push(fenced("", &element.content())),
            "hr" => blocks.push(Block::of("---".to_owned())),
            "table" => {
                let rows: Rows = tables::rows(element, &mut |cell| joined(&self.blocks(&cell.children)));
                blocks.extend(tables::written(&rows).map(Block::of));
            }
            "ac:structured-macro" | "ac:macro" => self.of_macro(element, blocks),
            _ => blocks.extend(self.blocks(&element.children)),
        }
    }

    /// A macro with a body: its title, and what it says.
    fn of_macro(&mut self, element: &Element, blocks: &mut Vec<Block>) {
        let title = element.parameter("title").map(Node::Text);
        let title = title.and_then(|title| paragraph([&title]));
        blocks.extend(title.map(|title| Block::of(format!("**{}**", title.text))));
        if let Some(body) = element.child("ac:plain-text-body") {
            let language = element.parameter("language").unwrap_or_default();
            blocks.push(fenced(&language, &body.content()));
        } else if let Some(body) = element.child("ac:rich-text-body") {
            blocks.extend(self.blocks(&body.children));
        }
    }

    fn list(&mut self, list: &Element) -> Option<Block> {
        let mut number: u64 = list.attribute("start").and_then(|start| start.parse().ok()).unwrap_or(1);
        let mut points: Vec<(String, String)> = Vec::new();
        for element in list.elements() {
            if element.name == "li" {
                let marker = if list.name == "ol" { format!("{number}. ") } else { "- ".to_owned() };
                number = number.saturating_add(1);
                let body = self.point(element);
                points.push((marker, body));
                continue;
            }
            // A list right within a list belongs to the point before it.
            let mut blocks = Vec::new();
            self.block(element, &mut blocks);
            let within = of_point(&blocks);
            match points.last_mut() {
                Some((_, body)) => body.extend(["\n", &within]),
                None => points.push(("- ".to_owned(), within)),
            }
        }
        self.listed(points)
    }

    fn tasks(&mut self, list: &Element) -> Option<Block> {
        let tasks = list.elements().filter(|element| element.name == "ac:task");
        let points = tasks.filter_map(|task| {
            let status = task.child("ac:task-status").map(Element::content).unwrap_or_default();
            let mark = if status.trim() == "complete" { "[x] " } else { "[ ] " };
            let body = self.point(task.child("ac:task-body")?);
            Some(("- ".to_owned(), format!("{mark}{body}")))
        });
        let points: Vec<(String, String)> = points.collect();
        self.listed(points)
    }

    fn point(&mut self, element: &Element) -> String {
        of_point(&self.blocks(&element.children))
    }

    /// The points of a list: their lines stand below their first letter.
    fn listed(&mut self, points: Vec<(String, String)>) -> Option<Block> {
        let mut items = Vec::with_capacity(points.len());
        for (marker, body) in points {
            let indent = format!("\n{}", " ".repeat(marker.len()));
            let body = self.cut(body);
            let lines = body.split('\n').collect::<Vec<_>>().join(&indent);
            // Lines that are empty have no indent.
            let lines: Vec<&str> =
                lines.split('\n').map(|line| if line.trim().is_empty() { "" } else { line }).collect();
            items.push(format!("{marker}{}", lines.join("\n")).trim_end().to_owned());
        }
        let text = self.cut(items.join("\n"));
        (!text.is_empty()).then_some(Block { text, is_list: true })
    }
}

/// What a point of a list says; a list within it stands close to it.
fn of_point(blocks: &[Block]) -> String {
    let mut body = String::new();
    for block in blocks {
        if !body.is_empty() {
            body.push_str(if block.is_list { "\n" } else { "\n\n" });
        }
        body.push_str(&block.text);
    }
    body
}

/// Whether it stands apart from the text around it.
fn is_block(element: &Element) -> bool {
    match element.name.as_str() {
        "p" | "div" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "li" | "blockquote" | "pre"
        | "hr" | "table" | "section" | "article" | "dl" | "dt" | "dd" | "figure" | "figcaption"
        | "details" => true,
        "ac:structured-macro" | "ac:macro" => element
            .elements()
            .any(|child| matches!(child.name.as_str(), "ac:plain-text-body" | "ac:rich-text-body")),
        name => {
            let is_container = name.starts_with("ac:layout")
                || name.starts_with("ac:adf-")
                || matches!(name, "ac:rich-text-body" | "ac:task-list" | "ac:task-body");
            is_container && !HIDDEN.contains(&name)
        }
    }
}

fn paragraph<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Option<Block> {
    let text = inline(nodes);
    let text = text.trim();
    let lines: Vec<String> = text.lines().map(|line| line_escaped(line.trim_start())).collect();
    (!text.is_empty()).then(|| Block::of(lines.join("\n")))
}

fn heading(element: &Element) -> Option<Block> {
    let level = element.name.trim_start_matches('h').parse().unwrap_or(1);
    let text = inline(&element.children).split_whitespace().collect::<Vec<_>>().join(" ");
    // Number signs at the end would be taken for the heading's own.
    let text = match text.strip_suffix('#') {
        Some(start) => format!("{start}\\#"),
        None => text,
    };
    (!text.is_empty()).then(|| Block::of(format!("{} {text}", "#".repeat(level))))
}

/// Code, between more backticks than it has in a row.
fn fenced(language: &str, code: &str) -> Block {
    let fence = "`".repeat(longest_run(code, '`').max(2) + 1);
    let is_word =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '#' | '-' | '_' | '.');
    let language = if language.chars().all(is_word) { language } else { "" };
    let code = code.strip_prefix('\n').unwrap_or(code);
    let code = code.strip_suffix('\n').unwrap_or(code);
    Block::of(format!("{fence}{language}\n{code}\n{fence}"))
}

/// A line whose beginning is no mark of a heading, a list, or the like.
fn line_escaped(line: &str) -> String {
    let first = line.chars().next().unwrap_or(' ');
    let rest = line.trim_start_matches(first);
    let ends = |rest: &str| rest.is_empty() || rest.starts_with(' ');
    let is_mark = match first {
        '#' | '-' => ends(rest),
        '>' => true,
        '+' => line.get(1..).is_some_and(ends),
        '=' => rest.is_empty(),
        _ => false,
    };
    if is_mark {
        return format!("\\{line}");
    }
    let number = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let digits = line.len() - number.len();
    let is_point = number.starts_with(['.', ')']) && number.get(1..).is_some_and(ends);
    match line.split_at_checked(digits) {
        Some((digits, rest)) if is_point && (1..=9).contains(&digits.len()) => format!("{digits}\\{rest}"),
        _ => line.to_owned(),
    }
}
