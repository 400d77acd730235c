//! One who follows the log: from a place on out of the database, then as events come.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use model::TenantId;
use storage::{LogPage, Wanted, last_event};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::hubs::{INSTALLATION, Key};
use super::rights::Rights;
use super::{Audience, Feed, Readable, Told, Topic};
use crate::Error;

/// How many events are read from the database at once.
const PAGE: i64 = 100;

/// What is to be followed.
#[derive(Debug, Clone)]
pub struct Following {
    /// Whose events; `None` for all tenants' and the platform's.
    pub tenant: Option<TenantId>,
    /// Which.
    pub topic: Topic,
    /// Of these types; empty for all.
    pub types: Vec<model::EventPattern>,
    /// As far as who follows may read.
    pub readable: Readable,
    /// Who follows.
    pub audience: Audience,
    /// The place after which to begin; without one, now.
    pub after: Option<i64>,
}

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// An event.
    Event(Arc<Told>),
    /// The log no longer has some of what was to come; it goes on with what there is.
    Missed {
        /// The place from which all that there is can be read.
        oldest: i64,
    },
    /// Nothing more: the server ends.
    Ended,
}

/// One who follows the log, in the order of its places, without gaps but those that it tells of.
pub struct Follower {
    feed: Feed,
    key: Key,
    audience: Audience,
    following: Following,
    /// `None` until it is known, and after it may have changed.
    wanted: Option<Wanted>,
    /// What `wanted` was made of, for those who may not read all.
    rights: Option<Arc<Rights>>,
    /// The place through which changes of rights must be counted in.
    changed_at: i64,
    live: Receiver<Arc<Told>>,
    /// What was read from the database and is yet to be given, and the place where it ends.
    read: VecDeque<Arc<Told>>,
    read_through: i64,
    /// All through here was given, or is of no interest.
    place: i64,
    /// Whether the database has more than what comes by itself.
    is_behind: bool,
}

impl Follower {
    /// Begins to listen.
    pub(super) async fn begin(feed: Feed, following: Following) -> Result<Self, Error> {
        let key = (following.tenant.clone(), following.topic);
        let live = feed.enter(&key, following.audience)?;
        let audience = following.audience;
        let mut follower = Self {
            feed,
            key,
            audience,
            wanted: None,
            rights: None,
            changed_at: 0,
            live,
            read: VecDeque::new(),
            read_through: 0,
            place: 0,
            is_behind: following.after.is_some(),
            following,
        };
        // From here on nothing is put into the log that is not told, too.
        follower.feed.is_followed().await;
        let mut conn = follower.feed.0.database.read().await?;
        let end = last_event(&mut conn).await?;
        drop(conn);
        follower.place = follower.following.after.unwrap_or(end);
        follower.changed_at = end;
        follower.refresh(end).await?;
        Ok(follower)
    }

    /// The place after which to go on another time: all before it was given.
    pub fn place(&self) -> i64 {
        // In this order: what is told through the position is in the channel before the position is moved.
        let position = self.feed.position();
        let is_level = !self.is_behind && self.read.is_empty() && self.live.is_empty();
        if is_level { self.place.max(position.unwrap_or(0)) } else { self.place }
    }

    /// The next event, or what there is in its place. May be given up at any time, and called again.
    ///
    /// # Errors
    /// Those of the database; it can be called again then, too.
    pub async fn next(&mut self) -> Result<Step, Error> {
        let closed = self.feed.0.closed.clone();
        closed.run_until_cancelled(self.step()).await.unwrap_or(Ok(Step::Ended))
    }

    async fn step(&mut self) -> Result<Step, Error> {
        loop {
            if self.wanted.is_none() {
                self.refresh(self.changed_at).await?;
            }
            if let Some(told) = self.read.pop_front() {
                self.place = told.event().seq;
                return Ok(Step::Event(told));
            }
            self.place = self.place.max(self.read_through);
            if self.is_behind {
                // Boxed, as it is seldom done and would make every stream larger.
                match Box::pin(self.read_page()).await {
                    Ok(()) => {}
                    Err(Error::Gone { oldest }) => {
                        self.place = oldest;
                        self.read_through = oldest;
                        return Ok(Step::Missed { oldest });
                    }
                    Err(error) => return Err(error),
                }
                continue;
            }
            match self.live.recv().await {
                Ok(told) => {
                    if self.takes(&told) {
                        return Ok(Step::Event(told));
                    }
                }
                Err(RecvError::Lagged(_)) => self.is_behind = true,
                Err(RecvError::Closed) => return Ok(Step::Ended),
            }
        }
    }

    /// Whether an event that has come is to be given; moves on in any case.
    fn takes(&mut self, told: &Told) -> bool {
        let event = told.event();
        let is_new = event.seq > self.place;
        let is_taken = is_new && self.wanted.as_ref().is_some_and(|wanted| wanted.takes(&event.kind));
        self.place = self.place.max(event.seq);
        // Also where the event itself was given before.
        if self.rights.as_ref().is_some_and(|rights| rights.through < event.seq)
            && changes_rights(&event.kind)
        {
            self.changed_at = event.seq;
            self.wanted = None;
        }
        is_taken
    }

    async fn read_page(&mut self) -> Result<(), Error> {
        while let Some(wanted) = &self.wanted {
            let LogPage { events, next, is_last } = self.feed.read(wanted, self.place, PAGE).await?;
            // What was changed before the page was read, and what is told meanwhile, counts for all that is in it.
            let through = next.max(self.feed.position().unwrap_or(0));
            if self.refresh(through).await? {
                continue;
            }
            self.read.extend(events.into_iter().map(Told::new));
            self.read_through = next;
            self.is_behind = !is_last;
            break;
        }
        Ok(())
    }

    /// Finds out what may be read, with the changes through `place` counted in. Whether it is other than it was.
    async fn refresh(&mut self, place: i64) -> Result<bool, Error> {
        let Following { tenant, types, readable, topic, .. } = &self.following;
        let rights = match tenant {
            // Boxed, as they are seldom read and would make every stream larger.
            Some(tenant) if *readable == Readable::OfPlugins => {
                Some(Box::pin(self.feed.rights(tenant, place)).await?)
            }
            _ => None,
        };
        let lists = |rights: &Option<Arc<Rights>>| rights.as_ref().map(|rights| rights.lists.clone());
        let is_other = self.wanted.is_none() || lists(&rights) != lists(&self.rights);
        if is_other {
            let mut wanted = super::wanted(tenant.as_ref(), types, rights.as_deref());
            if *topic == Topic::Installations {
                wanted.types.push(super::installations());
            }
            self.wanted = Some(wanted);
        }
        self.rights = rights;
        Ok(is_other)
    }
}

/// Whether an event of this type may change what users may read.
fn changes_rights(kind: &str) -> bool {
    kind.starts_with(INSTALLATION) || kind == model::EventKind::EventPolicyChanged.as_str()
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.feed.hubs().leave(&self.key, self.audience);
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("following", &self.following)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
