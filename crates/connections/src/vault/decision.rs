//! What is to be done about a credential, given its row and the time: the rules of renewing, without I/O.

use model::Timestamp;

use super::Error;
use super::schedule::{Repeat, Term};

/// `failure` of a row whose grant is dead.
pub(super) const REAUTHORIZE: &str = "reauthorize";
/// `failure` of a row whose provider wanted fewer calls.
pub(super) const RATE_LIMITED: &str = "rate_limited";
/// `failure` of a row whose provider was in trouble.
pub(super) const UNAVAILABLE: &str = "unavailable";
/// `failure` of a row whose provider did not answer.
pub(super) const TIMEOUT: &str = "timeout";

/// Told where the grant is dead and nobody wrote why.
const DEAD: &str = "the provider no longer accepts the grant";
const ENDED: &str = "the access token has ended, and the provider gave nothing to renew it with";
const REJECTED: &str = "the provider no longer accepts the token, and gave nothing to renew it with";
const LOST: &str =
    "a renewal was cut off, and the provider allows no second attempt with the same refresh token";

/// Why a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Somebody needs a token that holds for certain.
    Need,
    /// The provider's API answered 401 to this version.
    Rejected(i64),
    /// Somebody wants a newer one than this version, or than there is.
    Forced(Option<i64>),
    /// A token that is in use ends soon.
    Ahead,
    /// The background found it due.
    Background,
}

impl Demand {
    /// The version that will not do.
    pub(super) fn refused(self) -> Option<i64> {
        match self {
            Self::Rejected(version) => Some(version),
            Self::Forced(version) => version,
            Self::Need | Self::Ahead | Self::Background => None,
        }
    }

    /// Whether nobody waits for the outcome.
    pub(super) fn is_patient(self) -> bool {
        matches!(self, Self::Ahead | Self::Background)
    }
}

/// What of a row bears on the decision.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) version: i64,
    pub(super) term: Term,
    pub(super) is_redeemable: bool,
    pub(super) failure: Option<String>,
    /// Why it failed, in words for people.
    pub(super) reason: Option<String>,
    pub(super) lease_until: Option<Timestamp>,
    pub(super) retry_at: Option<Timestamp>,
    /// From when a broken OAuth app may be tried.
    pub(super) probe_at: Option<Timestamp>,
    /// Whether an attempt of unknown outcome may be repeated; `None` where there was none.
    pub(super) repeat: Option<Repeat>,
    pub(super) refresh_at: Option<Timestamp>,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Give out the token that there is.
    Serve,
    /// Tell why there is none.
    Fail(Error),
    /// Somebody else is renewing it: look again in a moment.
    Wait,
    /// Redeem.
    Redeem,
    /// Mark the grant as dead, for this reason.
    GiveUp(&'static str),
}

impl State {
    /// Whether the token may be given out to somebody who does not want version `refused`.
    pub(super) fn may_serve(&self, refused: Option<i64>, now: Timestamp) -> bool {
        !self.is_dead() && self.term.is_alive(now) && refused != Some(self.version)
    }

    /// Whether the token may be given out without a further thought.
    pub(super) fn is_sure(&self, now: Timestamp) -> bool {
        !self.is_dead() && self.term.is_sure(now)
    }

    fn is_dead(&self) -> bool {
        self.failure.as_deref() == Some(REAUTHORIZE)
    }

    /// Until when nothing can be done but to serve what there is.
    pub(super) fn quiet_until(&self) -> Option<Timestamp> {
        [self.lease_until, self.retry_at, self.probe_at].into_iter().flatten().max()
    }

