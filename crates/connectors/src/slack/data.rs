//! Messages as items: listed by channel, read, sent, changed, deleted, searched.

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::calls::{Form, list, next, read, text, write};
use super::connector::SlackConnector;
use super::description::{AFTER, BEFORE, CHANNEL, SEARCH_CONTEXT, THREAD};
use super::fields::{changed, made};
use super::message::{MessageId, found, found_in_context, item};
use super::moment::stamp;
use crate::communication::Conversation;
use crate::connector::{Data, Listing};
use crate::filters::only;
use crate::{Context, Error, Item, Items, Page};

/// The most that a page of either search has.
const MAX_FOUND: u32 = 100;
const MAX_FOUND_IN_CONTEXT: u32 = 20;

/// The last page that `search.messages` gives.
const MAX_PAGES: u64 = 100;

impl SlackConnector {
    /// Sends a message.
    pub(super) async fn post(&self, context: &Context, form: &Form) -> Result<Item, Error> {
        let channel = form.iter().find(|(name, _)| *name == "channel").map_or("", |(_, id)| id);
        let request = write(&self.api(context), "chat.postMessage", form).about("channel", channel);
        Ok(sent(channel, request.value().await?, context.raw))
    }

    /// The message of this time stamp among those that `method` gives.
    async fn one(
        &self,
        context: &Context,
        id: &MessageId,
        method: &'static str,
        form: Form,
    ) -> Result<Option<Item>, Error> {
        let shown = format!("{}:{}", id.channel, id.ts);
        let mut answer: Value =
            read(&self.api(context), method, &form).about("message", &shown).value().await?;
        let messages = list(&mut answer, "/messages").into_iter();
        let meant = |message: &Value| message.get("ts").is_some_and(|ts| *ts == id.ts);
        Ok(messages.into_iter().find(meant).map(|message| item(&id.channel, message, context.raw)))
    }

    async fn search_messages(
        &self,
        context: &Context,
        query: &str,
        listing: &Listing,
    ) -> Result<Items, Error> {
        let Numbered { page, count } = Numbered::of(listing)?;
        let form: Form = vec![
            ("query", query.to_owned()),
            ("count", count.to_string()),
            ("sort", "timestamp".to_owned()),
            ("page", page.to_string()),
        ];
        let mut answer: Value = read(&self.api(context), "search.messages", &form).value().await?;
        let matches = list(&mut answer, "/messages/matches").into_iter();
        let pages = answer.pointer("/messages/paging/pages").and_then(Value::as_u64).unwrap_or(1);
        Ok(Page {
            items: matches.map(|message| found(message, context.raw)).collect(),
            total: answer.pointer("/messages/total").and_then(Value::as_u64),
            next: (page < pages.min(MAX_PAGES)).then(|| Numbered { page: page + 1, count }.to_string()),
        })
    }

    async fn search_context(
        &self,
        context: &Context,
        query: &str,
        listing: &Listing,
    ) -> Result<Items, Error> {
        let mut form: Form = vec![
            ("query", query.to_owned()),
            ("content_types", "messages".to_owned()),
            ("channel_types", searched(context.scopes())),
            ("limit", listing.max_results.min(MAX_FOUND_IN_CONTEXT).to_string()),
        ];
        form.extend(listing.cursor.clone().map(|cursor| ("cursor", cursor)));
        let mut answer: Value = read(&self.api(context), "assistant.search.context", &form).value().await?;
        let matches = list(&mut answer, "/results/messages").into_iter();
        Ok(Page::of(matches.map(|message| found_in_context(message, context.raw)), next(&answer)))
    }
}

/// A page by its number, from 1, among pages of `count` messages. Where it begins depends on both, so the next page is asked
/// for with the count of the first, whatever the caller then says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbered {
    page: u64,
    count: u32,
}

impl Numbered {
    /// The page that is asked for.
    ///
    /// # Errors
    /// [`Error::PageToken`] for a cursor that is none of these.
    fn of(listing: &Listing) -> Result<Self, Error> {
        let Some(cursor) = listing.cursor.as_deref() else {
            return Ok(Self { page: 1, count: listing.max_results.min(MAX_FOUND) });
        };
        let parts = cursor
            .split_once(':')
            .and_then(|(page, count)| Some(Self { page: page.parse().ok()?, count: count.parse().ok()? }));
        parts.ok_or(Error::PageToken { parameter: "page_token" })
    }
}

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.page, self.count)
    }
}

