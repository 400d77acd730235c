//! Leaving alone who is in trouble: after some failures in a row nothing is sent for a while, then one call tries.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{TenantId, Timestamp};

/// After how many failures in a row nothing more is sent.
pub(super) const THRESHOLD: u32 = 10;

/// For how long, the first time. It doubles each time that the trial fails.
const FIRST_REST: Duration = Duration::from_secs(15);

/// For how long at most.
const LONGEST_REST: Duration = Duration::from_mins(2);

/// How long those wait who come while a trial is under way.
const TRIAL: Duration = Duration::from_secs(2);

/// Whose failures count.
#[derive(Debug, Clone)]
pub(super) enum Scope {
    /// Those of all tenants at a host, for the gauge by this name. What one tenant alone meets may be of its own making
    /// and stops nobody else; a host that cannot be reached stops all.
    Host(Arc<str>),
    /// Those of one connection.
    Connection,
}

/// A call that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed<'a> {
    /// Whose it was.
    pub(super) tenant: &'a TenantId,
    /// Whether the vendor could not even be reached.
    pub(super) is_unreachable: bool,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32, first: Option<TenantId>, is_everybodys: bool },
    Open { until: Timestamp, rest: Duration },
    Trial { rest: Duration },
}

const CLOSED: State = State::Closed { failures: 0, first: None, is_everybodys: false };

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Circuit {
    scope: Scope,
    state: Mutex<State>,
}

/// That a call may be made. What became of it is told by [`good`](Self::good) or [`bad`](Self::bad); one that is dropped
/// says nothing.
#[derive(Debug)]
pub(super) struct Pass {
    circuit: Arc<Circuit>,
    is_trial: bool,
    now: Timestamp,
}

impl Circuit {
    pub(super) fn new(scope: Scope) -> Arc<Self> {
        Arc::new(Self { scope, state: Mutex::new(CLOSED) })
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// How long to wait, while nothing is sent.
    pub(super) fn admit(self: &Arc<Self>, now: Timestamp) -> Result<Pass, Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_trial = match &*state {
            State::Closed { .. } => false,
            State::Open { until, .. } if *until > now => return Err(now.until(*until)),
            State::Open { rest, .. } => {
                *state = State::Trial { rest: *rest };
                true
            }
            State::Trial { .. } => return Err(TRIAL),
        };
        Ok(Pass { circuit: Arc::clone(self), is_trial, now })
    }

    fn failed(&self, state: &mut State, is_trial: bool, failed: Failed<'_>, now: Timestamp) {
        match state {
            State::Closed { failures, first, is_everybodys } => {
                *failures = failures.saturating_add(1);
                let other = first.get_or_insert_with(|| failed.tenant.clone()) != failed.tenant;
                *is_everybodys |= other || failed.is_unreachable || matches!(self.scope, Scope::Connection);
                if *failures >= THRESHOLD && *is_everybodys {
                    self.open(state, FIRST_REST, now);
                }
            }
            State::Trial { rest } if is_trial => {
                let rest = rest.saturating_mul(2).min(LONGEST_REST);
                self.open(state, rest, now);
            }
            // A call from before.
            State::Trial { .. } | State::Open { .. } => {}
        }
    }

    fn open(&self, state: &mut State, rest: Duration, now: Timestamp) {
        *state = State::Open { until: now.plus(rest), rest };
        if let Scope::Host(host) = &self.scope {
            tracing::warn!(
                host = &**host,
                rest_seconds = rest.as_secs(),
                "a vendor fails: nothing is sent to it"
            );
            self.gauge(1.0);
        }
    }

    fn gauge(&self, value: f64) {
        if let Scope::Host(host) = &self.scope {
            metrics::gauge!("jackfield_upstream_circuit_open", "host" => host.to_string()).set(value);
        }
    }
}

impl Pass {
    /// The vendor answers.
    pub(super) fn good(mut self) {
        self.is_trial = false;
        let mut state = self.circuit.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Closed { .. }) {
            self.circuit.gauge(0.0);
        }
        *state = CLOSED;
    }

    /// The vendor fails.
    pub(super) fn bad(mut self, failed: Failed<'_>, now: Timestamp) {
        let mut state = self.circuit.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.circuit.failed(&mut state, self.is_trial, failed, now);
        self.is_trial = false;
    }
}

impl Drop for Pass {
    /// A trial that nobody waited for: the next call is one.
    fn drop(&mut self) {
        if !self.is_trial {
            return;
        }
        let mut state = self.circuit.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Trial { rest } = &*state {
            *state = State::Open { until: self.now, rest: *rest };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millisecond(1_700_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn fail(circuit: &Arc<Circuit>, tenant: &str, is_unreachable: bool, now: Timestamp) {
        let tenant = tenant.parse().unwrap();
        circuit.admit(now).unwrap().bad(Failed { tenant: &tenant, is_unreachable }, now);
    }

    fn host() -> Arc<Circuit> {
        Circuit::new(Scope::Host("h:443".into()))
    }

    fn opened() -> Arc<Circuit> {
        let circuit = host();
        for count in 0..THRESHOLD {
            fail(&circuit, if count == 3 { "a" } else { "b" }, false, NOW);
        }
        circuit
    }

    #[test]
    fn failures_in_a_row_open_it_until_a_trial_succeeds() {
        let circuit = opened();
        assert_eq!(circuit.admit(NOW).unwrap_err(), FIRST_REST);
        assert_eq!(circuit.admit(after(14)).unwrap_err(), Duration::from_secs(1));
        let trial = circuit.admit(after(15)).unwrap();
        assert_eq!(circuit.admit(after(15)).unwrap_err(), TRIAL, "one tries");
        trial.good();
        circuit.admit(after(15)).unwrap();
    }

    #[test]
    fn a_trial_that_fails_doubles_the_rest_and_one_that_is_given_up_does_not() {
        let circuit = opened();
        drop(circuit.admit(after(15)).unwrap());
        fail(&circuit, "a", false, after(15));
        assert_eq!(circuit.admit(after(15)).unwrap_err(), FIRST_REST * 2);
        let mut now = after(15);
        for _ in 0..10 {
            now = now.plus(LONGEST_REST);
            fail(&circuit, "a", false, now);
        }
        assert_eq!(circuit.admit(now).unwrap_err(), LONGEST_REST);
    }

    #[test]
    fn a_success_between_begins_the_count_anew() {
        let circuit = host();
        for _ in 0..THRESHOLD {
            fail(&circuit, "a", true, NOW);
            circuit.admit(NOW).unwrap().good();
        }
    }

    #[test]
    fn one_tenant_alone_stops_itself_and_no_other() {
        let (circuit, own) = (host(), Circuit::new(Scope::Connection));
        for _ in 0..THRESHOLD {
            fail(&circuit, "a", false, NOW);
            fail(&own, "a", false, NOW);
        }
        circuit.admit(NOW).unwrap();
        own.admit(NOW).unwrap_err();
        fail(&circuit, "a", true, NOW);
        circuit.admit(NOW).unwrap_err();
    }

    #[test]
    fn those_who_come_back_late_neither_open_nor_lengthen() {
        let circuit = host();
        let late = circuit.admit(NOW).unwrap();
        for _ in 0..THRESHOLD {
            fail(&circuit, "a", true, NOW);
        }
        let tenant = "a".parse().unwrap();
        late.bad(Failed { tenant: &tenant, is_unreachable: true }, after(14));
        assert_eq!(circuit.admit(after(14)).unwrap_err(), Duration::from_secs(1));
    }
}
