//! Text within a paragraph, as Markdown.

use super::tree::{Element, Node};

/// Elements that are not shown.
pub(super) const HIDDEN: [&str; 9] = [
    "ac:parameter",
    "ac:task-id",
    "ac:task-uuid",
    "ac:task-status",
    "ac:placeholder",
    "ac:adf-attribute",
    "ac:adf-node",
    "style",
    "script",
];

/// The schemes of links and images that are passed on; all else is shown without its address.
const SCHEMES: [&str; 4] = ["http", "https", "mailto", "ftp"];

/// A line break, as it is written within a paragraph.
pub(super) const BREAK: &str = "  \n";

/// The nodes as Markdown, with a blank at either end where there was white space.
pub(super) fn inline<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> String {
    let mut out = String::new();
    for node in nodes {
        match node {
            Node::Text(text) => add(&mut out, &escaped(&collapsed(text))),
            Node::Element(element) => add(&mut out, &of_element(element)),
        }
    }
    out
}

/// Adds a piece, with one blank between the two at most.
fn add(out: &mut String, piece: &str) {
    let is_double = out.ends_with(' ') && piece.starts_with(' ') && !piece.starts_with(BREAK);
    if is_double || out.ends_with(BREAK) {
        out.push_str(piece.trim_start_matches(' '));
    } else {
        out.push_str(piece);
    }
}

fn of_element(element: &Element) -> String {
    let within = || inline(&element.children);
    match element.name.as_str() {
        "strong" | "b" => marked("**", &within()),
        "em" | "i" => marked("*", &within()),
        "del" | "s" | "strike" => marked("~~", &within()),
        "span" if has_line_through(element) => marked("~~", &within()),
        "code" | "tt" | "kbd" | "samp" => code(&element.content()),
        "br" => BREAK.to_owned(),
        "a" => link(element.attribute("href"), &within()),
        "img" => image(element.attribute("alt"), element.attribute("src")),
        "ac:image" => confluence_image(element),
        "ac:link" => confluence_link(element),
        "ac:emoticon" => emoticon(element),
        "ac:structured-macro" | "ac:macro" => of_macro(element),
        "time" => escaped(&element.attribute("datetime").map_or_else(|| element.content(), str::to_owned)),
        name if HIDDEN.contains(&name) => String::new(),
        name if is_apart(name) => format!(" {} ", within().trim()),
        _ => within(),
    }
}

