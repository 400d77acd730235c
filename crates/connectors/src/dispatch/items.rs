//! What is done with items.

use serde_json::{Map, Value};

use crate::connector::Operation;
use crate::{Asker, Connectors, Done, Error, Item, Items, Wanted};

impl Connectors {
    /// A page of items.
    pub async fn list_items(&self, asker: &Asker, id: &str, wanted: &Wanted) -> Result<Done<Items>, Error> {
        let turn = self.turn(asker, id, (Operation::List, ""), wanted).await?;
        let work = turn.ready.data()?.list(&turn.ready.context, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }

    /// A page of the items that `query` finds, in the vendor's own words.
    pub async fn search(
        &self,
        asker: &Asker,
        id: &str,
        query: &str,
        wanted: &Wanted,
    ) -> Result<Done<Items>, Error> {
        let turn = self.turn(asker, id, (Operation::Search, query), wanted).await?;
        let work = turn.ready.data()?.search(&turn.ready.context, query, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }

    /// An item.
    pub async fn item(&self, asker: &Asker, id: &str, item: &str, raw: bool) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::Get, raw).await?;
        let found = self.begin(asker, &ready).finish(ready.data()?.get(&ready.context, item)).await?;
        Ok(ready.done(found))
    }

    /// Makes an item of `fields`.
    pub async fn create(
        &self,
        asker: &Asker,
        id: &str,
        fields: &Map<String, Value>,
    ) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::Create, false).await?;
        let made = self.begin(asker, &ready).finish(ready.data()?.create(&ready.context, fields)).await?;
        Ok(ready.done(made))
    }

    /// Changes `fields` of an item.
    pub async fn update(
        &self,
        asker: &Asker,
        id: &str,
        item: &str,
        fields: &Map<String, Value>,
    ) -> Result<Done<Item>, Error> {
        let ready = self.ready(asker, id, Operation::Update, false).await?;
        let changed =
            self.begin(asker, &ready).finish(ready.data()?.update(&ready.context, item, fields)).await?;
        Ok(ready.done(changed))
    }

    /// Deletes an item.
    pub async fn delete(&self, asker: &Asker, id: &str, item: &str) -> Result<Done<()>, Error> {
        let ready = self.ready(asker, id, Operation::Delete, false).await?;
        self.begin(asker, &ready).finish(ready.data()?.delete(&ready.context, item)).await?;
        Ok(ready.done(()))
    }
}
