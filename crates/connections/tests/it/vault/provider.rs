//! A provider in memory that rotates, forgives and punishes as real ones do, and fails as it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use connections::catalog::{ProviderId, Rotation};
use connections::connection::Tokens;
use connections::protocol::{CallError, Sent};
use connections::vault::{Grant, Redeem};
use model::{Ambient, Timestamp};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;

/// What goes wrong with one call.
pub(crate) enum Fault {
    /// It is refused, and nothing is done.
    Refuse(CallError),
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It is lost on the way.
    LoseCall,
    /// It is done when a permit is there.
    Hold(Arc<Semaphore>),
    /// It is done after a while.
    Delay(Duration),
}

/// A grant: its refresh token is `refresh-NAME-GENERATION`.
#[derive(Default)]
struct Held {
    generation: u32,
    accesses: u32,
    rotated_at: Option<Timestamp>,
    is_dead: bool,
}

#[derive(Default)]
struct State {
    grants: BTreeMap<String, Held>,
    faults: VecDeque<Fault>,
    calls: usize,
    redemptions: usize,
    reuses: usize,
}

/// The provider.
pub(crate) struct Provider {
    ambient: Ambient,
    rotation: Rotation,
    state: Mutex<State>,
    stall: Mutex<Option<Receiver<()>>>,
    is_stalled: AtomicBool,
    readings: AtomicUsize,
}

impl Provider {
    pub(crate) fn new(ambient: Ambient, rotation: Rotation) -> Arc<Self> {
        Arc::new(Self {
            ambient,
            rotation,
            state: Mutex::default(),
            stall: Mutex::default(),
            is_stalled: AtomicBool::new(false),
            readings: AtomicUsize::new(0),
        })
    }

    /// What goes wrong next, after what was told before.
    pub(crate) fn fail(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// Takes back what was to go wrong next.
    pub(crate) fn skip(&self) {
        self.state().faults.pop_front();
    }

    /// Makes the next call wait for the semaphore's permit.
    pub(crate) fn hold(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.fail(Fault::Hold(Arc::clone(&gate)));
        gate
    }

    /// Makes whoever next asks for the rotation, as is done between reading a row and acting on it, wait for a word.
    pub(crate) fn stall(&self) -> Sender<()> {
        let (go_on, stall) = channel();
        *self.stall.lock().unwrap() = Some(stall);
        go_on
    }

    /// Whether somebody is waiting for that word.
    pub(crate) fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::SeqCst)
    }

    /// How many rows were read: for each, the rotation is asked for.
    pub(crate) fn readings(&self) -> usize {
        self.readings.load(Ordering::SeqCst)
    }

    /// Ends a grant, as its user may.
    pub(crate) fn revoke(&self, grant: &str) {
        self.state().grants.entry(grant.to_owned()).or_default().is_dead = true;
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.state().calls
    }

    /// How many of them were given tokens, whether or not the answer arrived.
    pub(crate) fn redemptions(&self) -> usize {
        self.state().redemptions
    }

    /// How many showed a refresh token that was used up: what ends a grant.
    pub(crate) fn reuses(&self) -> usize {
        self.state().reuses
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Answers one call.
    pub(crate) async fn answer(&self, refresh: Option<&str>) -> Result<Tokens, CallError> {
        let fault = {
            let mut state = self.state();
            state.calls += 1;
            state.faults.pop_front()
        };
        match fault {
            Some(Fault::Refuse(error)) => Err(error),
            Some(Fault::LoseCall) => Err(CallError::Unreachable(Sent::Maybe)),
            Some(Fault::LoseAnswer) => {
                self.act(refresh)?;
                Err(CallError::Unreachable(Sent::Maybe))
            }
            Some(Fault::Hold(gate)) => {
                gate.acquire().await.unwrap().forget();
                self.act(refresh)
            }
            Some(Fault::Delay(pause)) => {
                tokio::time::sleep(pause).await;
                self.act(refresh)
            }
            None => self.act(refresh),
        }
    }

    fn act(&self, refresh: Option<&str>) -> Result<Tokens, CallError> {
        let rotation = self.rotation;
        let now = self.ambient.now();
        let mut state = self.state();
        let (name, shown) = match refresh {
            Some(refresh) => refresh.strip_prefix("refresh-").unwrap().rsplit_once('-').unwrap(),
            None => ("own", "0"),
        };
        let shown: u32 = shown.parse().unwrap();
        let held = state.grants.entry(name.to_owned()).or_default();
        let is_forgiven = rotation
            .reuse_leeway
            .zip(held.rotated_at)
            .is_some_and(|(leeway, rotated_at)| now <= rotated_at.plus(leeway));
        let is_current = shown == held.generation;
        if held.is_dead || !(is_current || shown + 1 == held.generation && is_forgiven) {
            held.is_dead = true;
            state.reuses += usize::from(!is_current);
            return Err(CallError::InvalidGrant);
        }
        if rotation.rotates && is_current {
            held.generation += 1;
            held.rotated_at = Some(now);
        }
        held.accesses += 1;
        let tokens = Tokens {
            access: format!("access-{name}-{}", held.accesses).into(),
            refresh: rotation.rotates.then(|| format!("refresh-{name}-{}", held.generation).into()),
            expires_in: Some(Duration::from_hours(1)),
            scopes: None,
        };
        state.redemptions += 1;
        Ok(tokens)
    }
}

#[async_trait]
impl Redeem for Provider {
    async fn redeem(&self, grant: &Grant) -> Result<Tokens, CallError> {
        assert_eq!((grant.provider.as_str(), grant.client_id.as_str()), ("sample", "app"));
        self.answer(grant.refresh.as_ref().map(ExposeSecret::expose_secret)).await
    }

    fn rotation(&self, _: &ProviderId) -> Rotation {
        self.readings.fetch_add(1, Ordering::SeqCst);
        let stall = self.stall.lock().unwrap().take();
        if let Some(stall) = stall {
            self.is_stalled.store(true, Ordering::SeqCst);
            tokio::task::block_in_place(|| stall.recv_timeout(Duration::from_secs(20))).unwrap();
        }
        self.rotation
    }
}
