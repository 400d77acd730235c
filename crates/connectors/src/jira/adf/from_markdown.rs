//! Markdown as Jira's rich text.

use pulldown_cmark::{BlockQuoteKind, CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};
use serde_json::Value;

use super::OPTIONS;
use super::builder::{Builder, Kind, Mark};

/// The document that the Markdown means. HTML in it stays as it is written, but for line breaks.
pub(in crate::jira) fn from_markdown(text: &str) -> Value {
    let mut builder = Builder::default();
    for event in Parser::new_ext(text, OPTIONS) {
        take(&mut builder, event);
    }
    builder.finish()
}

fn take(builder: &mut Builder, event: Event<'_>) {
    match event {
        Event::Start(tag) => start(builder, tag),
        Event::End(tag) => end(builder, tag),
        Event::Code(text) => builder.code(&text),
        Event::InlineHtml(tag) if is_break(&tag) => builder.hard_break(),
        Event::SoftBreak => builder.text(" "),
        Event::HardBreak => builder.hard_break(),
        Event::Rule => builder.rule(),
        Event::TaskListMarker(is_done) => builder.task(is_done),
        Event::Text(text)
        | Event::Html(text)
        | Event::InlineHtml(text)
        // Of extensions that are not asked for.
        | Event::InlineMath(text)
        | Event::DisplayMath(text)
        | Event::FootnoteReference(text) => builder.text(&text),
    }
}

fn is_break(tag: &str) -> bool {
    matches!(tag.to_ascii_lowercase().as_str(), "<br>" | "<br/>" | "<br />")
}

fn start(builder: &mut Builder, tag: Tag<'_>) {
    match tag {
        Tag::Paragraph | Tag::HtmlBlock => builder.begin(Kind::Paragraph),
        Tag::Heading { level, .. } => builder.begin(Kind::Heading(number(level))),
        Tag::BlockQuote(None) => builder.begin(Kind::Quote),
        Tag::BlockQuote(Some(alert)) => builder.begin(Kind::Panel(panel(alert))),
        Tag::CodeBlock(CodeBlockKind::Fenced(info)) => {
            let language = info.split_whitespace().next().unwrap_or_default();
            builder.begin(Kind::Code(language.to_owned()));
        }
        Tag::CodeBlock(CodeBlockKind::Indented) => builder.begin(Kind::Code(String::new())),
        Tag::List(first) => builder.begin(Kind::List(first)),
        Tag::Item => builder.begin(Kind::Item),
        Tag::Table(_) => builder.begin(Kind::Table),
        Tag::TableHead => builder.begin(Kind::Row { is_head: true }),
        Tag::TableRow => builder.begin(Kind::Row { is_head: false }),
        Tag::TableCell => builder.begin(Kind::Cell),
        Tag::Emphasis => builder.mark(Mark::Emphasis),
        Tag::Strong => builder.mark(Mark::Strong),
        Tag::Strikethrough => builder.mark(Mark::Strike),
        Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => builder.link(&dest_url),
        // Of extensions that are not asked for.
        _ => {}
    }
}

fn end(builder: &mut Builder, tag: TagEnd) {
    match tag {
        TagEnd::Emphasis => builder.unmark(Mark::Emphasis),
        TagEnd::Strong => builder.unmark(Mark::Strong),
        TagEnd::Strikethrough => builder.unmark(Mark::Strike),
        TagEnd::Link | TagEnd::Image => builder.end_link(),
        TagEnd::Paragraph
        | TagEnd::HtmlBlock
        | TagEnd::Heading(_)
        | TagEnd::BlockQuote(_)
        | TagEnd::CodeBlock
        | TagEnd::List(_)
        | TagEnd::Item
        | TagEnd::Table
        | TagEnd::TableHead
        | TagEnd::TableRow
        | TagEnd::TableCell => builder.end(),
        _ => {}
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

fn panel(alert: BlockQuoteKind) -> &'static str {
    match alert {
        BlockQuoteKind::Note => "info",
        BlockQuoteKind::Tip => "success",
        BlockQuoteKind::Important => "note",
        BlockQuoteKind::Warning => "warning",
        BlockQuoteKind::Caution => "error",
    }
}
