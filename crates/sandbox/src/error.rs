//! What goes wrong with programs, told so that their authors know what would be right.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{Coded, ErrorCode, Place, Timestamp, Violation};

use crate::meter::Effort;

/// What a program threw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thrown {
    /// The class of the error, such as `TypeError`; empty if it was no error.
    pub name: String,
    /// The error's message, or the value that was thrown, at most 2 KiB.
    pub message: String,
    /// Where, innermost first, one call a line, in the author's own files as far as the source map tells them.
    pub stack: Vec<String>,
    /// The innermost place in a file of the author's.
    pub place: Option<Place>,
}

/// Why a program gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It threw.
    #[error("the plugin failed: {}", .0.summary())]
    Threw(Box<Thrown>),
    /// Its script threw while it was loaded.
    #[error("the plugin's backend does not load: {}", .0.summary())]
    DoesNotLoad(Box<Thrown>),
    /// What it exports is not a backend.
    #[error("the plugin's backend cannot be used: {0}")]
    Definition(String),
    /// It has no handler of this name.
    #[error("{0}")]
    NoHandler(String),
    /// The handler returned nothing where an answer is needed, or what is not JSON.
    #[error("the plugin's answer cannot be used: {0}")]
    Answer(String),
    /// The answer is too large.
    #[error("the plugin's answer is larger than the {} that are allowed: answer in pages", Size(*.0))]
    OutputTooLarge(usize),
    /// It handed more to the host at once than is taken.
    #[error("the plugin handed more than {} to the host at once: hand over less", Size(*.0))]
    MessageTooLarge(usize),
    /// It left very many host calls without reading their answers.
    #[error("the plugin began very many host calls at once: await them")]
    TooManyCalls,
    /// No answer within the time.
    #[error("the plugin did not answer within {0:?}: bound what it waits for")]
    WallDeadline(Duration),
    /// It computed for longer than it may.
    #[error("the plugin computed for more than {0:?}: do less in one call")]
    CpuDeadline(Duration),
    /// It needed more memory than it may have.
    #[error("the plugin needed more than the {} of memory that it may have: keep less at once", Size(*.0))]
    Memory(usize),
    /// It called itself too deeply.
    #[error("the plugin failed: maximum call stack size exceeded: recurse less deeply")]
    Stack,
    /// The handler waits for something that nothing will bring about.
    #[error("the plugin's handler never ended: it waits for a promise that nothing settles")]
    NeverSettled,
    /// The engine stopped it for another reason, which is told.
    #[error("the plugin's backend broke off: {0}")]
    BrokeOff(&'static str),
    /// It is no component that can be run.
    #[error("the plugin's component cannot be used: {0}")]
    Component(String),
    /// It broke off by itself, for the reason that is told.
    #[error("the plugin's component broke off: {0}")]
    Trapped(String),
    /// The script is larger than scripts may be.
    #[error("the plugin's backend is larger than the {} that are allowed: import less into it", Size(*.0))]
    ScriptTooLarge(usize),
    /// More calls than are taken.
    #[error("too many calls of this plugin's backend at once: try again in {} s", .0.as_secs().max(1))]
    Busy(Duration),
    /// Its calls have used up their limits so often that it is left alone.
    #[error("the plugin's backend has failed too often and is left alone: try again in {} s", .0.as_secs().max(1))]
    Resting(Duration),
    /// What runs for the tenant has all the memory that there is for one.
    #[error(
        "this organization's backends need more memory at once than there is for them: try again later, or do less in one call"
    )]
    Crowded,
    /// All programs together have all the memory that there is for them.
    #[error("the server has no memory left for plugins' backends: try again later")]
    Exhausted,
    /// A fault on this side.
    #[error("the sandbox failed")]
    Internal(#[source] Fault),
}

/// An amount of bytes in the largest unit that tells it whole.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        let whole = |unit: usize| bytes >= unit && bytes.is_multiple_of(unit);
        if whole(1 << 20) {
            write!(f, "{} MiB", bytes >> 20)
        } else if whole(1 << 10) {
            write!(f, "{} KiB", bytes >> 10)
        } else {
            write!(f, "{bytes} bytes")
        }
    }
}

