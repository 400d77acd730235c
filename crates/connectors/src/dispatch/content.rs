//! What is done with the bytes of items.

use crate::connector::Operation;
use crate::content::{File, WantedContent};
use crate::{Asker, Connectors, Done, Error};

impl Connectors {
    /// The bytes of an item. What is on record is that they began to come.
    pub async fn content(
        &self,
        asker: &Asker,
        id: &str,
        item: &str,
        wanted: &WantedContent,
    ) -> Result<Done<File>, Error> {
        let ready = self.ready(asker, id, Operation::Content, false).await?;
        let work = ready.content()?.content(&ready.context, item, wanted);
        let file = self.begin(asker, &ready).finish(work).await?;
        Ok(ready.done(file))
    }
}
