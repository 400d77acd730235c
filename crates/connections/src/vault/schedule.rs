//! When a token is renewed, tried again and given up: arithmetic on moments, without I/O.

use std::time::Duration;

use model::Timestamp;

use crate::catalog::Rotation;

/// How long a redemption may take, whoever makes it.
pub(super) const HTTP_DEADLINE: Duration = Duration::from_secs(10);
/// How long a lease holds: longer than two redemptions, so that it outlives the work even on slow machines whose clocks
/// differ by some seconds.
pub(super) const LEASE: Duration = Duration::from_secs(25);
/// How long a broken OAuth app is left alone between two trials.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_mins(10);
/// How long before a grant's end its user is told.
pub(super) const FOREWARNING: Duration = Duration::from_hours(7 * 24);
/// Who has not been used for so long is no longer renewed ahead of each expiry.
const IDLE_AFTER: Duration = Duration::from_hours(24);
/// How far this machine's clock and the provider's may differ.
const SKEW: Duration = Duration::from_secs(30);
/// The most that a provider's `Retry-After` is honoured.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// No provider is asked again at once, whatever the jitter.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
const BACKOFF_BASE: Duration = Duration::from_secs(2);
const BACKOFF_MAX: Duration = Duration::from_mins(10);
/// Below this lifetime a token is renewed only when somebody wants it: ahead of time it would be renewed all the time.
const AHEAD_MIN: Duration = Duration::from_mins(4);

/// From when to when an access token holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) issued_at: Timestamp,
    /// `None` where the token does not end, or nobody knows when.
    pub(super) expires_at: Option<Timestamp>,
}

impl Term {
    /// The term of a token that was asked for at `issued_at`. A lifetime of nothing is none told.
    pub(super) fn new(issued_at: Timestamp, lifetime: Option<Duration>) -> Self {
        let lifetime = lifetime.filter(|lifetime| !lifetime.is_zero());
        Self { issued_at, expires_at: lifetime.map(|lifetime| issued_at.plus(lifetime)) }
    }

    /// Whether the token has not ended by this machine's clock.
    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Until when it holds even if the provider's clock is ahead of this one.
    pub(super) fn sure_until(&self) -> Option<Timestamp> {
        let tolerance = SKEW.min(self.lifetime()? / 4);
        Some(self.expires_at?.minus(tolerance))
    }

    /// From when on whoever wants the token has it renewed: min(15 min, lifetime / 2) ahead of its end, at least 2
    /// minutes; but never more than three quarters of a lifetime, or a short one would be renewed at each use.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        let lifetime = self.lifetime()?;
        let margin = (lifetime / 2).min(Duration::from_mins(15)).max(Duration::from_mins(2));
        Some(self.expires_at?.minus(margin.min(lifetime * 3 / 4)))
    }

    /// Whether it holds for certain.
    pub(super) fn is_sure(&self, now: Timestamp) -> bool {
        self.sure_until().is_none_or(|end| now < end)
    }

    /// Whether it is time to renew it.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due_at().is_some_and(|due| due <= now)
    }

    fn lifetime(&self) -> Option<Duration> {
        let millis = self.expires_at?.as_millisecond().saturating_sub(self.issued_at.as_millisecond());
        // Divided and multiplied below: a century is as good as for ever.
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(Duration::from_hours(876_000)))
    }
}

/// Whether a connection was used so lately that its tokens are kept fresh. A consent counts as a use.
pub(super) fn is_in_use(last_used_at: Option<Timestamp>, authorized_at: Timestamp, now: Timestamp) -> bool {
    last_used_at.map_or(authorized_at, |used| used.max(authorized_at)).plus(IDLE_AFTER) > now
}

/// When the background has something to do with a credential. `random` spreads it over a quarter of the lifetime, so
/// that what began together does not come due together.
pub(super) fn refresh_at(
    term: &Term,
    is_redeemable: bool,
    is_in_use: bool,
    idle_ttl: Option<Duration>,
    random: u64,
) -> Option<Timestamp> {
    if !is_redeemable {
        // Nothing to renew; that it ended must be told.
        return term.expires_at.map(|end| end.plus(part(Duration::from_mins(1), random)));
    }
    let ahead = term
        .lifetime()
        .filter(|lifetime| is_in_use && *lifetime >= AHEAD_MIN)
        .and_then(|lifetime| Some(term.due_at()?.minus(part(lifetime / 4, random))));
    let alive = idle_ttl.map(|ttl| term.issued_at.plus(ttl * 3 / 4).minus(part(ttl / 16, random)));
    [ahead, alive].into_iter().flatten().min()
}

