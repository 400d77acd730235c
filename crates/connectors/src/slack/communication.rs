//! Channels, messages and members.

use async_trait::async_trait;
use serde_json::Value;

use super::calls::{Form, list, next, page, read};
use super::connector::SlackConnector;
use super::description::READ;
use super::fields::of_message;
use super::message::{is_id, item};
use super::moment::is_stamp;
use super::people::{channel, member};
use crate::communication::{Channel, Communication, Conversation, Member, NewMessage};
use crate::connector::Listing;
use crate::{Context, Error, Item, Items, Page};

/// The kinds of channels that `conversations.list` can be asked for, each with the scope that it needs, in the order of
/// [`READ`].
const KINDS: [&str; 4] = ["public_channel", "private_channel", "im", "mpim"];

/// The kinds that this grant lets be seen: Slack refuses the whole call for one that it does not.
fn kinds(scopes: &[String]) -> String {
    let granted = |(scope, _): &(&&str, &str)| scopes.iter().any(|granted| granted == **scope);
    let kinds: Vec<&str> = READ.iter().zip(KINDS).filter(granted).map(|(_, kind)| kind).collect();
    kinds.join(",")
}

impl SlackConnector {
    /// A page of the messages of a channel, or of a thread in it, between two moments.
    pub(super) async fn history(
        &self,
        context: &Context,
        of: &Conversation,
        between: [(&'static str, Option<String>); 2],
        listing: &Listing,
    ) -> Result<Items, Error> {
        if !is_id(&of.channel) {
            return Err(Error::not_found("channel", &of.channel));
        }
        let mut form = page(listing);
        form.push(("channel", of.channel.clone()));
        let moments = between.into_iter();
        form.extend(moments.filter_map(|(name, moment)| Some((name, moment?))));
        let (method, what, id) = match &of.thread {
            Some(thread) => {
                let ts = thread.rsplit(':').next().filter(|ts| is_stamp(ts));
                form.push(("ts", ts.ok_or_else(|| Error::not_found("thread", thread))?.to_owned()));
                ("conversations.replies", "thread", thread)
            }
            None => ("conversations.history", "channel", &of.channel),
        };
        let request = read(&self.api(context), method, &form).about(what, id);
        let mut answer: Value = request.value().await?;
        let messages = list(&mut answer, "/messages").into_iter();
        Ok(Page::of(messages.map(|message| item(&of.channel, message, context.raw)), next(&answer)))
    }
}

#[async_trait]
impl Communication for SlackConnector {
    async fn channels(&self, context: &Context, listing: &Listing) -> Result<Page<Channel>, Error> {
        let mut form = page(listing);
        form.push(("types", kinds(context.scopes())));
        let mut answer: Value = read(&self.api(context), "conversations.list", &form).value().await?;
        let channels = list(&mut answer, "/channels").into_iter();
        Ok(Page::of(channels.map(|each| channel(each, context.raw)), next(&answer)))
    }

    async fn channel(&self, context: &Context, id: &str) -> Result<Channel, Error> {
        if !is_id(id) {
            return Err(Error::not_found("channel", id));
        }
        let form: Form = vec![("channel", id.to_owned()), ("include_num_members", "true".to_owned())];
        let request = read(&self.api(context), "conversations.info", &form).about("channel", id);
        let mut answer: Value = request.value().await?;
        Ok(channel(answer.pointer_mut("/channel").map(Value::take).unwrap_or_default(), context.raw))
    }

    async fn messages(
        &self,
        context: &Context,
        of: &Conversation,
        listing: &Listing,
    ) -> Result<Items, Error> {
        self.history(context, of, [("oldest", None), ("latest", None)], listing).await
    }

    async fn send_message(&self, context: &Context, message: &NewMessage) -> Result<Item, Error> {
        self.post(context, &of_message(message)?).await
    }

    async fn users(&self, context: &Context, listing: &Listing) -> Result<Page<Member>, Error> {
        let mut answer: Value = read(&self.api(context), "users.list", &page(listing)).value().await?;
        let members = list(&mut answer, "/members").into_iter();
        Ok(Page::of(members.map(|each| member(each, context.raw)), next(&answer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kinds_that_were_granted_are_asked_for() {
        let of = |scopes: &[&str]| kinds(&scopes.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["chat:write", "channels:read"]), "public_channel");
        assert_eq!(of(&["im:read", "groups:read", "channels:read"]), "public_channel,private_channel,im");
        assert_eq!(of(READ), KINDS.join(","));
    }
}
