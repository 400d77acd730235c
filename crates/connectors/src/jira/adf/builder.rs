//! Building a document of Jira's, node by node. Nothing here calls itself, so nothing is too deep for it.

use serde_json::{Map, Value, json};

use super::fit::{fit, listed};
use super::to_markdown::{content, kind};
use super::{MAX_DEPTH, node};

/// A node that others stand in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Document,
    Paragraph,
    Heading(u8),
    Quote,
    Panel(&'static str),
    /// With its language.
    Code(String),
    /// With its first number, where it has numbers.
    List(Option<u64>),
    Item,
    Table,
    Row {
        is_head: bool,
    },
    Cell,
}

impl Kind {
    /// How many nodes must have room in each other for it to be of any use.
    fn needs(&self) -> usize {
        match self {
            Self::Table => 4,
            Self::List(_) => 3,
            _ => 2,
        }
    }
}

/// How text is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Strong,
    Emphasis,
    Strike,
}

#[derive(Debug, Default)]
struct Frame {
    kind: Kind,
    content: Vec<Value>,
    /// Inline nodes that are in no paragraph yet.
    inline: Vec<Value>,
    /// Of an item that is a task, whether it is done.
    task: Option<bool>,
}

impl Frame {
    /// Puts loose inline nodes into a paragraph.
    fn gather(&mut self) {
        if !self.inline.is_empty() {
            let inline = std::mem::take(&mut self.inline);
            self.content.push(node("paragraph", None, inline));
        }
    }

    fn push(&mut self, node: Value) {
        self.gather();
        self.content.extend(fit(&self.kind, node));
    }
}

#[derive(Debug)]
struct Link {
    address: String,
    /// Whether Jira takes such an address.
    is_taken: bool,
    has_text: bool,
}

/// A document that is being built.
#[derive(Debug)]
pub(super) struct Builder {
    frames: Vec<Frame>,
    /// For each node that has begun, whether it stands in the document: the deepest do not.
    begun: Vec<bool>,
    marks: Vec<Mark>,
    links: Vec<Link>,
    tasks: u64,
}

impl Default for Builder {
    fn default() -> Self {
        let (begun, marks, links) = (Vec::new(), Vec::new(), Vec::new());
        Self { frames: vec![Frame::default()], begun, marks, links, tasks: 0 }
    }
}

impl Builder {
    pub(super) fn begin(&mut self, kind: Kind) {
        let has_room = match kind {
            Kind::Item => matches!(self.kind(), Kind::List(_)),
            Kind::Row { .. } => *self.kind() == Kind::Table,
            Kind::Cell => matches!(self.kind(), Kind::Row { .. }),
            Kind::Paragraph | Kind::Heading(_) | Kind::Code(_) => true,
            _ => self.frames.len() + kind.needs() <= MAX_DEPTH,
        };
        self.top(Frame::gather);
        self.begun.push(has_room);
        if has_room {
            self.frames.push(Frame { kind, ..Frame::default() });
        }
    }

    pub(super) fn end(&mut self) {
        self.top(Frame::gather_unless_leaf);
        if self.begun.pop() != Some(true) || self.frames.len() < 2 {
            return;
        }
        let Some(frame) = self.frames.pop() else { return };
        let node = self.node(frame);
        if let Some(node) = node {
            self.top(|frame| frame.push(node));
        }
    }

