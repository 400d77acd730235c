//! The storage format, in which Confluence keeps what pages and comments say: XHTML with elements of its own
//! (<https://confluence.atlassian.com/doc/confluence-storage-format-790796544.html>). Read as Markdown, and written from it.

mod blocks;
mod inline;
mod markdown;
mod tables;
mod tree;

#[cfg(test)]
mod tests;

pub(super) use blocks::text;
pub(super) use markdown::of_markdown;

/// What the search shows of a page, without the marks around what it has found.
pub(super) fn excerpt(text: &str) -> String {
    let plain = text.replace("@@@hl@@@", "").replace("@@@endhl@@@", "");
    tree::unescaped(&plain).split_whitespace().collect::<Vec<_>>().join(" ")
}
