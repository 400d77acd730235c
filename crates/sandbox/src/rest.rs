//! Leaving alone an owner whose calls keep using up their limits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Ambient, Timestamp};

use crate::lane::Lane;
use crate::meter::{Effort, Meter};
use crate::settings::Rest;
use crate::{Error, Owner};

/// How long those wait who come while a trial is under way.
const TRIAL: Duration = Duration::from_secs(2);

/// How many light calls in a row an owner makes that has made a heavy one, before it begins in the fast lane again.
const LIGHT_CALLS: u8 = 3;

/// How many calls in a row may load the script for long: as many as begin at once with an instance each.
const LONG_LOADS: u8 = 4;

/// Owners that are remembered before those are looked for of whom nothing has been heard for long.
const OWNERS: usize = 1_024;

/// What is remembered of owners of whom there is something to remember.
pub(crate) struct Records {
    owners: Mutex<Owners>,
    settings: Rest,
    ambient: Ambient,
}

struct Owners {
    records: HashMap<Owner, Record>,
    /// How many there may be before those are forgotten of whom nothing has been heard for long.
    sweep_at: usize,
}

#[derive(Debug)]
struct Record {
    /// What the owner's calls ran. What is remembered is of no use once it is another.
    script: Arc<str>,
    /// Since when.
    faults: VecDeque<Timestamp>,
    resting: Option<Resting>,
    /// The light calls that it must still make.
    heavy: u8,
    /// The calls in a row that have loaded the script for long.
    loads: u8,
    heard: Timestamp,
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
    script: Arc<str>,
    is_trial: bool,
    /// What counts the call, while it runs.
    meter: Option<Arc<Meter>>,
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
        let owners = Mutex::new(Owners { records: HashMap::new(), sweep_at: OWNERS });
        Arc::new(Self { owners, settings, ambient })
    }

    /// Lets a call through that runs `script`, by its id.
    ///
    /// # Errors
    /// [`Error::Resting`], while the owner is left alone.
    pub(crate) fn admit(self: &Arc<Self>, owner: &Owner, script: &Arc<str>) -> Result<Pass, Error> {
        let now = self.ambient.now();
        let mut is_trial = false;
        let mut lane = Lane::Fast;
        let mut owners = self.lock();
        if owners.records.get(owner).is_some_and(|record| record.script != *script) {
            owners.records.remove(owner);
        }
        if let Some(record) = owners.records.get_mut(owner) {
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
            if record.heavy > 0 {
                lane = Lane::Slow;
            }
        }
        drop(owners);
        let (owner, script) = (owner.clone(), Arc::clone(script));
        Ok(Pass { records: Arc::clone(self), owner, script, is_trial, meter: None, lane })
    }

    /// Forgets the owners that are meant.
    pub(crate) fn forget(&self, is_meant: impl Fn(&Owner) -> bool) {
        self.lock().records.retain(|owner, _| !is_meant(owner));
    }

    fn lock(&self) -> MutexGuard<'_, Owners> {
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

impl Owners {
    /// The record of an owner, new if there was none.
    fn record(
        &mut self,
        owner: &Owner,
        script: &Arc<str>,
        (now, kept): (Timestamp, Duration),
    ) -> &mut Record {
        if self.records.len() >= self.sweep_at && !self.records.contains_key(owner) {
            let since = now.minus(kept);
            self.records.retain(|_, record| record.heard > since);
            self.sweep_at = self.records.len().saturating_mul(2).max(OWNERS);
        }
        self.records.entry(owner.clone()).or_insert_with(|| Record {
            script: Arc::clone(script),
            faults: VecDeque::new(),
            resting: None,
            heavy: 0,
            loads: 0,
            heard: now,
        })
    }
}