/// The kinds of channels that this grant lets be searched.
fn searched(scopes: &[String]) -> String {
    let kinds = [
        (SEARCH_CONTEXT, "public_channel"),
        ("search:read.private", "private_channel"),
        ("search:read.im", "im"),
        ("search:read.mpim", "mpim"),
    ];
    let granted = kinds.into_iter().filter(|(scope, _)| scopes.iter().any(|granted| granted == scope));
    granted.map(|(_, kind)| kind).collect::<Vec<_>>().join(",")
}

/// What a call that writes gives back, as an item.
fn sent(channel: &str, mut answer: Value, raw: bool) -> Item {
    let channel = text(&answer, "/channel").unwrap_or_else(|| channel.to_owned());
    let ts = answer.get("ts").cloned();
    let mut message = answer.get_mut("message").map(Value::take).unwrap_or_default();
    // What an update gives back has the text, but not always the time stamp.
    if let (Some(fields), Some(ts)) = (message.as_object_mut(), ts) {
        fields.entry("ts").or_insert(ts);
    }
    item(&channel, message, raw)
}

/// A moment that a filter names.
fn moment(listing: &Listing, filter: &'static str) -> Result<Option<String>, Error> {
    let Some(given) = listing.filter(filter) else { return Ok(None) };
    let moment = stamp(given).ok_or_else(|| {
        let detail = format!("{filter} must be like 2026-11-21T15:00:00Z or 1700000000.000100");
        Error::invalid("", detail)
    })?;
    Ok(Some(moment))
}

#[async_trait]
impl Data for SlackConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        let channel = listing.filter(CHANNEL).ok_or_else(|| {
            let detail = "channel must say of which channel the messages are; GET /api/v1/unified/slack/channels lists \
                          those there are";
            Error::invalid("", detail)
        })?;
        let of =
            Conversation { channel: channel.to_owned(), thread: listing.filter(THREAD).map(str::to_owned) };
        let between = [("oldest", moment(listing, AFTER)?), ("latest", moment(listing, BEFORE)?)];
        self.history(context, &of, between, listing).await
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        let message = MessageId::parse(id)?;
        let at = |limit: &str| -> Form {
            let MessageId { channel, ts } = &message;
            let fields = [("limit", limit), ("channel", channel), ("oldest", ts), ("latest", ts)];
            let fields = fields.into_iter().chain([("inclusive", "true")]);
            fields.map(|(name, value)| (name, value.to_owned())).collect()
        };
        if let Some(found) = self.one(context, &message, "conversations.history", at("1")).await? {
            return Ok(found);
        }
        // An answer within a thread is not in the channel's history. In the thread, what began it may come before the answer,
        // whatever the moments are.
        let mut form = at("2");
        form.push(("ts", message.ts.clone()));
        let found = self.one(context, &message, "conversations.replies", form).await?;
        found.ok_or_else(|| Error::not_found("message", id))
    }

    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error> {
        self.post(context, &made(fields)?).await
    }

    async fn update(&self, context: &Context, id: &str, fields: &Map<String, Value>) -> Result<Item, Error> {
        let message = MessageId::parse(id)?;
        let mut form = changed(fields)?;
        form.extend([("channel", message.channel.clone()), ("ts", message.ts)]);
        // The same text a second time changes nothing.
        let request = read(&self.api(context), "chat.update", &form).about("message", id);
        Ok(sent(&message.channel, request.value().await?, context.raw))
    }

    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error> {
        let MessageId { channel, ts } = MessageId::parse(id)?;
        let form: Form = vec![("channel", channel), ("ts", ts)];
        write(&self.api(context), "chat.delete", &form).about("message", id).done().await
    }

    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        only(listing, &[], "say it in the query, as in in:#general after:2026-11-01")?;
        if context.scopes().iter().any(|scope| scope == SEARCH_CONTEXT) {
            self.search_context(context, query, listing).await
        } else {
            self.search_messages(context, query, listing).await
        }
    }
}
