//! When a delivery that has failed is tried again, and when it is given up.

use std::time::Duration;

use model::{Ambient, Timestamp};

use super::receive::{Outcome, Refused};
use super::window::Row;
use crate::Refusal;

/// The pauses after the first failed attempt, the second, and so on. After one more attempt than there are pauses, it has failed
/// for good. Those of Standard Webhooks, "Deliverability and reliability":
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
];

/// The longest pause that a receiver may ask for.
pub(crate) const MAX_ASKED: Duration = Duration::from_hours(24);

/// How long to wait where an attempt could not even be made, at least, and at most: an eighth of the time for which it waits already.
const NOT_NOW: Duration = Duration::from_secs(10);
const MAX_NOT_NOW: Duration = Duration::from_mins(5);

/// The pause of a queue whose receiver fails: the first, which doubles each time, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// For how long at most attempts may be impossible.
const GIVEN_UP_AFTER: Duration = Duration::from_hours(5 * 24);

/// What becomes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// The receiver has it.
    Delivered { status: Option<u16> },
    /// It waits for its next attempt. Where `is_failure` is not set, none could be made.
    Again { due_at: i64, attempts: i64, is_failure: bool, status: Option<u16>, error: String },
    /// It has failed for good. Where its receiver `is_gone`, the error says why, and nobody is to be given anything more.
    Failed { attempts: i64, status: Option<u16>, error: String, is_gone: bool },
    /// There is no point in it any more.
    Skipped { error: String },
}

/// What becomes of `row` after `outcome`. `is_subscription` where it is a subscription's, which is disabled when its receiver is gone.
pub(crate) fn conclude(row: &Row, outcome: Outcome, is_subscription: bool, ambient: &Ambient) -> Conclusion {
    let created_at = Timestamp::from_millisecond(row.created_at);
    after((row.attempts, created_at), outcome, is_subscription, ambient)
}

/// What becomes of a delivery to a plugin after its first attempt, right after it was written.
pub(crate) fn conclude_first(outcome: Outcome, ambient: &Ambient) -> Conclusion {
    after((0, ambient.now()), outcome, false, ambient)
}

fn after(
    (attempts, created_at): (i64, Timestamp),
    outcome: Outcome,
    is_subscription: bool,
    ambient: &Ambient,
) -> Conclusion {
    let now = ambient.now();
    let refused = match outcome {
        Outcome::Delivered { status } => return Conclusion::Delivered { status },
        Outcome::Pointless(error) => return Conclusion::Skipped { error },
        Outcome::Refused(refused) => refused,
    };
    let Refused { message: error, refusal, retry_after, status } = refused;
    let least = retry_after.unwrap_or_default().min(MAX_ASKED);
    match refusal {
        Refusal::Gone if is_subscription => {
            // A plugin that is not there was not asked.
            let attempts = attempts + i64::from(status.is_some());
            Conclusion::Failed { attempts, status, error, is_gone: true }
        }
        Refusal::Gone => Conclusion::Skipped { error },
        Refusal::NotNow => {
            let waited = created_at.until(now);
            if waited >= GIVEN_UP_AFTER {
                return Conclusion::Failed { attempts, status, error, is_gone: false };
            }
            let pause = (waited / 8).clamp(NOT_NOW, MAX_NOT_NOW);
            let due_at = now.plus((pause + ambient.part_of(pause / 2)).max(least)).as_millisecond();
            Conclusion::Again { due_at, attempts, is_failure: false, status, error }
        }
        Refusal::Failed => {
            let attempts = attempts + 1;
            match pause_after(attempts, ambient) {
                Some(pause) => {
                    let due_at = now.plus(pause.max(least)).as_millisecond();
                    Conclusion::Again { due_at, attempts, is_failure: true, status, error }
                }
                None => Conclusion::Failed { attempts, status, error, is_gone: false },
            }
        }
    }
}

/// The pause after so many failed attempts, within 20 % of what is meant; `None` after the last.
fn pause_after(attempts: i64, ambient: &Ambient) -> Option<Duration> {
    let index = usize::try_from(attempts).ok()?.checked_sub(1)?;
    let pause = *PAUSES.get(index)?;
    Some(pause.mul_f64(0.8) + ambient.part_of(pause.mul_f64(0.4)))
}

