//! What every operation is preceded and followed by: finding the connection and the credential, opening and sealing page
//! tokens, and noting that it was done.

use std::sync::Arc;

use connections::connection::{Connection, CredentialKey, Status};

use crate::activity::Use;
use crate::comments::Comments;
use crate::communication::Communication;
use crate::connector::{Connector, Data, Description, Lacking, Listing, Operation, Surfaces};
use crate::containers::Containers;
use crate::content::Content;
use crate::item::Identified;
use crate::page_token::{Binding, Place};
use crate::parameters::filters;
use crate::project::Project;
use crate::{Acting, Asker, Connectors, Context, Done, Error, Kept, Page, Wanted, reconnect};

/// A connector with all that an operation needs.
pub(crate) struct Ready<'a> {
    connector: &'a dyn Connector,
    pub(crate) description: &'static Description,
    pub(crate) operation: Operation,
    pub(crate) context: Context,
}

impl<'a> Ready<'a> {
    pub(crate) fn done<T>(self, result: T) -> Done<T> {
        Done { connection: self.context.connection, description: self.description, result }
    }

    fn surface<T: ?Sized>(&self, of: impl FnOnce(Surfaces<'a>) -> Option<&'a T>) -> Result<&'a T, Error> {
        of(self.connector.surfaces()).ok_or_else(|| self.description.cannot(self.operation))
    }

    pub(crate) fn data(&self) -> Result<&'a dyn Data, Error> {
        self.surface(|surfaces| surfaces.data)
    }

    pub(crate) fn containers(&self) -> Result<&'a dyn Containers, Error> {
        self.surface(|surfaces| surfaces.containers)
    }

    pub(crate) fn content(&self) -> Result<&'a dyn Content, Error> {
        self.surface(|surfaces| surfaces.content)
    }

    pub(crate) fn comments(&self) -> Result<&'a dyn Comments, Error> {
        self.surface(|surfaces| surfaces.comments)
    }

    pub(crate) fn communication(&self) -> Result<&'a dyn Communication, Error> {
        self.surface(|surfaces| surfaces.communication)
    }

    pub(crate) fn project(&self) -> Result<&'a dyn Project, Error> {
        self.surface(|surfaces| surfaces.project)
    }
}

/// What a page is asked for with.
pub(crate) struct Turn<'a> {
    pub(crate) ready: Ready<'a>,
    pub(crate) listing: Listing,
    /// What the list is of beside its filters: a query, a channel, a project.
    pub(crate) about: String,
    pub(crate) before: Option<Place>,
}