    /// What to do about `demand`, where version `refused` will not do.
    pub(super) fn decide(&self, demand: Demand, refused: Option<i64>, now: Timestamp) -> Step {
        if self.is_dead() {
            let reason = self.reason.clone().unwrap_or_else(|| DEAD.to_owned());
            return Step::Fail(Error::ReauthorizationRequired(reason));
        }
        if !self.is_wanted(demand, refused, now) {
            return Step::Serve;
        }
        let may_serve = self.may_serve(refused, now);
        if !self.is_redeemable {
            return self.without_renewal(demand, may_serve, now);
        }
        if self.lease_until.is_some_and(|until| until > now) {
            return if may_serve || demand.is_patient() { Step::Serve } else { Step::Wait };
        }
        let or_serve = |error| if may_serve { Step::Serve } else { Step::Fail(error) };
        if let Some(retry_at) = self.retry_at.filter(|at| *at > now) {
            return or_serve(trouble(self.failure.as_deref(), retry_at));
        }
        if let Some(retry_at) = self.probe_at.filter(|at| *at > now) {
            return or_serve(Error::AppBroken { retry_at });
        }
        if self.repeat.is_some_and(|repeat| !repeat.allows(now)) {
            return self.without_repeating(demand, may_serve, now);
        }
        Step::Redeem
    }

    fn is_wanted(&self, demand: Demand, refused: Option<i64>, now: Timestamp) -> bool {
        match demand {
            Demand::Background => self.refresh_at.is_some_and(|at| at <= now),
            Demand::Ahead => self.term.is_due(now),
            Demand::Need | Demand::Rejected(_) | Demand::Forced(_) => {
                refused == Some(self.version) || !self.term.is_sure(now)
            }
        }
    }

    fn without_renewal(&self, demand: Demand, may_serve: bool, now: Timestamp) -> Step {
        match demand {
            _ if may_serve => Step::Serve,
            _ if !self.term.is_alive(now) => Step::GiveUp(ENDED),
            Demand::Rejected(_) => Step::GiveUp(REJECTED),
            _ => Step::Serve,
        }
    }

    /// An attempt was cut off and may not be repeated: the old token is served for as long as it holds.
    fn without_repeating(&self, demand: Demand, may_serve: bool, now: Timestamp) -> Step {
        match (demand, self.term.expires_at) {
            _ if may_serve => Step::Serve,
            (Demand::Forced(_), Some(end)) if end > now => {
                Step::Fail(Error::UpstreamTimeout { retry_at: end })
            }
            _ => Step::GiveUp(LOST),
        }
    }
}