/// For how long nothing in a queue is tried that is let go of for the `failures`th time because its receiver fails; within 20 % of
/// what is meant.
pub(crate) fn pause_of_queue(failures: i64, ambient: &Ambient) -> Duration {
    let doublings = u32::try_from(failures.clamp(1, 16) - 1).unwrap_or_default();
    let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    pause.mul_f64(0.8) + ambient.part_of(pause.mul_f64(0.4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(attempts: i64, created_at: Timestamp) -> Row {
        Row {
            seq: 1,
            key: None,
            due_at: 0,
            attempts,
            created_at: created_at.as_millisecond(),
            event_seq: Some(1),
            webhook_seq: None,
            handler: String::new(),
        }
    }

    fn refused(refusal: Refusal, retry_after: Option<Duration>) -> Outcome {
        Outcome::Refused(Refused { message: "no".into(), refusal, retry_after, status: Some(500) })
    }

    /// How long it waits, and how many attempts count.
    fn waits(conclusion: &Conclusion, now: Timestamp) -> (Duration, i64) {
        let Conclusion::Again { due_at, attempts, .. } = conclusion else { panic!("{conclusion:?}") };
        (now.until(Timestamp::from_millisecond(*due_at)), *attempts)
    }

    #[test]
    fn pauses_grow_until_there_is_none() {
        let (clock, ambient) = testkit::ManualClock::ambient();
        let now = ambient.now();
        for (attempts, pause) in (0..).zip(PAUSES) {
            let conclusion = conclude(&row(attempts, now), refused(Refusal::Failed, None), true, &ambient);
            let (wait, counted) = waits(&conclusion, now);
            assert!((pause.mul_f64(0.79)..=pause.mul_f64(1.21)).contains(&wait), "{wait:?} {pause:?}");
            assert_eq!(counted, attempts + 1);
        }
        let conclusion = conclude(&row(7, now), refused(Refusal::Failed, None), true, &ambient);
        assert!(
            matches!(conclusion, Conclusion::Failed { attempts: 8, is_gone: false, .. }),
            "{conclusion:?}"
        );
        drop(clock);
    }

    #[test]
    fn a_queues_pauses_double_up_to_some_minutes() {
        let (_clock, ambient) = testkit::ManualClock::ambient();
        for (failures, seconds) in [(0, 5), (1, 5), (2, 10), (4, 40), (7, 300), (100, 300), (i64::MAX, 300)] {
            let meant = Duration::from_secs(seconds);
            let pause = pause_of_queue(failures, &ambient);
            assert!((meant.mul_f64(0.79)..=meant.mul_f64(1.21)).contains(&pause), "{failures}: {pause:?}");
        }
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_pause_within_a_day() {
        let (_clock, ambient) = testkit::ManualClock::ambient();
        let now = ambient.now();
        for (asked, least, most) in [(1, 4, 6), (60, 60, 60), (1_000_000, 86_400, 86_400)] {
            let asked = refused(Refusal::Failed, Some(Duration::from_secs(asked)));
            let (wait, _) = waits(&conclude(&row(0, now), asked, true, &ambient), now);
            assert!((least..=most).contains(&wait.as_secs()), "{wait:?}");
        }
    }

    #[test]
    fn what_could_not_be_tried_is_no_attempt() {
        let (clock, ambient) = testkit::ManualClock::ambient();
        let created_at = ambient.now();
        let conclusion = conclude(&row(3, created_at), refused(Refusal::NotNow, None), false, &ambient);
        let (wait, attempts) = waits(&conclusion, created_at);
        assert!((10..=15).contains(&wait.as_secs()) && attempts == 3, "{wait:?} {attempts}");
        clock.advance(Duration::from_hours(24));
        let conclusion = conclude(&row(3, created_at), refused(Refusal::NotNow, None), false, &ambient);
        let (wait, _) = waits(&conclusion, ambient.now());
        assert!((300..=450).contains(&wait.as_secs()), "what waits long is tried seldom: {wait:?}");
        clock.advance(GIVEN_UP_AFTER);
        let conclusion = conclude(&row(3, created_at), refused(Refusal::NotNow, None), false, &ambient);
        assert!(matches!(conclusion, Conclusion::Failed { attempts: 3, .. }), "{conclusion:?}");
    }

    #[test]
    fn who_is_gone_is_given_nothing_more() {
        let (_clock, ambient) = testkit::ManualClock::ambient();
        let gone = || refused(Refusal::Gone, None);
        let of = |is_subscription| conclude(&row(0, ambient.now()), gone(), is_subscription, &ambient);
        assert!(matches!(of(true), Conclusion::Failed { is_gone: true, .. }));
        assert!(matches!(of(false), Conclusion::Skipped { .. }));
    }
}
