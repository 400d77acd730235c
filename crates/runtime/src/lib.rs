//! Plugin backends as the server runs them: what a handler is given, which route leads to it, and the way to upstreams.
//!
//! A handler computes in the sandbox and asks for everything else by an operation (`storage.get`, `http.request`). The
//! operations are in `ctx`, one file for each kind; each holds what is asked against what the tenant's admin has consented to,
//! whatever the plugin's own code looks like.

mod call;
mod component;
mod ctx;
mod error;
mod examine;
mod invocation;
pub mod lifecycle;
mod log;
mod orphans;
mod receivers;
mod redact;
mod refusal;
mod request;
mod route;
mod scripts;
mod seams;
mod store;
mod trouble;
pub mod upstream;
mod values;

pub use call::{Parts, Runtime, Settings};
pub use error::Error;
pub use examine::Examiner;
pub use log::{Log, LogQuery, Logged, Logs, level_name, level_of};
pub use receivers::Receivers;
pub use request::{Body, HandlerRequest, HandlerResponse, User, Who};
pub use route::{Matched, RouteError};
pub use seams::{Installations, Sign, Unified, UnifiedError};
pub use store::{MIGRATIONS, TENANT_DATA};
pub use values::Quota;
