//! What is done with what items stand in.

use crate::connector::Operation;
use crate::containers::Container;
use crate::{Asker, Connectors, Done, Error, Page, Wanted};

impl Connectors {
    /// A page of what items stand in.
    pub async fn containers(
        &self,
        asker: &Asker,
        id: &str,
        wanted: &Wanted,
    ) -> Result<Done<Page<Container>>, Error> {
        let turn = self.turn(asker, id, (Operation::Containers, ""), wanted).await?;
        let work = turn.ready.containers()?.containers(&turn.ready.context, &turn.listing);
        let page = self.turned(asker, &turn, work).await?;
        Ok(turn.ready.done(page))
    }
}