    pub(super) fn finish(mut self) -> Value {
        while self.frames.len() > 1 {
            self.begun.push(true);
            self.end();
        }
        self.top(Frame::gather);
        let content = self.frames.pop().map(|frame| frame.content).unwrap_or_default();
        let mut document = node("doc", None, content);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("version".to_owned(), 1.into());
        }
        document
    }

    pub(super) fn text(&mut self, text: &str) {
        if matches!(self.kind(), Kind::Code(_)) {
            self.inline(json!({"type": "text", "text": text}));
            return;
        }
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 {
                self.hard_break();
            }
            let marks = self.written_marks(false);
            self.marked(line, marks);
        }
    }

    pub(super) fn code(&mut self, text: &str) {
        let marks = self.written_marks(true);
        self.marked(text, marks);
    }

    pub(super) fn hard_break(&mut self) {
        self.inline(json!({"type": "hardBreak"}));
    }

    pub(super) fn rule(&mut self) {
        self.top(|frame| frame.push(json!({"type": "rule"})));
    }

    /// The item that is being built is a task.
    pub(super) fn task(&mut self, is_done: bool) {
        let item = self.frames.iter_mut().rev().find(|frame| frame.kind == Kind::Item);
        if let Some(item) = item {
            item.task = Some(is_done);
        }
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        self.marks.push(mark);
    }

    pub(super) fn unmark(&mut self, mark: Mark) {
        if let Some(at) = self.marks.iter().rposition(|each| *each == mark) {
            self.marks.remove(at);
        }
    }

    pub(super) fn link(&mut self, address: &str) {
        let schemes = ["http", "https", "mailto", "tel", "ftp", "ftps", "sftp"];
        let is_taken = url::Url::parse(address).is_ok_and(|url| schemes.contains(&url.scheme()));
        self.links.push(Link { address: address.to_owned(), is_taken, has_text: false });
    }

    /// Ends a link or an image. What would be lost is written out.
    pub(super) fn end_link(&mut self) {
        let Some(link) = self.links.last() else { return };
        let address = link.address.clone();
        if !link.has_text {
            self.text(&address);
            self.links.pop();
        } else if link.is_taken {
            self.links.pop();
        } else {
            self.links.pop();
            self.text(&format!(" ({address})"));
        }
    }

    fn kind(&self) -> &Kind {
        self.frames.last().map_or(&Kind::Document, |frame| &frame.kind)
    }

    fn top(&mut self, change: impl FnOnce(&mut Frame)) {
        if let Some(frame) = self.frames.last_mut() {
            change(frame);
        }
    }

    fn inline(&mut self, node: Value) {
        self.top(|frame| frame.inline.push(node));
    }

    fn written_marks(&mut self, is_code: bool) -> Vec<Value> {
        let mut marks = Vec::new();
        // Of an image in a link, the link.
        if let Some(link) = self.links.iter().find(|link| link.is_taken) {
            marks.push(json!({"type": "link", "attrs": {"href": link.address}}));
        }
        if is_code {
            // Jira takes none but links beside it.
            marks.push(json!({"type": "code"}));
            return marks;
        }
        for (mark, name) in [(Mark::Strong, "strong"), (Mark::Emphasis, "em"), (Mark::Strike, "strike")] {
            if self.marks.contains(&mark) {
                marks.push(json!({"type": name}));
            }
        }
        marks
    }

    fn marked(&mut self, text: &str, marks: Vec<Value>) {
        if text.is_empty() {
            return;
        }
        for link in &mut self.links {
            link.has_text = true;
        }
        let marks = if marks.is_empty() { Value::Null } else { Value::Array(marks) };
        self.top(|frame| {
            if let Some(Value::Object(last)) = frame.inline.last_mut()
                && last.get("marks").unwrap_or(&Value::Null) == &marks
                && let Some(Value::String(before)) = last.get_mut("text")
            {
                before.push_str(text);
                return;
            }
            let mut node = Map::new();
            node.insert("type".to_owned(), "text".into());
            node.insert("text".to_owned(), text.into());
            if !marks.is_null() {
                node.insert("marks".to_owned(), marks);
            }
            frame.inline.push(Value::Object(node));
        });
    }

    /// The node that a frame has become; `None` for what holds nothing.
    fn node(&mut self, frame: Frame) -> Option<Value> {
        let Frame { kind: of, content, inline, task } = frame;
        let paragraph = || node("paragraph", None, Vec::new());
        // What must hold something, and holds nothing.
        let filled = |content: Vec<Value>| if content.is_empty() { vec![paragraph()] } else { content };
        Some(match of {
            Kind::Document => return None,
            Kind::Paragraph => node("paragraph", None, trimmed(inline)),
            Kind::Heading(level) => node("heading", Some(json!({"level": level})), inline),
            Kind::Quote => node("blockquote", None, filled(content)),
            Kind::Panel(panel) => node("panel", Some(json!({"panelType": panel})), filled(content)),
            Kind::Code(language) => code_block(&inline, &language),
            Kind::List(_) if content.is_empty() => return None,
            Kind::List(first) => listed(first, content, &mut self.tasks),
            Kind::Item => {
                let mut content = filled(content);
                // Jira wants words before a list.
                let begins = content.first().map(kind);
                if !matches!(begins, Some("paragraph" | "codeBlock")) {
                    content.insert(0, paragraph());
                }
                let mut item = node("listItem", None, content);
                if let (Some(fields), Some(is_done)) = (item.as_object_mut(), task) {
                    fields.insert("task".to_owned(), is_done.into());
                }
                item
            }
            Kind::Table => node("table", None, without_empty_head(content)),
            Kind::Row { is_head } => row(content, is_head),
            Kind::Cell => node("tableCell", None, filled(content)),
        })
    }
}

impl Frame {
    /// Of what holds inline nodes itself, they stay as they are.
    fn gather_unless_leaf(&mut self) {
        if !matches!(self.kind, Kind::Paragraph | Kind::Heading(_) | Kind::Code(_)) {
            self.gather();
        }
    }
}

/// Without line breaks at the end, as a block of HTML has.
fn trimmed(mut inline: Vec<Value>) -> Vec<Value> {
    while inline.last().is_some_and(|last| kind(last) == "hardBreak") {
        inline.pop();
    }
    inline
}

fn code_block(inline: &[Value], language: &str) -> Value {
    let text: String = inline.iter().filter_map(|node| node.get("text")?.as_str()).collect();
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let mut node = Map::new();
    node.insert("type".to_owned(), "codeBlock".into());
    if !language.is_empty() {
        node.insert("attrs".to_owned(), json!({"language": language}));
    }
    if !text.is_empty() {
        node.insert("content".to_owned(), json!([{"type": "text", "text": text}]));
    }
    node.into()
}

fn row(mut cells: Vec<Value>, is_head: bool) -> Value {
    if is_head {
        for kind in cells.iter_mut().filter_map(|cell| cell.get_mut("type")) {
            *kind = "tableHeader".into();
        }
    }
    node("tableRow", None, cells)
}

/// Markdown's tables must have a head; one without any words is there for that alone.
fn without_empty_head(mut rows: Vec<Value>) -> Vec<Value> {
    let is_empty =
        |cell: &Value| cell.pointer("/content/0/content").is_none_or(|inline| *inline == json!([]));
    if rows.len() > 1 && rows.first().is_some_and(|row| content(row).iter().all(is_empty)) {
        rows.remove(0);
    }
    rows
}
