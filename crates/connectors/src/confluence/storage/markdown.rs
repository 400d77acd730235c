//! Markdown in the storage format.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use quick_xml::escape::escape;

use super::inline::is_safe;

/// The most bytes that come of a text: little Markdown may describe a large table.
const MAX_STORAGE: usize = 5 * 1024 * 1024;

/// The storage format of `markdown` (CommonMark with tables and strikethrough). HTML in it is no markup but text. `None` for
/// what would become too large.
pub(in crate::confluence) fn of_markdown(markdown: &str) -> Option<String> {
    let mut writer = Writer::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        writer.event(event);
        if writer.out.len() > MAX_STORAGE {
            return None;
        }
    }
    Some(writer.out)
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Whether the cells are those of a heading.
    is_heading: bool,
    /// The code of the block that is open.
    code: Option<String>,
    /// The address of the image that is open, and what is to be read instead of it.
    image: Option<(String, String)>,
    /// How many images are open: one within another is but its text.
    images: usize,
    /// For each link that is open, whether it leads anywhere.
    links: Vec<bool>,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Code(code) if self.image.is_none() => {
                self.out.extend(["<code>", &plain(&code), "</code>"]);
            }
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::Code(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.text(&text),
            Event::SoftBreak => self.text("\n"),
            Event::HardBreak if self.image.is_none() => self.out.push_str("<br />"),
            Event::HardBreak => self.text(" "),
            Event::Rule => self.out.push_str("<hr />"),
            Event::TaskListMarker(is_done) => self.text(if is_done { "[x] " } else { "[ ] " }),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some((_, alt)) = &mut self.image {
            alt.push_str(text);
        } else if let Some(code) = &mut self.code {
            code.push_str(text);
        } else {
            self.out.push_str(&plain(text));
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::CodeBlock(kind) => {
                self.out.push_str("<ac:structured-macro ac:name=\"code\" ac:schema-version=\"1\">");
                if let CodeBlockKind::Fenced(info) = kind
                    && let Some(language) = language(&info)
                {
                    self.out.extend([
                        "<ac:parameter ac:name=\"language\">",
                        &plain(language),
                        "</ac:parameter>",
                    ]);
                }
                self.code = Some(String::new());
            }
            Tag::Image { dest_url, .. } => {
                self.images += 1;
                self.image.get_or_insert_with(|| (dest_url.into_string(), String::new()));
            }
            // What is read instead of an image has no markup.
            _ if self.image.is_some() => {}
            Tag::Link { dest_url, .. } => {
                let leads = is_safe(&dest_url);
                self.links.push(leads);
                if leads {
                    self.out.extend(["<a href=\"", &plain(&dest_url), "\">"]);
                }
            }
            Tag::List(Some(start)) if start != 1 => {
                self.out.extend(["<ol start=\"", &start.to_string(), "\">"]);
            }
            tag => {
                self.is_heading |= matches!(tag, Tag::TableHead);
                let name = self.name(tag.to_end());
                self.out.push_str(name.0);
            }
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                let code =
                    allowed(code.strip_suffix('\n').unwrap_or(&code)).replace("]]>", "]]]]><![CDATA[>");
                let end = "]]></ac:plain-text-body></ac:structured-macro>";
                self.out.extend(["<ac:plain-text-body><![CDATA[", &code, end]);
            }
            TagEnd::Image => {
                self.images = self.images.saturating_sub(1);
                if self.images == 0
                    && let Some((address, alt)) = self.image.take()
                {
                    self.image(&address, &alt);
                }
            }
            _ if self.image.is_some() => {}
            TagEnd::Link => {
                if self.links.pop() == Some(true) {
                    self.out.push_str("</a>");
                }
            }
            tag => {
                let name = self.name(tag);
                self.out.push_str(name.1);
                self.is_heading &= !matches!(tag, TagEnd::TableHead);
            }
        }
    }

    /// An image from elsewhere; what is none of the web has no place on a page but its text.
    fn image(&mut self, address: &str, alt: &str) {
        let lower = address.to_ascii_lowercase();
        if !lower.starts_with("https://") && !lower.starts_with("http://") {
            self.out.push_str(&plain(alt));
            return;
        }
        let (address, alt) = (plain(address), plain(alt));
        self.out.extend([
            "<ac:image ac:alt=\"",
            &alt,
            "\"><ri:url ri:value=\"",
            &address,
            "\" /></ac:image>",
        ]);
    }

    /// What an element begins and ends with.
    fn name(&self, tag: TagEnd) -> (&'static str, &'static str) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => ("<p>", "</p>"),
            TagEnd::Heading(level) => match level as usize {
                1 => ("<h1>", "</h1>"),
                2 => ("<h2>", "</h2>"),
                3 => ("<h3>", "</h3>"),
                4 => ("<h4>", "</h4>"),
                5 => ("<h5>", "</h5>"),
                _ => ("<h6>", "</h6>"),
            },
            TagEnd::BlockQuote(_) => ("<blockquote>", "</blockquote>"),
            TagEnd::List(true) => ("<ol>", "</ol>"),
            TagEnd::List(false) => ("<ul>", "</ul>"),
            TagEnd::Item => ("<li>", "</li>"),
            TagEnd::Table => ("<table><tbody>", "</tbody></table>"),
            TagEnd::TableHead | TagEnd::TableRow => ("<tr>", "</tr>"),
            TagEnd::TableCell if self.is_heading => ("<th>", "</th>"),
            TagEnd::TableCell => ("<td>", "</td>"),
            TagEnd::Emphasis => ("<em>", "</em>"),
            TagEnd::Strong => ("<strong>", "</strong>"),
            TagEnd::Strikethrough => ("<span style=\"text-decoration: line-through;\">", "</span>"),
            _ => ("", ""),
        }
    }
}

/// The language that a fence names, if it can be the name of one.
fn language(info: &str) -> Option<&str> {
    let word = info.split([' ', ',', '{']).next()?;
    let is_name =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '#' | '-' | '_' | '.');
    (!word.is_empty() && word.len() <= 32 && word.chars().all(is_name)).then_some(word)
}

/// Text that is no markup.
fn plain(text: &str) -> String {
    escape(allowed(text)).into_owned()
}

/// Without the characters that XML 1.0 has no place for (section 2.2).
fn allowed(text: &str) -> String {
    let is_allowed = |letter: &char| !matches!(letter, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    text.chars().filter(is_allowed).collect()
}
