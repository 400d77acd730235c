//! Jira's rich text as Markdown, and Markdown as Jira's rich text:
//! <https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/>.
//!
//! Markdown is CommonMark with GitHub's tables, strikethrough, task lists and alerts (`> [!NOTE]`, which are Jira's panels). Text
//! survives both ways, whatever stands in it; of what Markdown has no words for, such as colours, only the text does. Both ways
//! have a bound on how deep things may stand in each other: what stands deeper is as if it stood at the bound.

mod builder;
mod fit;
mod from_markdown;
mod inline;
mod markdown_text;
mod table;
mod to_markdown;

#[cfg(test)]
mod generated;
#[cfg(test)]
mod tests;

pub(super) use from_markdown::from_markdown;
pub(super) use to_markdown::to_markdown;

use pulldown_cmark::Options;
use serde_json::{Map, Value};

/// How deep nodes may stand in each other. `serde_json` reads 128 levels, and each node is two of them.
const MAX_DEPTH: usize = 40;

/// The most bytes of Markdown that are made of a document; Jira keeps 32,767 characters of a field unless its operator says
/// otherwise.
const MAX_MARKDOWN: usize = 1024 * 1024;

/// What Markdown may hold here, beyond CommonMark.
const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_GFM);

/// A node. What stands in it is moved there: the macro of `serde_json` would copy it on each level anew.
fn node(kind: &str, attributes: Option<Value>, content: Vec<Value>) -> Value {
    let mut node = Map::new();
    node.insert("type".to_owned(), kind.into());
    if let Some(attributes) = attributes {
        node.insert("attrs".to_owned(), attributes);
    }
    node.insert("content".to_owned(), content.into());
    node.into()
}
