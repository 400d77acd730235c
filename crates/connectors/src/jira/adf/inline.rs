//! What stands in a line: Jira's inline nodes as pieces, and the pieces as Markdown.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use serde_json::Value;

use super::OPTIONS;
use super::markdown_text::{Place, code, destination, escaped, escaped_all, padded};
use super::to_markdown::{attribute, content, flat, kind};

/// How a text is marked, as far as Markdown can say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The outermost first.
    around: Vec<Open>,
    code: bool,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// A text without line breaks.
    Text(String, Marks),
    /// Markdown as it is, and the text that it shows.
    Ready { markdown: String, plain: String },
    /// A line break.
    Break,
}

impl Piece {
    /// A text without marks.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::Text(text.into(), Marks::default())
    }

    /// A line of code.
    pub(super) fn code(text: impl Into<String>) -> Self {
        Self::Text(text.into(), Marks { code: true, ..Marks::default() })
    }

    /// A text that is strong.
    pub(super) fn strong(text: impl Into<String>) -> Self {
        Self::Text(text.into(), Marks { around: vec![Open::Strong], code: false })
    }
}

/// The pieces of a text that may have line breaks.
pub(super) fn lines_of(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    push_text(&mut pieces, text, &Marks::default());
    pieces
}

/// The pieces that inline nodes are.
pub(super) fn pieces(nodes: &[Value]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for node in nodes {
        let marks = marks(node);
        match (kind(node), shown(node)) {
            ("hardBreak", _) => pieces.push(Piece::Break),
            (_, Shown::Text(text)) => push_text(&mut pieces, &text, &marks),
            (_, Shown::Piece(piece)) => pieces.push(piece),
        }
    }
    pieces
}

enum Shown {
    Text(String),
    Piece(Piece),
}

/// What an inline node shows.
fn shown(node: &Value) -> Shown {
    let first = |names: &[&str]| names.iter().map(|name| attribute(node, name)).find(|text| !text.is_empty());
    let text = match kind(node) {
        "text" => node.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
        "mention" => match attribute(node, "text") {
            "" => format!("@{}", attribute(node, "id")),
            text => text.to_owned(),
        },
        "emoji" => first(&["text", "shortName"]).unwrap_or_default().to_owned(),
        "status" | "placeholder" => attribute(node, "text").to_owned(),
        "date" => day(node),
        "inlineCard" | "blockCard" | "embedCard" => return card(node),
        "media" | "mediaInline" => return media(node),
        _ => match first(&["text", "title"]) {
            Some(text) if content(node).is_empty() => text.to_owned(),
            _ => flat(node),
        },
    };
    Shown::Text(text)
}

/// `2026-11-21` of milliseconds since the epoch.
fn day(node: &Value) -> String {
    let stamp = attribute(node, "timestamp");
    let moment = stamp.parse().ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    moment.map_or_else(
        || stamp.to_owned(),
        |moment| moment.to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
    )
}

/// A link that shows itself.
fn card(node: &Value) -> Shown {
    let in_data = || node.pointer("/attrs/data/url").and_then(Value::as_str).unwrap_or_default();
    let url = Some(attribute(node, "url")).filter(|url| !url.is_empty()).unwrap_or_else(in_data);
    // CommonMark, section 6.5.
    let is_plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '<' | '>' | '\\');
    let is_absolute = url::Url::parse(url).is_ok_and(|url| url.scheme().len() >= 2);
    if is_absolute && url.chars().all(is_plain) {
        Shown::Piece(Piece::Ready { markdown: format!("<{url}>"), plain: url.to_owned() })
    } else {
        Shown::Text(url.to_owned())
    }
}

/// An image elsewhere as one of Markdown's; a file of Jira's own, which has no address that others can use, by its name.
fn media(node: &Value) -> Shown {
    let (alt, url) = (attribute(node, "alt").replace(['\n', '\r'], " "), attribute(node, "url"));
    if url.is_empty() {
        let name = if alt.is_empty() { "[attachment]".to_owned() } else { format!("[attachment: {alt}]") };
        return Shown::Text(name);
    }
    let markdown = format!("![{}]({})", escaped_all(&alt), destination(url));
    Shown::Piece(Piece::Ready { markdown, plain: alt })
}

fn marks(node: &Value) -> Marks {
    let given = || node.get("marks").and_then(Value::as_array).into_iter().flatten();
    let open = |mark: &Value| match kind(mark) {
        "strong" => Some(Open::Strong),
        "em" => Some(Open::Emphasis),
        "strike" => Some(Open::Strike),
        "link" => Some(attribute(mark, "href").to_owned()).filter(|href| !href.is_empty()).map(Open::Link),
        _ => None,
    };
    let mut around: Vec<Open> = given().filter_map(open).collect();
    around.sort();
    around.dedup();
    Marks { around, code: given().any(|mark| kind(mark) == "code") }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, marks: &Marks) {
    // What Markdown reads as nothing, or as the end of a line.
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            pieces.push(Piece::Break);
        }
        match pieces.last_mut() {
            _ if line.is_empty() => {}
            Some(Piece::Text(before, same)) if same == marks => before.push_str(line),
            _ => pieces.push(Piece::Text(line.to_owned(), marks.clone())),
        }
    }
}

/// The pieces as Markdown that shows just their text: with all their marks, or with fewer where Markdown would not read these
/// as they are meant, as with `a**(b)**c`.
pub(super) fn markdown(mut pieces: Vec<Piece>, place: Place) -> String {
    while pieces.last() == Some(&Piece::Break) {
        pieces.pop();
    }
    let words = pieces.iter().position(|piece| *piece != Piece::Break).unwrap_or_default();
    pieces.drain(..words);
    if place == Place::Heading {
        let spaced = |piece| if piece == Piece::Break { Piece::plain(" ") } else { piece };
        pieces = pieces.into_iter().map(spaced).collect();
    }
    let meant = plain(&pieces);
    for fidelity in [Fidelity::All, Fidelity::Links] {
        let written = write(&pieces, place, fidelity);
        if read(&written).as_deref() == Some(meant.as_str()) {
            return written;
        }
    }
    write(&pieces, place, Fidelity::Text)
}

