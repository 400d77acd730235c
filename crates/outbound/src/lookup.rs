//! What names resolve to.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// The addresses of a name, as they come.
pub type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Tells what a name resolves to. It is asked once for each connection, but for those that are made to one name at the same
/// time; what it answers is what is judged and connected to.
pub trait Lookup: fmt::Debug + Send + Sync {
    /// The addresses of `name`.
    fn addresses(&self, name: &str) -> Addresses;
}

/// As the system resolves names: with its files and its switches, and a thread for each name for as long as nobody answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System;

impl Lookup for System {
    fn addresses(&self, name: &str) -> Addresses {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address: SocketAddr| address.ip()).collect())
        })
    }
}

/// How long a name is waited for.
const DEADLINE: Duration = Duration::from_secs(5);

/// How many names are looked up at once: an eighth of the threads that tokio has for what blocks.
const AT_ONCE: usize = 64;

/// How many of them are of one domain: whose servers do not answer keeps none but its own names waiting.
const AT_ONCE_OF_DOMAIN: usize = 8;

/// How many names are looked up or waited for.
const MAX_WAITING: usize = 4096;

/// Looks names up within bounds, and one that several ask for at the same time once.
#[derive(Debug, Clone)]
pub(crate) struct Bounded(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lookup: Arc<dyn Lookup>,
    places: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: HashMap<String, watch::Receiver<Found>>,
    domains: HashMap<String, Weak<Semaphore>>,
}

/// What was found, once that is known.
type Found = Option<Result<Vec<IpAddr>, io::ErrorKind>>;

impl Bounded {
    pub(crate) fn new(lookup: Arc<dyn Lookup>) -> Self {
        let inner = Inner { lookup, places: Semaphore::new(AT_ONCE), state: Mutex::default() };
        Self(Arc::new(inner))
    }
}

impl Lookup for Bounded {
    fn addresses(&self, name: &str) -> Addresses {
        let (inner, name) = (Arc::clone(&self.0), name.to_ascii_lowercase());
        Box::pin(async move {
            let mut found = inner.begun(name)?;
            let found = timeout(DEADLINE, found.wait_for(Option::is_some)).await;
            let found = found.ok().and_then(|found| found.ok()?.clone());
            found.unwrap_or(Err(io::ErrorKind::TimedOut)).map_err(io::Error::from)
        })
    }
}

impl Inner {
    /// What comes of the lookup of `name` that is under way, or is now. It goes on when nobody waits any more, because its thread
    /// does.
    fn begun(self: Arc<Self>, name: String) -> io::Result<watch::Receiver<Found>> {
        let mut state = self.state();
        if let Some(found) = state.under_way.get(&name).filter(|found| found.has_changed().is_ok()) {
            return Ok(found.clone());
        }
        if state.under_way.len() >= MAX_WAITING {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let (sender, receiver) = watch::channel(None);
        state.under_way.insert(name.clone(), receiver.clone());
        let domain = domain_of(&name);
        let of_domain = state.domains.get(domain).and_then(Weak::upgrade).unwrap_or_else(|| {
            let places = Arc::new(Semaphore::new(AT_ONCE_OF_DOMAIN));
            state.domains.insert(domain.to_owned(), Arc::downgrade(&places));
            places
        });
        drop(state);
        tokio::spawn(async move {
            let found = self.looked_up(&name, &of_domain).await;
            drop(of_domain);
            let mut state = self.state();
            state.under_way.remove(&name);
            let domain = domain_of(&name);
            if state.domains.get(domain).is_some_and(|places| places.strong_count() == 0) {
                state.domains.remove(domain);
            }
            drop(state);
            sender.send_replace(Some(found));
        });
        Ok(receiver)
    }

    async fn looked_up(&self, name: &str, of_domain: &Semaphore) -> Result<Vec<IpAddr>, io::ErrorKind> {
        // The domain's place first: who waits for that takes none of the others'.
        let places = async { (of_domain.acquire().await, self.places.acquire().await) };
        let _places = timeout(DEADLINE, places).await.map_err(|_| io::ErrorKind::TimedOut)?;
        self.lookup.addresses(name).await.map_err(|error| error.kind())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The domain that somebody has registered, as far as that can be seen: the last two labels, or three below such as `co.uk`.
fn domain_of(name: &str) -> &str {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut starts = name.rmatch_indices('.').map(|(place, _)| place + 1).chain([0]);
    let two = starts.nth(1).and_then(|start| name.get(start..)).unwrap_or(name);
    let is_shared = two.split_once('.').is_some_and(|(second, last)| {
        last.len() == 2 && matches!(second, "ac" | "co" | "com" | "edu" | "gov" | "net" | "org")
    });
    let three = starts.next().filter(|_| is_shared);
    three.and_then(|start| name.get(start..)).unwrap_or(two)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::time::Instant;

    use super::*;

    /// Answers nobody who asks for what is below `dead.example`, and everybody else at once.
    #[derive(Debug, Default)]
    struct Partly {
        asked: AtomicUsize,
    }

    impl Lookup for Partly {
        fn addresses(&self, name: &str) -> Addresses {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if name.ends_with("dead.example") {
                Box::pin(std::future::pending())
            } else {
                Box::pin(async { Ok(vec![IpAddr::from([1, 1, 1, 1])]) })
            }
        }
    }

    fn partly() -> (Bounded, Arc<Partly>) {
        let lookup = Arc::new(Partly::default());
        (Bounded::new(Arc::<Partly>::clone(&lookup)), lookup)
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_nobody_answers_for_keep_no_others_waiting() {
        let (bounded, lookup) = partly();
        let names: Vec<_> = (0..1000).map(|number| format!("n{number}.dead.example")).collect();
        let waiting = tokio::spawn(join_all(names.iter().map(|name| bounded.addresses(name))));
        tokio::task::yield_now().await;
        let began = Instant::now();
        assert_eq!(bounded.addresses("alive.example").await.unwrap().len(), 1);
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(lookup.asked.load(Ordering::Relaxed), AT_ONCE_OF_DOMAIN + 1);
        let waited = waiting.await.unwrap();
        assert!(
            waited.into_iter().all(|found| found.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut))
        );
        assert_eq!(began.elapsed(), DEADLINE);
        // What still takes a thread counts until it does no more.
        assert!(bounded.addresses("another.dead.example").await.is_err());
        assert_eq!(lookup.asked.load(Ordering::Relaxed), AT_ONCE_OF_DOMAIN + 1);
        assert!(bounded.addresses("alive.example").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_once_for_all_who_ask_at_the_same_time() {
        let (bounded, lookup) = partly();
        let found = join_all((0..100).map(|_| bounded.addresses("Alive.example"))).await;
        assert!(found.into_iter().all(|found| found.is_ok_and(|found| found.len() == 1)));
        assert_eq!(lookup.asked.load(Ordering::Relaxed), 1);
        bounded.addresses("alive.example").await.unwrap();
        assert_eq!(lookup.asked.load(Ordering::Relaxed), 2, "nothing is kept");
        let state = bounded.0.state();
        assert!(state.under_way.is_empty() && state.domains.is_empty(), "{state:?}");
    }

    #[test]
    fn a_domain_is_what_somebody_has_registered() {
        for (name, expected) in [
            ("localhost", "localhost"),
            ("a.example", "a.example"),
            ("x.y.a.example.", "a.example"),
            ("x.shop.co.uk", "shop.co.uk"),
            ("shop.co.uk", "shop.co.uk"),
            ("x.y.ab.de", "ab.de"),
            ("", ""),
        ] {
            assert_eq!(domain_of(name), expected, "{name}");
        }
    }
}
