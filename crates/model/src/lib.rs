//! The nouns that every part of Jackfield shares: who calls, for which tenant, about which plugin, at what time,
//! and what kind of error came of it.
//!
//! This crate does no I/O and knows no other crate of the workspace.

mod ambient;
mod error;
mod event;
mod event_type;
mod id;
mod principal;
mod timestamp;

pub use ambient::{Ambient, Clock, Random, SystemClock, SystemRandom};
pub use error::{Coded, ErrorCode, Extensions, Place, Violation};
pub use event::{Event, EventKind, Published, Sender};
pub use event_type::{EventPattern, EventPatternError, EventType, EventTypeError};
pub use id::{IdError, PluginId, TenantId, new_id};
pub use principal::{Caller, CredentialKind, Principal, Role, Scope};
pub use timestamp::Timestamp;