/// A fault of the sandbox itself, for the log of the server.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Fault(Arc<str>);

impl Error {
    /// A fault of the engine, not of a program.
    pub(crate) fn engine(error: impl fmt::Display) -> Self {
        Self::internal(format!("{error:#}"))
    }

    pub(crate) fn internal(what: impl Into<Arc<str>>) -> Self {
        Self::Internal(Fault(what.into()))
    }

    /// Whether it is of the kind that burdens others after this effort, so that the owner is left alone if it goes on. Waiting
    /// in vain for another server burdens nobody.
    pub(crate) fn is_burden(&self, effort: Effort) -> bool {
        match self {
            Self::WallDeadline(_) => effort == Effort::Heavy,
            Self::CpuDeadline(_)
            | Self::Memory(_)
            | Self::Stack
            | Self::TooManyCalls
            | Self::MessageTooLarge(_) => true,
            _ => false,
        }
    }

    /// The word for it in metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Threw(_) => "threw",
            Self::DoesNotLoad(_) => "does_not_load",
            Self::Definition(_) => "definition",
            Self::NoHandler(_) => "no_handler",
            Self::Answer(_) => "answer",
            Self::OutputTooLarge(_) => "output",
            Self::MessageTooLarge(_) => "message",
            Self::TooManyCalls => "calls",
            Self::WallDeadline(_) => "wall",
            Self::CpuDeadline(_) => "cpu",
            Self::Memory(_) => "memory",
            Self::Stack => "stack",
            Self::NeverSettled => "never_settled",
            Self::BrokeOff(_) => "broke_off",
            Self::Component(_) => "component",
            Self::Trapped(_) => "trapped",
            Self::ScriptTooLarge(_) => "script_size",
            Self::Busy(_) => "busy",
            Self::Resting(_) => "resting",
            Self::Crowded => "crowded",
            Self::Exhausted => "exhausted",
            Self::Internal(_) => "internal",
        }
    }
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Threw(_)
            | Self::DoesNotLoad(_)
            | Self::Definition(_)
            | Self::Answer(_)
            | Self::OutputTooLarge(_)
            | Self::MessageTooLarge(_)
            | Self::TooManyCalls
            | Self::Memory(_)
            | Self::Stack
            | Self::NeverSettled
            | Self::BrokeOff(_)
            | Self::Component(_)
            | Self::Trapped(_)
            | Self::ScriptTooLarge(_) => ErrorCode::PluginFailed,
            Self::NoHandler(_) => ErrorCode::NotFound,
            Self::WallDeadline(_) | Self::CpuDeadline(_) => ErrorCode::PluginTimeout,
            Self::Busy(_) | Self::Crowded => ErrorCode::RateLimited,
            Self::Resting(_) => ErrorCode::PluginUnavailable,
            Self::Exhausted => ErrorCode::Unavailable,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    fn retry_after(&self, _now: Timestamp) -> Option<Duration> {
        match self {
            Self::Busy(after) | Self::Resting(after) => Some(*after),
            Self::Crowded => Some(Duration::from_secs(1)),
            Self::Exhausted => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Threw(thrown) | Self::DoesNotLoad(thrown) => {
                thrown.place.iter().map(|place| Violation::new("", thrown.text()).at(place.clone())).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Thrown {
    /// The error as consoles show its first line.
    pub fn text(&self) -> String {
        match (self.name.as_str(), self.message.as_str()) {
            ("", message) => message.to_owned(),
            (name, "") => name.to_owned(),
            (name, message) => format!("{name}: {message}"),
        }
    }

    fn summary(&self) -> String {
        let Some(place) = &self.place else { return self.text() };
        let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{} (at {}{line})", self.text(), place.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_largest_unit_that_tells_them_whole() {
        let told =
            [1, 1023, 1024, 1536, 65536, 64 << 20, (64 << 20) + 1].map(|bytes| Size(bytes).to_string());
        assert_eq!(
            told,
            ["1 bytes", "1023 bytes", "1 KiB", "1536 bytes", "64 KiB", "64 MiB", "67108865 bytes"]
        );
    }
}
