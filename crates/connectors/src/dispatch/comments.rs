//! What is done with what people say about items.

use crate::connector::Operation;
use crate::{Asker, Connectors, Done, Error, Item, Items, Wanted};

impl Connectors {
    /// A page of the comments on an item.
    pub async fn comments(
        &self,
        asker: &Asker,
        id: &str,
        item: &str,
        wanted: &Wanted,
    ) -> Result<Done<Items>, Error> {
        let turn = self.turn(asker, id, (Operation::Comments, item), wanted).await?;
        let work = turn.ready.comments()?.comments(&turn.ready.context, item, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }

    /// Adds a comment to an item, in Markdown.
    pub async fn add_comment(
        &self,
        asker: &Asker,
        id: &str,
        item: &str,
        text: &str,
    ) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::AddComment, false).await?;
        let work = ready.comments()?.add_comment(&ready.context, item, text);
        let added = self.begin(asker, &ready).finish(work).await?;
        Ok(ready.done(added))
    }
}
