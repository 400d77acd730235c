//! Leaving alone an owner whose calls keep using up their limits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Ambient, Timestamp};

use crate::lane::Lane;
use crate::settings::Rest;
use crate::{Error, Owner};

/// How long those wait who come while a trial is under way.
const TRIAL: Duration = Duration::from_secs(2);

/// What is remembered of owners of whom there is something to remember.
pub(crate) struct Records {
    owners: Mutex<HashMap<Owner, Record>>,
    settings: Rest,
    ambient: Ambient,
}

#[derive(Debug, Default)]
struct Record {
    /// Since when.
    faults: VecDeque<Timestamp>,
    resting: Option<Resting>,
    /// Its last call computed for long.
    is_heavy: bool,
}

#[derive(Debug)]
struct Resting {
    until: Timestamp,
    length: Duration,
    is_tried: bool,
}

/// That a call of the owner may be made.
pub(crate) struct Pass {
    records: Arc<Records>,
    owner: Owner,
    is_trial: bool,
    /// Where the call begins.
    pub(crate) lane: Lane,
}

/// How a call went, as far as others are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It kept its limits.
    Good,
    /// It used them up.
    Bad,
}

impl Records {
    pub(crate) fn new(settings: Rest, ambient: Ambient) -> Arc<Self> {
        Arc::new(Self { owners: Mutex::default(), settings, ambient })
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// [`Error::Resting`], while the owner is left alone.
    pub(crate) fn admit(self: &Arc<Self>, owner: &Owner) -> Result<Pass, Error> {
        let now = self.ambient.now();
        let mut is_trial = false;
        let mut lane = Lane::Fast;
        if let Some(record) = self.lock().get_mut(owner) {
            if let Some(resting) = &mut record.resting {
                if resting.until > now {
                    return Err(Error::Resting(now.until(resting.until)));
                }
                if resting.is_tried {
                    return Err(Error::Resting(TRIAL));
                }
                resting.is_tried = true;
                is_trial = true;
            }
            if record.is_heavy {
                lane = Lane::Slow;
            }
        }
        Ok(Pass { records: Arc::clone(self), owner: owner.clone(), is_trial, lane })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Record>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bad(&self, record: &mut Record, is_trial: bool) {
        let now = self.ambient.now();
        if let Some(resting) = &mut record.resting {
            // Calls from before say nothing new.
            if is_trial {
                let length = resting.length.saturating_mul(2).min(self.settings.longest);
                *resting = self.rest(length, now);
            }
            return;
        }
        let since = now.minus(self.settings.within);
        record.faults.retain(|fault| *fault > since);
        record.faults.push_back(now);
        if record.faults.len() >= self.settings.faults {
            record.faults.clear();
            record.resting = Some(self.rest(self.settings.first, now));
        }
    }

    fn rest(&self, length: Duration, now: Timestamp) -> Resting {
        metrics::counter!("jackfield_sandbox_rests_total").increment(1);
        let until = now.plus(length).plus(self.ambient.part_of(length / 10));
        Resting { until, length, is_tried: false }
    }
}

impl Pass {
    /// Tells how the call went, and whether it computed for long.
    pub(crate) fn done(mut self, conduct: Conduct, is_heavy: bool) {
        let mut owners = self.records.lock();
        let is_trial = std::mem::take(&mut self.is_trial);
        if conduct == Conduct::Good && !is_heavy && !owners.contains_key(&self.owner) {
            return;
        }
        let record = owners.entry(self.owner.clone()).or_default();
        record.is_heavy = is_heavy;
        match conduct {
            Conduct::Bad => self.records.bad(record, is_trial),
            Conduct::Good if is_trial => record.resting = None,
            Conduct::Good => {}
        }
        let since = self.records.ambient.now().minus(self.records.settings.within);
        record.faults.retain(|fault| *fault > since);
        if !record.is_heavy && record.resting.is_none() && record.faults.is_empty() {
            owners.remove(&self.owner);
        }
    }
}

impl Drop for Pass {
    /// A trial that nobody waited for: the next call is one.
    fn drop(&mut self) {
        if !self.is_trial {
            return;
        }
        if let Some(resting) = self.records.lock().get_mut(&self.owner).and_then(|each| each.resting.as_mut())
        {
            resting.is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use model::{Clock, SystemRandom};

    use super::*;

    struct Set(AtomicI64);

    impl Clock for Set {
        fn now(&self) -> Timestamp {
            Timestamp::from_millisecond(self.0.load(Ordering::Relaxed))
        }
    }

    fn records() -> (Arc<Set>, Arc<Records>) {
        let clock = Arc::new(Set(AtomicI64::new(1_700_000_000_000)));
        let ambient = Ambient::new(Arc::clone(&clock) as _, Arc::new(SystemRandom));
        (clock, Records::new(Rest::default(), ambient))
    }

    fn pass(clock: &Set, after: Duration) {
        clock.0.fetch_add(i64::try_from(after.as_millis()).unwrap(), Ordering::Relaxed);
    }

    fn owner() -> Owner {
        Owner { tenant: "t".into(), plugin: "p".into() }
    }

    fn fail(records: &Arc<Records>) {
        records.admit(&owner()).unwrap().done(Conduct::Bad, true);
    }

    fn rest_of(records: &Arc<Records>) -> Duration {
        match records.admit(&owner()) {
            Err(Error::Resting(rest)) => rest,
            _ => Duration::ZERO,
        }
    }

    #[test]
    fn faults_in_a_row_rest_an_owner_until_a_trial_succeeds() {
        let (clock, records) = records();
        (0..5).for_each(|_| fail(&records));
        let first = rest_of(&records);
        assert!(first >= Duration::from_secs(10) && first <= Duration::from_secs(11), "{first:?}");
        pass(&clock, first);
        let trial = records.admit(&owner()).unwrap();
        assert_eq!(rest_of(&records), TRIAL, "one tries");
        trial.done(Conduct::Bad, true);
        let second = rest_of(&records);
        assert!(second >= Duration::from_secs(20), "{second:?}");
        pass(&clock, second);
        drop(records.admit(&owner()).unwrap());
        records.admit(&owner()).unwrap().done(Conduct::Good, false);
        records.admit(&owner()).unwrap();
        assert!(records.lock().is_empty(), "nothing is remembered of who behaves");
    }

    #[test]
    fn faults_far_apart_are_forgotten() {
        let (clock, records) = records();
        for _ in 0..20 {
            fail(&records);
            pass(&clock, Duration::from_secs(8));
        }
        assert_eq!(rest_of(&records), Duration::ZERO);
    }

    #[test]
    fn rests_grow_to_a_bound() {
        let (clock, records) = records();
        (0..5).for_each(|_| fail(&records));
        for _ in 0..10 {
            pass(&clock, rest_of(&records));
            fail(&records);
        }
        let rest = rest_of(&records);
        assert!(rest >= Duration::from_mins(5) && rest <= Duration::from_secs(330), "{rest:?}");
    }

    #[test]
    fn who_computed_for_long_begins_in_the_slow_lane() {
        let (_, records) = records();
        records.admit(&owner()).unwrap().done(Conduct::Good, true);
        let pass = records.admit(&owner()).unwrap();
        assert_eq!(pass.lane, Lane::Slow);
        pass.done(Conduct::Good, false);
        assert_eq!(records.admit(&owner()).unwrap().lane, Lane::Fast);
    }
}