/// What a caller without a token is told while the provider is left alone.
pub(super) fn trouble(failure: Option<&str>, retry_at: Timestamp) -> Error {
    match failure {
        Some(RATE_LIMITED) => Error::UpstreamRateLimited { retry_at },
        Some(TIMEOUT) => Error::UpstreamTimeout { retry_at },
        _ => Error::UpstreamUnavailable { retry_at },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const T0: Timestamp = Timestamp::from_millisecond(1_800_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        T0.plus(Duration::from_secs(seconds))
    }

    /// Issued at 0, due at 2700, sure until 3570, alive until 3600.
    fn state() -> State {
        State {
            version: 7,
            term: Term::new(T0, Some(Duration::from_hours(1))),
            is_redeemable: true,
            failure: None,
            reason: None,
            lease_until: None,
            retry_at: None,
            probe_at: None,
            repeat: None,
            refresh_at: Some(at(2000)),
        }
    }

    fn step(state: &State, demand: Demand, seconds: u64) -> String {
        match state.decide(demand, demand.refused(), at(seconds)) {
            Step::Fail(Error::ReauthorizationRequired(_)) => "reauthorize".into(),
            Step::Fail(error) => model::Coded::code(&error).to_string(),
            Step::GiveUp(_) => "give up".into(),
            step => format!("{step:?}").to_lowercase(),
        }
    }

    #[test]
    fn a_token_is_renewed_when_it_is_needed_due_or_rejected() {
        let cases = [
            (Demand::Need, 3569, "serve"),
            (Demand::Need, 3570, "redeem"),
            (Demand::Ahead, 2699, "serve"),
            (Demand::Ahead, 2700, "redeem"),
            (Demand::Background, 1999, "serve"),
            (Demand::Background, 2000, "redeem"),
            (Demand::Rejected(6), 10, "serve"),
            (Demand::Rejected(7), 10, "redeem"),
            (Demand::Forced(Some(7)), 10, "redeem"),
        ];
        for (demand, seconds, expected) in cases {
            assert_eq!(step(&state(), demand, seconds), expected, "{demand:?} at {seconds}");
        }
    }

    #[test]
    fn who_finds_it_leased_is_given_the_old_one_or_waits() {
        let leased = State { lease_until: Some(at(9000)), ..state() };
        assert_eq!(step(&leased, Demand::Need, 3580), "serve", "no longer sure, but alive");
        assert_eq!(step(&leased, Demand::Need, 3600), "wait");
        assert_eq!(step(&leased, Demand::Rejected(7), 10), "wait");
        assert_eq!(step(&leased, Demand::Background, 3600), "serve");
        assert_eq!(step(&leased, Demand::Need, 9000), "redeem", "the lease has ended");
    }

    #[test]
    fn a_provider_in_trouble_is_left_alone() {
        for (failure, code) in [
            (RATE_LIMITED, "upstream_rate_limited"),
            (UNAVAILABLE, "upstream_unavailable"),
            (TIMEOUT, "upstream_timeout"),
        ] {
            let troubled = State { failure: Some(failure.into()), retry_at: Some(at(4000)), ..state() };
            assert_eq!(step(&troubled, Demand::Need, 3599), "serve");
            assert_eq!(step(&troubled, Demand::Need, 3600), code);
            assert_eq!(step(&troubled, Demand::Forced(Some(7)), 10), code);
            assert_eq!(step(&troubled, Demand::Rejected(7), 10), code);
            assert_eq!(step(&troubled, Demand::Need, 4000), "redeem");
        }
        let broken = State { probe_at: Some(at(4000)), ..state() };
        assert_eq!(step(&broken, Demand::Need, 3599), "serve");
        assert_eq!(step(&broken, Demand::Need, 3600), "upstream_unavailable");
        assert_eq!(step(&broken, Demand::Need, 4000), "redeem");
    }

    #[test]
    fn an_attempt_of_unknown_outcome_is_repeated_only_where_allowed() {
        let unknown = |repeat| State { repeat: Some(repeat), ..state() };
        assert_eq!(step(&unknown(Repeat::Always), Demand::Need, 9000), "redeem");
        assert_eq!(step(&unknown(Repeat::Until(at(4000))), Demand::Need, 4000), "redeem");
        assert_eq!(step(&unknown(Repeat::Until(at(4000))), Demand::Need, 4001), "give up");
        let never = unknown(Repeat::Never);
        assert_eq!(step(&never, Demand::Need, 3599), "serve", "till its end");
        assert_eq!(step(&never, Demand::Forced(Some(7)), 3599), "upstream_timeout");
        assert_eq!(step(&never, Demand::Need, 3600), "give up");
        assert_eq!(step(&never, Demand::Background, 3600), "give up");
        assert_eq!(step(&never, Demand::Rejected(7), 10), "give up", "its end, says the provider");
    }

    #[test]
    fn what_cannot_be_renewed_is_served_till_its_end() {
        let fixed = State { is_redeemable: false, ..state() };
        assert_eq!(step(&fixed, Demand::Need, 3599), "serve");
        assert_eq!(step(&fixed, Demand::Forced(Some(7)), 3599), "serve");
        assert_eq!(step(&fixed, Demand::Need, 3600), "give up");
        assert_eq!(step(&fixed, Demand::Rejected(7), 10), "give up");
        assert_eq!(step(&fixed, Demand::Rejected(6), 10), "serve");
    }

    #[test]
    fn a_dead_grant_is_told_and_left_alone() {
        let dead = State { failure: Some(REAUTHORIZE.into()), ..state() };
        for demand in [Demand::Need, Demand::Rejected(7), Demand::Forced(None), Demand::Background] {
            assert_eq!(step(&dead, demand, 10), "reauthorize");
        }
        assert!(!dead.may_serve(None, T0) && !dead.is_sure(T0));
    }
}