/// When the grant dies if nobody does anything, as far as the catalog knows.
pub(super) fn dies_at(
    term: &Term,
    is_redeemable: bool,
    authorized_at: Timestamp,
    rotation: Rotation,
) -> Option<Timestamp> {
    let idle = rotation.idle_ttl.map(|ttl| term.issued_at.plus(ttl)).filter(|_| is_redeemable);
    [absolute_end(term, is_redeemable, authorized_at, rotation), idle].into_iter().flatten().min()
}

/// When to tell that the grant ends whatever is done: a week before. Nothing is told of grants that live less than two
/// weeks altogether.
pub(super) fn forewarn_at(
    term: &Term,
    is_redeemable: bool,
    authorized_at: Timestamp,
    rotation: Rotation,
) -> Option<Timestamp> {
    let end = absolute_end(term, is_redeemable, authorized_at, rotation)?;
    (end > authorized_at.plus(FOREWARNING * 2)).then(|| end.minus(FOREWARNING))
}

fn absolute_end(
    term: &Term,
    is_redeemable: bool,
    authorized_at: Timestamp,
    rotation: Rotation,
) -> Option<Timestamp> {
    let absolute = rotation.absolute_ttl.map(|ttl| authorized_at.plus(ttl));
    let last = term.expires_at.filter(|_| !is_redeemable);
    [absolute, last].into_iter().flatten().min()
}

/// How long to leave the provider alone after the `failures`th failure in a row: exponential with full jitter, and what
/// the provider asks for, up to an hour.
pub(super) fn backoff(failures: i64, retry_after: Option<Duration>, random: u64) -> Duration {
    let doublings = u32::try_from(failures.clamp(0, 16)).unwrap_or(16);
    let ceiling = BACKOFF_BASE.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    retry_after.unwrap_or_default().min(RETRY_AFTER_MAX) + BACKOFF_MIN + part(ceiling, random)
}

/// Until when a refresh token that may have been redeemed at `sent_at` may be redeemed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// For ever: redeeming does not end it.
    Always,
    /// As long as the provider's leeway lasts, less the time that the call may take.
    Until(Timestamp),
    /// Not at all.
    Never,
}

impl Repeat {
    /// What the catalog says.
    pub(super) fn new(rotation: Rotation, own_grant: bool, sent_at: Timestamp) -> Self {
        match rotation.reuse_leeway {
            _ if own_grant || !rotation.rotates => Self::Always,
            Some(leeway) => Self::Until(sent_at.plus(leeway.saturating_sub(HTTP_DEADLINE))),
            None => Self::Never,
        }
    }

    /// Whether it may be redeemed at `at`.
    pub(super) fn allows(self, at: Timestamp) -> bool {
        match self {
            Self::Always => true,
            Self::Until(end) => at <= end,
            Self::Never => false,
        }
    }
}