impl Connectors {
    /// Finds all that a page needs: `about` says of what it is a list, besides its filters.
    pub(crate) async fn turn(
        &self,
        asker: &Asker,
        id: &str,
        (operation, about): (Operation, &str),
        wanted: &Wanted,
    ) -> Result<Turn<'_>, Error> {
        let description = self.get(id)?.description();
        let filters = filters(description, operation, &wanted.parameters)?;
        let ready = self.ready(asker, id, operation, wanted.raw).await?;
        let listing =
            Listing { max_results: wanted.max_results.clamp(1, description.max_page), cursor: None, filters };
        let mut turn = Turn { ready, listing, about: about.to_owned(), before: None };
        let token = wanted.page_token.as_deref().filter(|token| !token.is_empty());
        turn.before = token.map(|token| turn.binding().open(self.tickets(), token)).transpose()?;
        turn.listing.cursor = turn.before.as_ref().map(|place| place.cursor.clone());
        Ok(turn)
    }

    /// The page that comes of `work`, with a token for the next in place of the vendor's cursor.
    pub(crate) async fn turned<T: Identified>(
        &self,
        asker: &Asker,
        turn: &Turn<'_>,
        work: impl Future<Output = Result<Page<T>, Error>>,
    ) -> Result<Page<T>, Error> {
        let work = async {
            let mut page = work.await?;
            let ids = page.items.iter().map(Identified::id);
            let binding = turn.binding();
            page.next = binding.next(self.tickets(), turn.before.as_ref(), ids, page.next.take())?;
            Ok(page)
        };
        self.begin(asker, &turn.ready).finish(work).await
    }

    /// Finds all that `operation` needs, and whether it may be done at all.
    pub(crate) async fn ready(
        &self,
        asker: &Asker,
        id: &str,
        operation: Operation,
        raw: bool,
    ) -> Result<Ready<'_>, Error> {
        let connector = self.get(id)?;
        let description = connector.description();
        let connection = self.connection(asker, connector).await?;
        let ability = description.ability(operation).ok_or_else(|| description.cannot(operation))?;
        let lead = self.lead(asker, &connection);
        let acting = match description.suitable(ability, &connection, &lead.name) {
            Ok(name) => Acting { name: name.to_owned(), ..lead },
            Err(lacking) => {
                let under_way = self.note(asker, &connection, description, operation.as_str());
                let lacking = insufficient(description, &connection, lead, lacking);
                return under_way.finish(std::future::ready(Err(lacking))).await;
            }
        };
        let context = self.context(asker, connection, acting, raw);
        checked_site(&context)?;
        Ok(Ready { connector, description, operation, context })
    }

    pub(crate) fn begin(&self, asker: &Asker, ready: &Ready<'_>) -> Use {
        let operation = ready.operation;
        let under_way = self.note(asker, &ready.context.connection, ready.description, operation.as_str());
        under_way.repeatable(operation.may_be_repeated())
    }

    /// Notes that `operation` begins.
    pub(crate) fn note(
        &self,
        asker: &Asker,
        connection: &Connection,
        description: &Description,
        operation: &str,
    ) -> Use {
        let operation = format!("{}.{operation}", description.id);
        Use::begin(self.connections().activity(), asker, connection, &operation)
    }

    /// The credential that acts where nothing asks for another.
    pub(crate) fn lead(&self, asker: &Asker, connection: &Connection) -> Acting {
        let name = self.connections().credential(&asker.tenant, connection).name;
        let provider = self.connections().provider(connection.provider.as_str()).ok();
        let first = provider.and_then(|provider| Some(provider.credentials.first()?.name.clone()));
        Acting { first: first.unwrap_or_else(|| name.clone()), name }
    }

    /// What a connector works with.
    pub(crate) fn context(
        &self,
        asker: &Asker,
        connection: Connection,
        acting: Acting,
        raw: bool,
    ) -> Context {
        let key = CredentialKey {
            name: acting.name.clone(),
            ..self.connections().credential(&asker.tenant, &connection)
        };
        let credential = Arc::new(Kept::new(self.connections().vault().clone(), key));
        Context { tenant: asker.tenant.clone(), connection, credential, acting, raw }
    }
}

impl Turn<'_> {
    fn binding(&self) -> Binding<'_> {
        let Ready { context, description, operation, .. } = &self.ready;
        binding(context, (description, *operation), &self.about, &self.listing)
    }
}

/// What the page tokens of a list are bound to.
pub(crate) fn binding<'a>(
    context: &'a Context,
    (description, operation): (&'static Description, Operation),
    about: &'a str,
    listing: &'a Listing,
) -> Binding<'a> {
    Binding {
        tenant: &context.tenant,
        connection: &context.connection.id,
        connector: description.id,
        operation: operation.as_str(),
        query: about,
        filters: &listing.filters,
        provider: description.name,
        parameter: "page_token",
    }
}

/// The error of a connection that was not granted what it needs.
fn insufficient(
    description: &'static Description,
    connection: &Connection,
    lead: Acting,
    lacking: Lacking,
) -> Error {
    let scopes: Vec<String> = lacking.scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let name = lacking.credential.map_or(lead.name, str::to_owned);
    let acting = Acting { name, first: lead.first };
    let reconnect = reconnect::address(connection, &acting, scopes.get(..1).unwrap_or_default());
    Error::InsufficientScope { connector: description.id, scopes, reconnect }
}

/// Where a grant covers several sites, nothing can be called before one is chosen.
pub(crate) fn checked_site(context: &Context) -> Result<(), Error> {
    if context.connection.status == Status::NeedsSite { context.site().map(drop) } else { Ok(()) }
}
