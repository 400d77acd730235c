//! The authorization code flow (RFC 6749, section 4.1) from the first link to the stored tokens.

mod begin;
mod browser;
mod complete;
mod state;

pub use begin::{Begin, Begun, Link};
pub use browser::Browser;
pub use complete::{Callback, Completion};
pub(crate) use state::Flow;
