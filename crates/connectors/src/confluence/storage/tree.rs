//! The elements of a text in the storage format. Any text has some: what is no markup is text.

use mail_parser::decoders::html::add_html_token;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// How deep elements are told apart; what stands deeper belongs to the deepest one.
const MAX_DEPTH: usize = 64;

/// The most bytes of an attribute that are read.
const MAX_ATTRIBUTE: usize = 8192;

/// Elements of HTML that have no end: XHTML closes them, but not all who write do.
const VOID: [&str; 6] = ["br", "hr", "img", "col", "input", "wbr"];

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    Element(Element),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// With its prefix: `ac:link`.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut attributes = start.html_attributes();
        let attributes = attributes
            .with_checks(false)
            .flatten()
            .filter(|attribute| attribute.value.len() <= MAX_ATTRIBUTE)
            .map(|attribute| (text(attribute.key.as_ref()), unescaped(&text(&attribute.value))));
        Self {
            name: text(start.name().as_ref()).to_ascii_lowercase(),
            attributes: attributes.collect(),
            children: Vec::new(),
        }
    }

    /// The value of an attribute; none where it is empty.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The elements just below.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element of this name just below.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.elements().find(|element| element.name == name)
    }

    /// All text within, as it stands there.
    pub(super) fn content(&self) -> String {
        let mut out = String::new();
        self.add_content(&mut out);
        out
    }

    fn add_content(&self, out: &mut String) {
        for node in &self.children {
            match node {
                Node::Text(text) => out.push_str(text),
                Node::Element(element) if element.name == "br" => out.push('\n'),
                Node::Element(element) => element.add_content(out),
            }
        }
    }

    /// A parameter of a macro.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let is_it =
            |element: &&Element| element.name == "ac:parameter" && element.attribute("ac:name") == Some(name);
        let text = self.elements().find(is_it)?.content();
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }
}

/// The nodes of `source`.
pub(super) fn nodes(source: &str) -> Vec<Node> {
    let mut reader = Reader::from_str(source);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut open = Open::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start) | Event::Empty(start)) if !is_tag(&start) => {
                open.text(&unescaped(&format!("<{}>", String::from_utf8_lossy(&start))));
            }
            Ok(Event::Start(start)) => open.begin(Element::of(&start)),
            Ok(Event::Empty(start)) => open.add(Node::Element(Element::of(&start))),
            Ok(Event::End(end)) => {
                open.end(&String::from_utf8_lossy(end.name().as_ref()).to_ascii_lowercase());
            }
            Ok(Event::Text(text)) => open.text(&String::from_utf8_lossy(&text)),
            Ok(Event::CData(text)) => open.text(&String::from_utf8_lossy(&text)),
            Ok(Event::GeneralRef(reference)) => {
                open.text(&unescaped(&format!("&{};", String::from_utf8_lossy(&reference))));
            }
            Ok(Event::Comment(_) | Event::PI(_) | Event::DocType(_) | Event::Decl(_)) => {}
            Ok(Event::Eof) => return open.finish(),
            Err(_) => {
                let at = usize::try_from(reader.error_position()).ok();
                open.text(&stripped(at.and_then(|at| source.get(at..)).unwrap_or_default()));
                return open.finish();
            }
        }
    }
}

/// Whether it has a name, and is no sign for less.
fn is_tag(start: &BytesStart<'_>) -> bool {
    start.first().is_some_and(u8::is_ascii_alphabetic)
}

/// The elements that are open at one place of a text.
#[derive(Default)]
struct Open {
    stack: Vec<Element>,
    roots: Vec<Node>,
    too_deep: usize,
}

impl Open {
    fn add(&mut self, node: Node) {
        self.stack.last_mut().map_or(&mut self.roots, |element| &mut element.children).push(node);
    }

    fn text(&mut self, text: &str) {
        let children = self.stack.last_mut().map_or(&mut self.roots, |element| &mut element.children);
        match children.last_mut() {
            Some(Node::Text(last)) => last.push_str(text),
            _ => children.push(Node::Text(text.to_owned())),
        }
    }

    fn begin(&mut self, element: Element) {
        if VOID.contains(&element.name.as_str()) {
            self.add(Node::Element(element));
        } else if self.stack.len() >= MAX_DEPTH {
            self.too_deep = self.too_deep.saturating_add(1);
        } else {
            self.stack.push(element);
        }
    }

    /// Ends the innermost element of this name, and what was left open in it.
    fn end(&mut self, name: &str) {
        if VOID.contains(&name) {
            return;
        }
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        if let Some(at) = self.stack.iter().rposition(|element| element.name == name) {
            self.end_above(at);
        }
    }

    fn end_above(&mut self, depth: usize) {
        while self.stack.len() > depth
            && let Some(element) = self.stack.pop()
        {
            self.add(Node::Element(element));
        }
    }

    fn finish(mut self) -> Vec<Node> {
        self.end_above(0);
        self.roots
    }
}

/// A text with its entities resolved, those of HTML, too; what is unknown stays as it is.
///
/// The table of quick-xml 0.41 tells wrong characters for some 440 of them, `&alpha;` and `&lstrok;` among them.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let name = after.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#').count();
        if let Some((name, after)) = after.split_at_checked(name)
            && let Some(after) = after.strip_prefix(';')
        {
            let (entity, mut letter) = (format!("&{name};"), String::new());
            add_html_token(&mut letter, entity.as_bytes(), false);
            let is_text = |letter: char| {
                letter != char::REPLACEMENT_CHARACTER
                    && (!letter.is_control() || letter.is_ascii_whitespace())
            };
            out.push_str(if letter.chars().all(is_text) { &letter } else { &entity });
            rest = after;
        } else {
            out.push('&');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// A text without what looks like tags.
fn stripped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        out.push_str(before);
        let Some((_, after)) = tag.split_once('>') else {
            out.push('<');
            rest = tag;
            break;
        };
        rest = after;
    }
    out.push_str(rest);
    out
}
