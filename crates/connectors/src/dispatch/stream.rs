//! All of a list, page by page, as fast as it is read.

use std::fmt;
use std::time::Duration;

use futures::{Stream, stream};
use model::{Coded, ErrorCode, Extensions, Timestamp, Violation};

use super::turn::{Ready, Turn, binding};
use crate::activity::in_time;
use crate::ahead::one_ahead;
use crate::connector::{Description, Listing, Operation};
use crate::page_token::{Fingerprint, MAX_RECENT, Place, fingerprint};
use crate::recorded::recorded;
use crate::seen::{Endless, MAX_PAGES, Seen};
use crate::{Asker, Connectors, Context, Done, Error, Item, Items, Wanted};

/// How many pages in a row may bring nothing that was not given before: vendors that leave out what the account may not
/// see give many empty ones, and those that count pages from the top move what was seen to the next.
const MAX_IDLE: usize = 100;

/// Why a stream breaks off, and where it can be gone on with.
#[derive(Debug)]
pub struct Interrupted {
    /// What happened.
    pub error: Error,
    /// The token of the page that was not had; `None` where going on is of no use.
    pub next_page_token: Option<String>,
}

impl Connectors {
    /// All items that `query` finds, in the vendor's own words, or all there are; from `wanted.page_token` on, if there is
    /// one, in pages of `wanted.max_results`.
    ///
    /// Each page has the time of an operation and is fetched while the one before is used, the first at once; dropping the
    /// stream ends the calls. An item that comes again within the last 5,000 is left out, and so is one of the last 100
    /// before a token that another stream broke off with. What is on record of it is one use with the count of items.
    ///
    /// # Errors
    /// As [`list_items`](Self::list_items); what the pages meet is the last that the stream gives.
    pub async fn stream_items(
        &self,
        asker: &Asker,
        id: &str,
        query: Option<&str>,
        wanted: &Wanted,
    ) -> Result<Done<impl Stream<Item = Result<Vec<Item>, Interrupted>> + Send + use<>>, Error> {
        let operation = if query.is_some() { Operation::Search } else { Operation::List };
        let turn = self.turn(asker, id, (operation, query.unwrap_or_default()), wanted).await?;
        turn.ready.data()?;
        let (description, connection) = (turn.ready.description, turn.ready.context.connection.clone());
        let under_way = self.note(asker, &connection, description, &format!("{}.stream", operation.as_str()));
        let pages = stream::try_unfold(Walk::new(self.clone(), turn), Walk::next);
        let result = recorded(one_ahead(pages), under_way, description.items);
        Ok(Done { connection, description, result })
    }
}

/// A list that is being read.
struct Walk {
    connectors: Connectors,
    description: &'static Description,
    operation: Operation,
    context: Context,
    query: String,
    /// Of the page that comes next.
    listing: Listing,
    is_over: bool,
    seen: Seen,
    /// The page that came last.
    before: Fingerprint,
    /// The items that were given last, at most [`MAX_RECENT`].
    recent: Vec<u64>,
    /// How many pages without anything new have come since the last that had something.
    idle: usize,
}

/// What ends a walk early.
enum Halt {
    /// The page was not had, and may be had later.
    Here(Error),
    /// There is no end to it.
    Circle,
}

impl Walk {
    fn new(connectors: Connectors, turn: Turn<'_>) -> Self {
        let Turn { ready, listing, about, before } = turn;
        let Ready { description, operation, context, .. } = ready;
        let (before, recent) = before.map(|place| (place.before, place.recent)).unwrap_or_default();
        let mut seen = Seen::default();
        for item in &recent {
            seen.remember(*item);
        }
        Self {
            connectors,
            description,
            operation,
            context,
            query: about,
            listing,
            is_over: false,
            seen,
            before,
            recent,
            idle: 0,
        }
    }

    /// The next page without what was given before, and the walk after it; `None` after the last.
    async fn next(mut self) -> Result<Option<(Vec<Item>, Self)>, Interrupted> {
        if self.is_over {
            return Ok(None);
        }
        match self.page().await {
            Ok(items) => Ok(Some((items, self))),
            Err(halt) => Err(self.interrupted(halt)),
        }
    }