/// Blocks that stand within a line are kept from what is beside them.
fn is_apart(name: &str) -> bool {
    matches!(name, "p" | "div" | "li" | "td" | "th" | "tr" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}

fn has_line_through(span: &Element) -> bool {
    span.attribute("style").is_some_and(|style| style.contains("line-through"))
}

/// A macro within a line: its text, where it has any, or what it is about.
fn of_macro(element: &Element) -> String {
    if let Some(body) = element.child("ac:rich-text-body") {
        return inline(&body.children);
    }
    if let Some(body) = element.child("ac:plain-text-body") {
        return code(&body.content());
    }
    let about = match element.attribute("ac:name") {
        Some("status") => element.parameter("title"),
        Some("jira") => element.parameter("key"),
        _ => None,
    };
    about.map(|text| escaped(&collapsed(&text))).unwrap_or_default()
}

/// A link to what Confluence knows by itself. Such a thing has no address until it is shown, so its name stands for it.
fn confluence_link(element: &Element) -> String {
    let target = element.elements().find(|child| child.name.starts_with("ri:"));
    let body = element.elements().find_map(|child| match child.name.as_str() {
        "ac:link-body" => Some(inline(&child.children)),
        "ac:plain-text-link-body" => Some(escaped(&collapsed(&child.content()))),
        _ => None,
    });
    let body = body.filter(|body| !body.trim().is_empty());
    let Some(target) = target else {
        return body.or_else(|| element.attribute("ac:anchor").map(escaped)).unwrap_or_default();
    };
    if target.name == "ri:url" {
        let address = target.attribute("ri:value");
        return link(address, &body.unwrap_or_else(|| escaped(address.unwrap_or_default())));
    }
    body.or_else(|| name_of(target).map(|name| escaped(&name))).unwrap_or_default()
}

/// What a thing is called that Confluence refers to.
fn name_of(target: &Element) -> Option<String> {
    if target.name == "ri:user" {
        return target.attribute("ri:account-id").map(|id| format!("@{id}"));
    }
    let names = ["ri:content-title", "ri:filename", "ri:space-key", "ri:value", "ri:content-id"];
    names.iter().find_map(|name| target.attribute(name)).map(str::to_owned)
}

fn confluence_image(element: &Element) -> String {
    let alt = element.attribute("ac:alt").or(element.attribute("ac:title"));
    match element.elements().find(|child| child.name.starts_with("ri:")) {
        Some(target) if target.name == "ri:url" => image(alt, target.attribute("ri:value")),
        Some(target) => {
            let name = alt.map(str::to_owned).or_else(|| name_of(target));
            name.map(|name| escaped(&collapsed(&name))).unwrap_or_default()
        }
        None => alt.map(escaped).unwrap_or_default(),
    }
}

fn emoticon(element: &Element) -> String {
    let names = ["ac:emoji-fallback", "ac:emoji-shortname"];
    let shown = names.iter().find_map(|name| element.attribute(name)).map(str::to_owned);
    let shown = shown.or_else(|| element.attribute("ac:name").map(|name| format!(":{name}:")));
    shown.map(|text| escaped(&text)).unwrap_or_default()
}

/// Markdown's marks stand close to the text that they are of.
fn marked(mark: &str, within: &str) -> String {
    let text = within.trim();
    if text.is_empty() {
        return within.to_owned();
    }
    let blank = |is_there: bool| if is_there { " " } else { "" };
    let (before, after) = (blank(within.starts_with(' ')), blank(within.ends_with([' ', '\n'])));
    format!("{before}{mark}{text}{mark}{after}")
}

/// Code within a line: between more backticks than it has in a row.
pub(super) fn code(text: &str) -> String {
    let text = collapsed(text);
    if text.trim().is_empty() {
        return text;
    }
    let fence = "`".repeat(longest_run(&text, '`') + 1);
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{blank}{text}{blank}{fence}")
}

/// How often `letter` stands in a row at most.
pub(super) fn longest_run(text: &str, letter: char) -> usize {
    text.split(|other| other != letter).map(str::len).max().unwrap_or_default()
}

fn link(address: Option<&str>, within: &str) -> String {
    let text = within.trim();
    let Some(address) = address.filter(|address| is_safe(address)) else { return within.to_owned() };
    if text.is_empty() {
        return within.to_owned();
    }
    if text == escaped(address) && is_bare(address) {
        return format!("<{address}>");
    }
    format!("[{text}]({})", destination(address))
}

fn image(alt: Option<&str>, address: Option<&str>) -> String {
    let alt = alt.map(|alt| escaped(&collapsed(alt))).unwrap_or_default();
    match address.filter(|address| is_safe(address)) {
        Some(address) => format!("![{alt}]({})", destination(address)),
        None => alt,
    }
}

/// Whether an address leads somewhere, and runs nothing.
pub(super) fn is_safe(address: &str) -> bool {
    let scheme = address.split(['/', '?', '#']).next().and_then(|start| start.split_once(':'));
    let has_controls = address.chars().any(char::is_control);
    !has_controls
        && scheme.is_none_or(|(scheme, _)| SCHEMES.iter().any(|one| one.eq_ignore_ascii_case(scheme)))
}

/// Whether it can stand between angle brackets as it is.
fn is_bare(address: &str) -> bool {
    let is_whole = address.starts_with("http://") || address.starts_with("https://");
    is_whole && !address.contains([' ', '<', '>'])
}

fn destination(address: &str) -> String {
    let address = address.replace('<', "%3C").replace('>', "%3E");
    if address.contains([' ', '(', ')', '\\']) { format!("<{address}>") } else { address }
}

/// White space in a row is one blank, those that do not break, too.
fn collapsed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if !letter.is_whitespace() {
            out.push(letter);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}

/// A text that stands for itself in Markdown, wherever in a line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let after = letters.peek().copied().unwrap_or(' ');
        let is_mark = match letter {
            '`' | '*' | '[' | ']' => true,
            '\\' => after.is_ascii_punctuation() || letters.peek().is_none(),
            '_' => !(before.is_alphanumeric() && after.is_alphanumeric()),
            // Even one of them may strike through.
            '~' => !(before.is_whitespace() && after.is_whitespace()),
            '<' => after.is_ascii_alphabetic() || matches!(after, '/' | '!' | '?'),
            '&' => after.is_ascii_alphanumeric() || after == '#',
            _ => false,
        };
        if is_mark {
            out.push('\\');
        }
        out.push(letter);
        before = letter;
    }
    out
}
