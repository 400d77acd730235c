//! What is done with connectors by which people talk.

use crate::communication::{Channel, Conversation, Member, NewMessage};
use crate::connector::Operation;
use crate::{Asker, Connectors, Done, Error, Item, Items, Page, Wanted};

impl Connectors {
    /// A page of channels.
    pub async fn channels(
        &self,
        asker: &Asker,
        id: &str,
        wanted: &Wanted,
    ) -> Result<Done<Page<Channel>>, Error> {
        let turn = self.turn(asker, id, (Operation::Channels, ""), wanted).await?;
        let work = turn.ready.communication()?.channels(&turn.ready.context, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }

    /// A channel.
    pub async fn channel(
        &self,
        asker: &Asker,
        id: &str,
        channel: &str,
        raw: bool,
    ) -> Result<Done<Channel>, Error> {
        let ready = self.ready(asker, id, Operation::Channel, raw).await?;
        let work = ready.communication()?.channel(&ready.context, channel);
        let found = self.begin(asker, &ready).finish(work).await?;
        Ok(ready.done(found))
    }

    /// A page of the messages of a channel, or of a thread in it.
    pub async fn messages(
        &self,
        asker: &Asker,
        id: &str,
        of: &Conversation,
        wanted: &Wanted,
    ) -> Result<Done<Items>, Error> {
        // JSON keeps the parts apart; texts can always be written.
        let about = serde_json::to_string(&(&of.channel, &of.thread)).unwrap_or_default();
        let turn = self.turn(asker, id, (Operation::Messages, &about), wanted).await?;
        let work = turn.ready.communication()?.messages(&turn.ready.context, of, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }

    /// Sends a message.
    pub async fn send_message(
        &self,
        asker: &Asker,
        id: &str,
        message: &NewMessage,
    ) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::SendMessage, false).await?;
        let work = ready.communication()?.send_message(&ready.context, message);
        let sent = self.begin(asker, &ready).finish(work).await?;
        Ok(ready.done(sent))
    }

    /// A page of the people there.
    pub async fn users(&self, asker: &Asker, id: &str, wanted: &Wanted) -> Result<Done<Page<Member>>, Error> {
        let turn = self.turn(asker, id, (Operation::Users, ""), wanted).await?;
        let work = turn.ready.communication()?.users(&turn.ready.context, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }
}
