//! Who listens in this process: one channel for each tenant that somebody follows, and for each of the two things to follow.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use model::TenantId;
use storage::LoggedEvent;
use tokio::sync::broadcast;

use super::Bounds;
use crate::Error;

/// How many events a channel holds for those who are slower than the log. Who falls further behind reads the database. More than the
/// log is read by at once, so that not all fall behind then.
const HELD: usize = 512;
/// The same of what becomes of installations, which is little.
const HELD_OF_INSTALLATIONS: usize = 16;
/// From how many tenants on the log is read as a whole.
const NAMED: usize = 100;
/// What the types of events about installations begin with.
pub(super) const INSTALLATION: &str = "jackfield.installation.";

/// What there is to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// All events.
    Events,
    /// What becomes of installations.
    Installations,
}

/// Who follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Somebody with a credential.
    Known,
    /// Anybody, at this address: strangers have places of their own, so that they cannot take those of a tenant's users, and one of
    /// them cannot take all.
    Public(IpAddr),
}

/// What an event is on the wire, for one kind of stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A CloudEvent.
    Event,
    /// What has become of an installation.
    Installation,
    /// That something has changed: all that strangers are told.
    Change,
}

/// An event that is told to many, and its forms on the wire, each of which is made once.
#[derive(Debug)]
pub struct Told {
    event: LoggedEvent,
    forms: [OnceLock<Bytes>; 3],
}

impl Told {
    pub(super) fn new(event: LoggedEvent) -> Arc<Self> {
        Arc::new(Self { event, forms: Default::default() })
    }

    /// The event.
    pub fn event(&self) -> &LoggedEvent {
        &self.event
    }

    /// Its form of this shape, which `make` makes for the first who is given it.
    pub fn form(&self, shape: Shape, make: impl FnOnce(&LoggedEvent) -> Bytes) -> Bytes {
        let [event, installation, change] = &self.forms;
        let form = match shape {
            Shape::Event => event,
            Shape::Installation => installation,
            Shape::Change => change,
        };
        form.get_or_init(|| make(&self.event)).clone()
    }
}

/// Whose events, and which: `None` for everybody's.
pub(super) type Key = (Option<TenantId>, Topic);

struct Channel {
    sender: broadcast::Sender<Arc<Told>>,
    known: usize,
    public: usize,
}

/// The channels that somebody listens to.
#[derive(Default)]
pub(super) struct Hubs {
    channels: HashMap<Key, Channel>,
    open: usize,
    /// How many of the open ones are strangers', by their addresses.
    public: HashMap<IpAddr, usize>,
    open_public: usize,
}

impl Hubs {
    /// Listens to `key` from now on.
    pub(super) fn enter(
        &mut self,
        key: &Key,
        audience: Audience,
        bounds: Bounds,
    ) -> Result<broadcast::Receiver<Arc<Told>>, Error> {
        let strangers = (bounds.streams / 4).max(1);
        let is_full = match audience {
            Audience::Known => false,
            Audience::Public(address) => {
                let of_address = self.public.get(&address).copied().unwrap_or(0);
                if of_address >= (strangers / 4).max(1) {
                    return Err(Error::TooManyStreams("from this address"));
                }
                self.open_public >= strangers
            }
        };
        if is_full || self.open >= bounds.streams {
            return Err(Error::TooManyStreams("to this server"));
        }
        let held = match key.1 {
            Topic::Events => HELD,
            Topic::Installations => HELD_OF_INSTALLATIONS,
        };
        let channel = self.channels.entry(key.clone()).or_insert_with(|| Channel {
            sender: broadcast::Sender::new(held),
            known: 0,
            public: 0,
        });
        let count = channel.count(audience);
        if *count >= bounds.streams_per_tenant {
            return Err(Error::TooManyStreams("in this tenant"));
        }
        *count += 1;
        self.open += 1;
        let receiver = channel.sender.subscribe();
        if let Audience::Public(address) = audience {
            self.open_public += 1;
            *self.public.entry(address).or_default() += 1;
        }
        Ok(receiver)
    }

    /// One who listened to `key` does so no more.
    pub(super) fn leave(&mut self, key: &Key, audience: Audience) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        *channel.count(audience) -= 1;
        self.open -= 1;
        if channel.known + channel.public == 0 {
            self.channels.remove(key);
        }
        let Audience::Public(address) = audience else { return };
        self.open_public -= 1;
        if let Some(count) = self.public.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.public.remove(&address);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.open
    }

    /// The tenants that are listened to; `None` where they are so many, or somebody listens to all, that the whole log is read.
    pub(super) fn tenants(&self) -> Option<Vec<TenantId>> {
        let mut tenants = BTreeSet::new();
        for (tenant, _) in self.channels.keys() {
            tenants.insert(tenant.as_ref()?);
            if tenants.len() > NAMED {
                return None;
            }
        }
        Some(tenants.into_iter().cloned().collect())
    }

    /// Tells whoever listens of `event`.
    pub(super) fn tell(&self, event: LoggedEvent) {
        let tenant = event.tenant.as_deref().and_then(|tenant| tenant.parse::<TenantId>().ok());
        let is_installation = event.kind.starts_with(INSTALLATION);
        let told = Told::new(event);
        let send = |key: &Key| {
            if let Some(channel) = self.channels.get(key) {
                // All may have left meanwhile.
                let _ = channel.sender.send(Arc::clone(&told));
            }
        };
        send(&(None, Topic::Events));
        let Some(tenant) = tenant else { return };
        let mut key = (Some(tenant), Topic::Events);
        send(&key);
        if is_installation {
            key.1 = Topic::Installations;
            send(&key);
        }
    }
}