/// The part of `whole` that `random` picks.
pub(super) fn part(whole: Duration, random: u64) -> Duration {
    let millis = whole.as_millis().saturating_mul(u128::from(random)) / u128::from(u64::MAX);
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_millisecond(1_800_000_000_000);

    fn term(seconds: u64) -> Term {
        Term::new(T0, Some(Duration::from_secs(seconds)))
    }

    fn after(at: Option<Timestamp>) -> i64 {
        (at.unwrap().as_millisecond() - T0.as_millisecond()) / 1000
    }

    #[test]
    fn the_margin_is_half_a_lifetime_within_2_and_15_minutes() {
        for (lifetime, due) in [(7200, 6300), (3600, 2700), (1200, 600), (300, 150), (200, 80), (60, 15)] {
            assert_eq!(after(term(lifetime).due_at()), due, "{lifetime}");
        }
        assert!(!term(3600).is_due(T0.plus(Duration::from_secs(2699))));
        assert!(term(3600).is_due(T0.plus(Duration::from_mins(45))));
    }

    #[test]
    fn a_clock_that_is_30_seconds_late_is_tolerated() {
        assert_eq!(after(term(3600).sure_until()), 3570);
        assert_eq!(after(term(8).sure_until()), 6);
        let forever = Term::new(T0, None);
        assert!(forever.is_alive(T0.plus(Duration::MAX)) && forever.is_sure(T0) && !forever.is_due(T0));
        assert_eq!(Term::new(T0, Some(Duration::ZERO)), forever);
        assert!(Term::new(T0, Some(Duration::MAX)).is_sure(T0.plus(Duration::from_hours(1))));
    }

    #[test]
    fn what_began_together_comes_due_apart() {
        let at = |random| after(refresh_at(&term(3600), true, true, None, random));
        assert_eq!((at(0), at(u64::MAX / 2), at(u64::MAX)), (2700, 2250, 1800));
    }

    #[test]
    fn an_unused_grant_is_renewed_only_to_stay_alive() {
        let idle = Some(Duration::from_secs(1_600_000));
        assert_eq!(after(refresh_at(&term(3600), true, false, idle, 0)), 1_200_000);
        assert_eq!(after(refresh_at(&term(3600), true, false, idle, u64::MAX)), 1_100_000);
        assert_eq!(refresh_at(&term(3600), true, false, None, 0), None);
        assert_eq!(after(refresh_at(&term(3600), true, true, idle, 0)), 2700);
        assert_eq!(after(refresh_at(&term(3600), false, true, idle, 0)), 3600);
        assert_eq!(refresh_at(&term(60), true, true, None, 0), None, "too short to be renewed ahead");
        let day = Duration::from_hours(24);
        assert!(
            is_in_use(None, T0, T0.plus(Duration::from_secs(86_399))) && !is_in_use(None, T0, T0.plus(day))
        );
        assert!(is_in_use(Some(T0.plus(day)), T0, T0.plus(day * 3 / 2)));
    }

    #[test]
    fn a_grant_dies_of_age_or_of_idleness() {
        let days = |days: u64| Duration::from_hours(24 * days);
        let rotation =
            Rotation { idle_ttl: Some(days(90)), absolute_ttl: Some(days(365)), ..Rotation::default() };
        let late = Term::new(T0.plus(days(300)), Some(days(1)));
        assert_eq!(dies_at(&term(60), true, T0, rotation), Some(T0.plus(days(90))));
        assert_eq!(dies_at(&late, true, T0, rotation), Some(T0.plus(days(365))));
        assert_eq!(dies_at(&term(60), false, T0, Rotation::default()), Some(T0.plus(Duration::from_mins(1))));
        assert_eq!(dies_at(&term(60), true, T0, Rotation::default()), None);
        assert_eq!(forewarn_at(&late, true, T0, rotation), Some(T0.plus(days(358))));
        assert_eq!(forewarn_at(&term(60), false, T0, Rotation::default()), None);
    }

    #[test]
    fn backoff_grows_and_heeds_the_provider_within_an_hour() {
        let beyond =
            |failures, retry_after, random| backoff(failures, retry_after, random).abs_diff(BACKOFF_MIN);
        assert_eq!(beyond(0, None, u64::MAX), Duration::from_secs(2));
        assert_eq!(beyond(3, None, u64::MAX), Duration::from_secs(16));
        assert_eq!(beyond(1000, None, u64::MAX), Duration::from_mins(10));
        assert_eq!(beyond(3, None, 0), Duration::ZERO, "full jitter");
        assert_eq!(beyond(0, Some(Duration::from_secs(90)), 0), Duration::from_secs(90));
        assert_eq!(beyond(0, Some(Duration::MAX), 0), Duration::from_hours(1));
    }

    #[test]
    fn a_second_redemption_is_made_only_where_the_catalog_allows_it() {
        let rotation = |rotates, reuse_leeway| Rotation { rotates, reuse_leeway, ..Rotation::default() };
        let leeway = Some(Duration::from_mins(10));
        assert_eq!(Repeat::new(rotation(false, None), false, T0), Repeat::Always);
        assert_eq!(Repeat::new(rotation(true, None), true, T0), Repeat::Always);
        assert_eq!(Repeat::new(rotation(true, None), false, T0), Repeat::Never);
        let within = Repeat::new(rotation(true, leeway), false, T0);
        assert!(within.allows(T0.plus(Duration::from_secs(590))));
        assert!(!within.allows(T0.plus(Duration::from_secs(591))));
    }
}
