//! What was done with connections, by whom, and how it ended: written in the background, listed, exported, and
//! forgotten after a while. No token and no content ever stands in it.

mod entry;
mod list;
mod pending;
mod recorder;
mod sweep;

pub(crate) use entry::Fact;
pub use entry::{Action, Entry, Outcome, UnknownWord};
pub use list::{Filter, Page, Recorded};
pub(crate) use pending::Tally;
pub use recorder::Activity;
pub(crate) use recorder::record_in;

/// Who does what nobody asked for, such as renewing a token ahead of its end.
pub(crate) const ACTOR: &str = "jackfield";