    async fn page(&mut self) -> Result<Vec<Item>, Halt> {
        let Items { mut items, next, .. } = in_time(self.fetch(), true).await.map_err(Halt::Here)?;
        let marks: Vec<u64> = items.iter().map(mark).collect();
        let place = self.listing.cursor.as_deref().map_or(0, |cursor| number([cursor]));
        let is_new = self.seen.note(place, &marks).map_err(|endless| match endless {
            Endless::Circle => Halt::Circle,
            Endless::TooLong => {
                let detail = format!(
                    "the list has more than {MAX_PAGES} pages: go on from next_page_token, with more to a page"
                );
                Halt::Here(self.trouble(ErrorCode::UpstreamRejected, detail))
            }
        })?;
        self.before = fingerprint(items.iter().map(|item| item.id.as_str()));
        let had_any = !items.is_empty();
        // What has no id cannot be told from others.
        let mut is_given = is_new.into_iter();
        items.retain(|item| is_given.next().unwrap_or(true) || item.id.is_empty());
        self.check_idle(had_any, !items.is_empty())?;
        self.recent.extend(items.iter().map(mark));
        self.recent.drain(..self.recent.len().saturating_sub(MAX_RECENT));
        self.is_over = next.is_none();
        self.listing.cursor = next;
        Ok(items)
    }

    /// Ends what goes on and on without bringing anything.
    fn check_idle(&mut self, had_any: bool, brings_any: bool) -> Result<(), Halt> {
        self.idle = if brings_any { 0 } else { self.idle + 1 };
        if self.idle <= MAX_IDLE {
            return Ok(());
        }
        if had_any {
            return Err(Halt::Circle);
        }
        let detail =
            format!("it gave {} pages in a row with nothing on them: go on from next_page_token", self.idle);
        Err(Halt::Here(self.trouble(ErrorCode::UpstreamUnavailable, detail)))
    }

    async fn fetch(&self) -> Result<Items, Error> {
        let surfaces = self.connectors.get(self.description.id)?.surfaces();
        let data = surfaces.data.ok_or_else(|| self.description.cannot(self.operation))?;
        match self.operation {
            Operation::Search => data.search(&self.context, &self.query, &self.listing).await,
            _ => data.list(&self.context, &self.listing).await,
        }
    }

    fn trouble(&self, code: ErrorCode, detail: String) -> Error {
        Error::upstream(self.description.name, code, detail)
    }

    fn interrupted(self, halt: Halt) -> Interrupted {
        match halt {
            Halt::Circle => {
                tracing::warn!(connector = self.description.id, "a vendor's list goes in a circle");
                let detail = "its list goes in a circle: it gave pages again that were there before";
                let error = self.trouble(ErrorCode::UpstreamUnavailable, detail.to_owned());
                Interrupted { error, next_page_token: None }
            }
            // There is nothing to go on with, whether the caller has named it or not.
            Halt::Here(Error::PointInTimeGone { .. }) => {
                Interrupted { error: Error::PointInTimeGone { parameter: None }, next_page_token: None }
            }
            Halt::Here(error) => Interrupted { next_page_token: self.token(), error },
        }
    }

    /// The token of the page that comes next; `None` for the first, and where none can be made.
    fn token(self) -> Option<String> {
        let subject = (self.description, self.operation);
        let binding = binding(&self.context, subject, &self.query, &self.listing);
        let place = Place { cursor: self.listing.cursor.clone()?, before: self.before, recent: self.recent };
        let sealed = binding.seal(self.connectors.tickets(), &place);
        sealed.inspect_err(|error| tracing::warn!(%error, "a stream cannot be gone on with")).ok()
    }
}

/// The number that stands for an item.
fn mark(item: &Item) -> u64 {
    number([item.kind, &item.id])
}

fn number<const N: usize>(texts: [&str; N]) -> u64 {
    u64::from_be_bytes(fingerprint(texts.into_iter()))
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Interrupted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// It is told as what happened is.
impl Coded for Interrupted {
    fn code(&self) -> ErrorCode {
        self.error.code()
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        self.error.retry_after(now)
    }

    fn may_be_told(&self) -> bool {
        self.error.may_be_told()
    }

    fn violations(&self) -> Vec<Violation> {
        self.error.violations()
    }

    fn extensions(&self) -> Extensions {
        self.error.extensions()
    }
}
