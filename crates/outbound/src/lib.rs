//! Everything that leaves on another's word: which addresses may be reached, judged by the address that is connected to.
//!
//! Users, plugins and those who publish them name hosts. A [`Guard`] sees to it that none of them leads to this machine or
//! into the networks behind it: it gives a [`Client`] for single requests and a [`Connector`] for what is passed on, and both
//! judge an address that is written in a URL, and every address that a name resolves to, before they connect to exactly that
//! one. What the operator has put in OUTBOUND_ALLOW is reached besides.

mod address;
mod allow;
pub mod cause;
mod client;
mod connector;
mod error;
mod follow;
mod guard;
mod headers;
mod lookup;
mod resolver;

pub use allow::{Allow, Rule, RuleError};
pub use client::{Client, Settings, read, read_counted};
pub use connector::{Connector, Stream};
pub use error::Error;
pub use guard::{Guard, roots};
pub use headers::NOT_SETTABLE;
pub use lookup::{Addresses, Lookup};
pub use resolver::Resolver;