/// The text of the pieces.
fn plain(pieces: &[Piece]) -> String {
    let text = |piece: &Piece| match piece {
        Piece::Text(text, _) => text.clone(),
        Piece::Ready { plain, .. } => plain.clone(),
        Piece::Break => "\n".to_owned(),
    };
    pieces.iter().map(text).collect()
}

/// The text that a paragraph of Markdown shows; `None` if it is no single paragraph.
fn read(markdown: &str) -> Option<String> {
    let mut text = String::new();
    for event in Parser::new_ext(markdown, OPTIONS) {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::InlineHtml(tag) if tag.starts_with("<br") => text.push('\n'),
            Event::HardBreak => text.push('\n'),
            Event::Start(
                Tag::Paragraph
                | Tag::Emphasis
                | Tag::Strong
                | Tag::Strikethrough
                | Tag::Link { .. }
                | Tag::Image { .. },
            )
            | Event::End(
                TagEnd::Paragraph
                | TagEnd::Emphasis
                | TagEnd::Strong
                | TagEnd::Strikethrough
                | TagEnd::Link
                | TagEnd::Image,
            ) => {}
            _ => return None,
        }
    }
    Some(text)
}

/// How much of the marks is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fidelity {
    All,
    Links,
    Text,
}

/// A mark that begins and ends, the outermost first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Open {
    Link(String),
    Strong,
    Emphasis,
    Strike,
}

impl Open {
    fn begin(&self) -> &'static str {
        match self {
            Self::Link(_) => "[",
            Self::Strong => "**",
            Self::Emphasis => "*",
            Self::Strike => "~~",
        }
    }

    fn end(&self) -> String {
        match self {
            Self::Link(href) => format!("]({})", destination(href)),
            other => other.begin().to_owned(),
        }
    }
}

fn wanted(marks: &Marks, fidelity: Fidelity) -> Vec<Open> {
    let is_wanted = |open: &&Open| match (fidelity, open) {
        (Fidelity::Text, _) => false,
        (_, Open::Link(_)) => true,
        (fidelity, _) => fidelity == Fidelity::All && !marks.code,
    };
    marks.around.iter().filter(is_wanted).cloned().collect()
}

fn write(pieces: &[Piece], place: Place, fidelity: Fidelity) -> String {
    let mut writing = Writing { place, ..Writing::default() };
    for piece in pieces {
        match piece {
            Piece::Break => {
                writing.turn_to(&[]);
                writing.end_line();
                writing.out.push_str(if place == Place::Cell { "<br>" } else { "\\\n" });
            }
            Piece::Ready { markdown, plain } => {
                writing.turn_to(&[]);
                let is_text = fidelity == Fidelity::Text;
                writing.out.push_str(&if is_text { escaped_all(plain) } else { markdown.clone() });
            }
            Piece::Text(text, marks) => writing.text(text, marks, fidelity),
        }
    }
    writing.close(&[]);
    writing.end_line();
    writing.out
}

#[derive(Debug, Default)]
struct Writing {
    out: String,
    open: Vec<Open>,
    /// Blanks that are not written yet: marks begin and end at letters.
    blanks: String,
    place: Place,
}

impl Writing {
    fn text(&mut self, text: &str, marks: &Marks, fidelity: Fidelity) {
        let wanted = wanted(marks, fidelity);
        if marks.code && fidelity != Fidelity::Text && !(self.place == Place::Cell && text.contains('|')) {
            self.turn_to(&wanted);
            self.out.push_str(&code(text));
            return;
        }
        let core = text.trim();
        if core.is_empty() {
            self.blanks.push_str(text);
            return;
        }
        let lead = text.len() - text.trim_start().len();
        let (before, rest) = text.split_at(lead);
        let (_, after) = rest.split_at(core.len());
        self.blanks.push_str(before);
        self.turn_to(&wanted);
        if fidelity == Fidelity::Text {
            self.out.push_str(&escaped_all(core));
        } else {
            let is_first = self.out.is_empty() || self.out.ends_with('\n');
            self.out.push_str(&escaped(core, self.place, is_first));
        }
        self.blanks.push_str(after);
    }

    /// Ends what is not wanted, writes the blanks, begins what is wanted.
    fn turn_to(&mut self, wanted: &[Open]) {
        self.close(wanted);
        if self.out.is_empty() || self.out.ends_with('\n') {
            self.end_line();
        } else {
            self.out.push_str(&std::mem::take(&mut self.blanks));
        }
        for open in wanted.iter().skip(self.open.len()) {
            // An exclamation mark before a link would make an image of it.
            if matches!(open, Open::Link(_)) && self.out.ends_with('!') {
                self.out.pop();
                self.out.push_str("\\!");
            }
            self.out.push_str(open.begin());
        }
        self.open = wanted.to_vec();
    }

    fn close(&mut self, wanted: &[Open]) {
        let same = self.open.iter().zip(wanted).take_while(|(open, wanted)| open == wanted).count();
        while self.open.len() > same {
            if let Some(open) = self.open.pop() {
                self.out.push_str(&open.end());
            }
        }
    }

    /// Writes the blanks where Markdown would leave them out.
    fn end_line(&mut self) {
        let blanks = std::mem::take(&mut self.blanks);
        self.out.push_str(&padded(&blanks));
    }
}