impl Channel {
    fn count(&mut self, audience: Audience) -> &mut usize {
        match audience {
            Audience::Known => &mut self.known,
            Audience::Public(_) => &mut self.public,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { streams: 5, streams_per_tenant: 2 };

    fn stranger(last: u8) -> Audience {
        Audience::Public([192, 0, 2, last].into())
    }

    fn key(tenant: &str, topic: Topic) -> Key {
        (Some(tenant.parse().unwrap()), topic)
    }

    fn event(tenant: Option<&str>, kind: &str) -> LoggedEvent {
        LoggedEvent {
            seq: 1,
            id: "1".into(),
            tenant: tenant.map(Into::into),
            source: "/a".into(),
            kind: kind.into(),
            subject: String::new(),
            key: String::new(),
            sender: None,
            hops: 0,
            attributes: None,
            data: "null".into(),
            recorded_at: 0,
        }
    }

    #[test]
    fn there_are_as_many_places_as_there_are_and_all_come_free() {
        let mut hubs = Hubs::default();
        let (a, b, c) = (key("a", Topic::Events), key("b", Topic::Events), key("c", Topic::Events));
        let mut enter = |key: &Key, audience| hubs.enter(key, audience, BOUNDS).map(drop).is_ok();
        assert!(enter(&a, Audience::Known) && enter(&a, Audience::Known) && !enter(&a, Audience::Known));
        assert!(enter(&a, stranger(1)), "strangers have places of their own");
        assert!(enter(&b, Audience::Known) && enter(&b, Audience::Known));
        assert!(!enter(&c, Audience::Known), "the server is full");
        hubs.leave(&a, Audience::Known);
        assert!(hubs.enter(&c, Audience::Known, BOUNDS).is_ok());
        for (key, audience) in [
            (&a, Audience::Known),
            (&a, stranger(1)),
            (&b, Audience::Known),
            (&b, Audience::Known),
            (&c, Audience::Known),
        ] {
            hubs.leave(key, audience);
        }
        assert!(hubs.is_empty() && hubs.public.is_empty());
        assert_eq!((hubs.len(), hubs.open_public), (0, 0));
    }

    #[test]
    fn strangers_cannot_take_all_places_whatever_tenants_they_name() {
        let bounds = Bounds { streams: 32, streams_per_tenant: 8 };
        let mut hubs = Hubs::default();
        let mut enter = |tenant: u8, audience| {
            let key = key(&format!("t{tenant}"), Topic::Installations);
            hubs.enter(&key, audience, bounds).map(drop).is_ok()
        };
        assert_eq!((0..8).filter(|tenant| enter(*tenant, stranger(1))).count(), 2, "from one address");
        assert_eq!((0..64).filter(|tenant| enter(*tenant, stranger(*tenant))).count(), 6, "from all");
        assert_eq!((0..64).filter(|tenant| enter(*tenant, Audience::Known)).count(), 24);
        hubs.leave(&key("t0", Topic::Installations), stranger(1));
        assert!(hubs.enter(&key("t9", Topic::Installations), stranger(1), bounds).is_ok());
    }

    #[test]
    fn an_event_is_told_to_its_tenant_and_to_who_hears_all() {
        let mut hubs = Hubs::default();
        let mut enter = |key: &Key| hubs.enter(key, Audience::Known, BOUNDS).unwrap();
        let mut all = enter(&(None, Topic::Events));
        let mut a = enter(&key("a", Topic::Events));
        let mut installations = enter(&key("a", Topic::Installations));
        let mut b = enter(&key("b", Topic::Events));
        hubs.tell(event(Some("a"), "x"));
        hubs.tell(event(Some("a"), "jackfield.installation.created"));
        hubs.tell(event(None, "jackfield.plugin.created"));
        let heard = |receiver: &mut broadcast::Receiver<Arc<Told>>| {
            std::iter::from_fn(|| receiver.try_recv().ok())
                .map(|told| told.event.kind.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(heard(&mut all), ["x", "jackfield.installation.created", "jackfield.plugin.created"]);
        assert_eq!(heard(&mut a), ["x", "jackfield.installation.created"]);
        assert_eq!(heard(&mut installations), ["jackfield.installation.created"]);
        assert!(heard(&mut b).is_empty());
    }

    #[test]
    fn the_log_is_read_for_the_tenants_that_are_listened_to() {
        let mut hubs = Hubs::default();
        assert_eq!(hubs.tenants(), Some(Vec::new()));
        let bounds = Bounds { streams: 1000, streams_per_tenant: 10 };
        for number in 0..NAMED {
            hubs.enter(&key(&format!("t{number}"), Topic::Events), Audience::Known, bounds)
                .map(drop)
                .unwrap();
        }
        assert_eq!(hubs.tenants().unwrap().len(), NAMED);
        let one_more = key("one-more", Topic::Installations);
        drop(hubs.enter(&one_more, Audience::Known, bounds).unwrap());
        assert_eq!(hubs.tenants(), None);
        hubs.leave(&one_more, Audience::Known);
        drop(hubs.enter(&(None, Topic::Events), Audience::Known, bounds).unwrap());
        assert_eq!(hubs.tenants(), None);
    }

    #[test]
    fn who_listens_has_time_while_the_log_is_read() {
        assert!(i64::try_from(HELD).unwrap() >= 2 * crate::feed::tail::BATCH);
    }

    #[test]
    fn a_form_is_made_once_for_each_shape() {
        let told = Told::new(event(None, "x"));
        for (shape, made, given) in [
            (Shape::Event, "a", "a"),
            (Shape::Event, "b", "a"),
            (Shape::Installation, "c", "c"),
            (Shape::Change, "d", "d"),
            (Shape::Installation, "e", "c"),
        ] {
            assert_eq!(told.form(shape, |_| Bytes::from_static(made.as_bytes())), given);
        }
    }
}