impl Record {
    fn note(&mut self, effort: Effort) {
        match effort {
            Effort::Heavy => self.heavy = LIGHT_CALLS,
            Effort::Loading => {
                self.loads = self.loads.saturating_add(1);
                if self.loads > LONG_LOADS {
                    self.heavy = LIGHT_CALLS;
                }
            }
            Effort::Light => {
                self.loads = 0;
                self.heavy = self.heavy.saturating_sub(1);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.heavy == 0 && self.loads == 0 && self.resting.is_none() && self.faults.is_empty()
    }
}

impl Pass {
    /// From now on the call runs, and `meter` counts it: also if nobody waits for its end.
    pub(crate) fn watch(&mut self, meter: &Arc<Meter>) {
        self.meter = Some(Arc::clone(meter));
    }

    /// Tells how the call went, and how much it was.
    pub(crate) fn done(mut self, conduct: Conduct, effort: Effort) {
        self.meter = None;
        self.note(conduct, effort);
    }

    fn note(&mut self, conduct: Conduct, effort: Effort) {
        let Rest { within, longest, .. } = self.records.settings;
        let now = self.records.ambient.now();
        let mut owners = self.records.lock();
        let is_trial = std::mem::take(&mut self.is_trial);
        let former = owners.records.get(&self.owner);
        // Calls of a former script say nothing of this one.
        if former.is_some_and(|record| record.script != self.script)
            || (former.is_none() && conduct == Conduct::Good && effort == Effort::Light)
        {
            return;
        }
        // Two rests: what is remembered for longer than the longest would say nothing.
        let record = owners.record(&self.owner, &self.script, (now, within.max(longest).saturating_mul(2)));
        record.heard = now;
        record.note(effort);
        match conduct {
            Conduct::Bad => self.records.bad(record, is_trial),
            Conduct::Good if is_trial => record.resting = None,
            Conduct::Good => {}
        }
        let since = now.minus(within);
        record.faults.retain(|fault| *fault > since);
        if record.is_empty() {
            owners.records.remove(&self.owner);
        }
    }
}

impl Drop for Pass {
    /// A call that nobody waited for is remembered by what it had computed. A trial that says nothing is none: the next call
    /// is one.
    fn drop(&mut self) {
        if let Some(meter) = self.meter.take()
            && meter.is_heavy()
        {
            if meter.is_half_used() {
                return self.note(Conduct::Bad, Effort::Heavy);
            }
            let is_trial = std::mem::take(&mut self.is_trial);
            self.note(Conduct::Good, Effort::Heavy);
            self.is_trial = is_trial;
        }
        if !self.is_trial {
            return;
        }
        let mut owners = self.records.lock();
        let record = owners.records.get_mut(&self.owner).filter(|record| record.script == self.script);
        if let Some(resting) = record.and_then(|record| record.resting.as_mut()) {
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

    fn admit(records: &Arc<Records>) -> Result<Pass, Error> {
        records.admit(&owner(), &"script".into())
    }

    fn fail(records: &Arc<Records>) {
        admit(records).unwrap().done(Conduct::Bad, Effort::Heavy);
    }

    fn rest_of(records: &Arc<Records>) -> Duration {
        match admit(records) {
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
        let trial = admit(&records).unwrap();
        assert_eq!(rest_of(&records), TRIAL, "one tries");
        trial.done(Conduct::Bad, Effort::Heavy);
        let second = rest_of(&records);
        assert!(second >= Duration::from_secs(20), "{second:?}");
        pass(&clock, second);
        drop(admit(&records).unwrap());
        admit(&records).unwrap().done(Conduct::Good, Effort::Light);
        (0..LIGHT_CALLS).for_each(|_| admit(&records).unwrap().done(Conduct::Good, Effort::Light));
        assert!(records.lock().records.is_empty(), "nothing is remembered of who behaves");
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

    /// The lane in which calls begin, until they begin in the fast one.
    fn slow_calls(records: &Arc<Records>) -> u8 {
        (0..10)
            .take_while(|_| {
                let pass = admit(records).unwrap();
                let lane = pass.lane;
                pass.done(Conduct::Good, Effort::Light);
                lane == Lane::Slow
            })
            .fold(0, |count, _| count + 1)
    }

    #[test]
    fn who_computed_for_long_begins_in_the_slow_lane_for_some_calls() {
        let (_, records) = records();
        admit(&records).unwrap().done(Conduct::Good, Effort::Heavy);
        assert_eq!(slow_calls(&records), LIGHT_CALLS);
        assert_eq!(slow_calls(&records), 0);
    }

    #[test]
    fn who_loads_for_long_over_and_over_begins_in_the_slow_lane() {
        let (_, records) = records();
        (0..LONG_LOADS).for_each(|_| admit(&records).unwrap().done(Conduct::Good, Effort::Loading));
        assert_eq!(slow_calls(&records), 0, "a few at once are instances that begin");
        (0..=LONG_LOADS).for_each(|_| admit(&records).unwrap().done(Conduct::Good, Effort::Loading));
        assert_eq!(slow_calls(&records), LIGHT_CALLS);
    }

    /// A call that computes until nobody waits for it any more.
    fn abandon(records: &Arc<Records>, is_half_used: bool) {
        admit(records).unwrap().watch(&Meter::heavy(is_half_used));
    }

    #[test]
    fn a_call_that_nobody_waits_for_is_remembered_by_what_it_computed() {
        let (clock, records) = records();
        drop(admit(&records).unwrap());
        assert!(records.lock().records.is_empty(), "it had not begun");
        abandon(&records, false);
        assert_eq!(slow_calls(&records), LIGHT_CALLS);
        (0..5).for_each(|_| abandon(&records, true));
        let rest = rest_of(&records);
        assert!(rest > Duration::ZERO, "more than the half of their time is as bad as all of it");
        pass(&clock, rest);
        abandon(&records, false);
        abandon(&records, true);
        assert!(rest_of(&records) > rest, "a trial says something by what it computed, too");
    }

    #[test]
    fn another_script_and_another_installation_begin_anew() {
        let (_, records) = records();
        let before = admit(&records).unwrap();
        (0..5).for_each(|_| fail(&records));
        assert!(rest_of(&records) > Duration::ZERO);
        let new = records.admit(&owner(), &"new".into()).unwrap();
        new.done(Conduct::Good, Effort::Heavy);
        before.done(Conduct::Bad, Effort::Heavy);
        assert_eq!(records.lock().records[&owner()].faults.len(), 0, "a call of the former script");
        records.forget(|each| *each == owner());
        assert!(records.lock().records.is_empty());
    }

    #[test]
    fn owners_of_whom_nothing_is_heard_are_forgotten() {
        let (clock, records) = records();
        for index in 0..3 * OWNERS {
            let owner = Owner { tenant: index.to_string().into(), plugin: "p".into() };
            records.admit(&owner, &"script".into()).unwrap().done(Conduct::Good, Effort::Heavy);
            pass(&clock, Duration::from_secs(1));
        }
        assert!(records.lock().records.len() <= OWNERS + 600);
    }
}
