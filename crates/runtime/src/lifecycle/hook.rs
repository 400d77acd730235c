//! Which hooks there are, which events call them, and how often and when a hook that fails is tried again.

use std::str::FromStr;
use std::time::Duration;

use model::{Ambient, EventKind};

/// How long after a failed attempt the next one is made, and a little longer.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
];

/// How long a run waits that could not be attempted for a reason that is not the plugin's; doubled each time.
const FIRST_PUT_OFF: Duration = Duration::from_secs(2);
const LONGEST_PUT_OFF: Duration = Duration::from_mins(10);

/// What a pause may be longer, as a part of it.
const JITTER: u32 = 5;

/// A handler that is told of what a tenant does with the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// After the plugin was installed.
    Install,
    /// After it was uninstalled.
    Uninstall,
    /// After it was switched on, which installing does too.
    Enable,
    /// After it was switched off. Uninstalling does not call it.
    Disable,
}

impl Hook {
    const ALL: [Self; 4] = [Self::Install, Self::Uninstall, Self::Enable, Self::Disable];

    /// The events that call any.
    pub(crate) const EVENTS: &[EventKind] = &[
        EventKind::InstallationCreated,
        EventKind::InstallationRemoved,
        EventKind::InstallationEnabled,
        EventKind::InstallationDisabled,
    ];

    /// The name of the handler.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "onInstall",
            Self::Uninstall => "onUninstall",
            Self::Enable => "onEnable",
            Self::Disable => "onDisable",
        }
    }

    /// The hooks that an event of this type calls, in their order.
    pub(crate) fn of_event(kind: &str) -> &'static [Self] {
        const CALLED: [(EventKind, &[Hook]); 4] = [
            (EventKind::InstallationCreated, &[Hook::Install, Hook::Enable]),
            (EventKind::InstallationRemoved, &[Hook::Uninstall]),
            (EventKind::InstallationEnabled, &[Hook::Enable]),
            (EventKind::InstallationDisabled, &[Hook::Disable]),
        ];
        CALLED.iter().find(|(event, _)| event.as_str() == kind).map_or(&[], |(_, hooks)| hooks)
    }
}

impl FromStr for Hook {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|hook| hook.as_str() == text).ok_or(())
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It waits: for its time, or for an earlier run of the same plugin.
    Pending,
    /// The hook is at work.
    Running,
    /// The hook has ended well.
    Done,
    /// The hook has failed, and is tried no more unless somebody asks for it.
    Failed,
    /// There was nothing to call, or it was no longer right to call it.
    Skipped,
}

impl State {
    const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Done, Self::Failed, Self::Skipped];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// How long to wait after the `attempts`th attempt has failed; `None` once it was the last.
pub(crate) fn pause_after(attempts: i64, ambient: &Ambient) -> Option<Duration> {
    let pause = *PAUSES.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
    Some(pause + ambient.part_of(pause / JITTER))
}

/// How long to wait where no attempt could be made, and none the `times` times before.
pub(crate) fn pause_put_off(times: i64, ambient: &Ambient) -> Duration {
    let doublings = u32::try_from(times).unwrap_or(u32::MAX).min(16);
    let pause = FIRST_PUT_OFF.saturating_mul(1 << doublings).min(LONGEST_PUT_OFF);
    pause + ambient.part_of(pause / JITTER)
}

/// Whether an attempt of this number is one too many. It is reached by processes that ended while the hook was at work.
pub(crate) fn is_beyond_the_last(attempt: i64) -> bool {
    usize::try_from(attempt).is_ok_and(|attempt| attempt > PAUSES.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lead_back_to_what_they_say() {
        for hook in Hook::ALL {
            assert_eq!(hook.as_str().parse(), Ok(hook));
        }
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!("onUpgrade".parse::<Hook>(), Err(()));
        assert_eq!("".parse::<State>(), Err(()));
    }

    #[test]
    fn an_install_also_switches_on() {
        assert_eq!(Hook::of_event("jackfield.installation.created"), [Hook::Install, Hook::Enable]);
        assert_eq!(Hook::of_event("jackfield.installation.removed"), [Hook::Uninstall]);
        assert_eq!(Hook::of_event("jackfield.installation.enabled"), [Hook::Enable]);
        assert_eq!(Hook::of_event("jackfield.installation.disabled"), [Hook::Disable]);
        assert!(Hook::EVENTS.iter().all(|kind| !Hook::of_event(kind.as_str()).is_empty()));
        for other in ["jackfield.installation.upgraded", "jackfield.plugin.created", "acme.order.paid", ""] {
            assert_eq!(Hook::of_event(other), [], "{other}");
        }
    }

    #[test]
    fn what_is_put_off_waits_longer_each_time_up_to_ten_minutes() {
        let ambient = Ambient::system();
        for (times, seconds) in
            [(0, 2), (1, 4), (5, 64), (8, 512), (9, 600), (i64::MAX, 600), (1_000_000, 600)]
        {
            let pause = pause_put_off(times, &ambient);
            let (least, most) =
                (Duration::from_secs(seconds), Duration::from_secs(seconds + seconds.div_ceil(5)));
            assert!((least..=most).contains(&pause), "{times}: {pause:?}");
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let ambient = Ambient::system();
        for (attempts, seconds) in [(1, 5), (2, 30), (3, 120), (4, 600), (5, 3600)] {
            let pause = pause_after(attempts, &ambient).unwrap();
            let (least, most) = (Duration::from_secs(seconds), Duration::from_secs(seconds + seconds / 5));
            assert!((least..=most).contains(&pause), "{attempts}: {pause:?}");
            assert!(!is_beyond_the_last(attempts));
        }
        assert_eq!(pause_after(6, &ambient), None);
        assert!(!is_beyond_the_last(6));
        assert!(is_beyond_the_last(7));
        assert_eq!(pause_after(0, &ambient), None);
        assert_eq!(pause_after(i64::MAX, &ambient), None);
    }
}
