//! The labels of a mailbox: <https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.labels>

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Map;

use super::connector::{GmailConnector, path};
use crate::answer::{Whole, put};
use crate::connector::Listing;
use crate::containers::{Container, Containers};
use crate::{Context, Error, Page};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Labels {
    labels: Vec<Whole<Label>>,
}

/// A label. Its counts and its color are told where Gmail tells them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Label {
    id: String,
    #[serde(default)]
    name: String,
    /// `system` or `user`.
    #[serde(rename = "type")]
    owner: Option<String>,
    #[serde(rename = "messageListVisibility")]
    among_messages: Option<String>,
    #[serde(rename = "labelListVisibility")]
    among_labels: Option<String>,
    messages_total: Option<u64>,
    messages_unread: Option<u64>,
    threads_total: Option<u64>,
    threads_unread: Option<u64>,
    #[serde(default)]
    color: Color,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Color {
    text_color: Option<String>,
    background_color: Option<String>,
}

#[async_trait]
impl Containers for GmailConnector {
    /// All labels at once, however many are asked for: Gmail has no pages of them.
    async fn containers(&self, context: &Context, _: &Listing) -> Result<Page<Container>, Error> {
        let labels: Labels = self.api(context).get(path(&["labels"])).json().await?;
        let items: Vec<Container> =
            labels.labels.into_iter().map(|label| container(label, context.raw)).collect();
        Ok(Page { total: u64::try_from(items.len()).ok(), items, next: None })
    }
}

fn container(Whole { known: label, raw }: Whole<Label>, is_raw: bool) -> Container {
    let mut extra = Map::new();
    put(&mut extra, "type", label.owner);
    put(&mut extra, "message_list_visibility", label.among_messages);
    put(&mut extra, "label_list_visibility", label.among_labels);
    put(&mut extra, "messages", label.messages_total);
    put(&mut extra, "unread_messages", label.messages_unread);
    put(&mut extra, "threads", label.threads_total);
    put(&mut extra, "unread_threads", label.threads_unread);
    put(&mut extra, "text_color", label.color.text_color);
    put(&mut extra, "background_color", label.color.background_color);
    Container {
        id: label.id,
        kind: "label",
        name: label.name,
        extra,
        raw: raw.when(is_raw),
        ..Container::default()
    }
}
