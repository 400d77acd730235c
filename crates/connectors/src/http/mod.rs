//! The one way in which connectors call vendors' APIs over HTTP.
//!
//! A connector describes its vendor's dialect in a [`Vendor`] and makes an [`Upstream`] of it when the program starts. For each
//! operation it takes an [`Api`] from that, builds a [`Request`] and sends it. All the rest is done here: the token and its
//! renewal, deadlines, repetition of what may be repeated, fairness between tenants, heeding what the vendor says of its
//! limits, leaving a vendor alone that is in trouble, and telling each trouble in the words of the API's contract.

mod address;
mod answer;
mod api;
mod as_is;
mod call;
mod circuit;
mod client;
mod download;
mod gate;
mod host;
mod line;
mod link;
mod path;
mod payload;
mod request;
mod trouble;
mod vendor;
mod wait;
mod words;

pub use answer::Answer;
pub use api::{Api, Upstream};
pub(crate) use as_is::code_of;
pub use client::{Http, Settings, SettingsError};
pub use download::Download;
pub use path::{MAX_PATH, RawPath, segments};
pub use payload::Part;
pub use request::Request;
pub use vendor::{Refusal, Trouble, Vendor};
pub(crate) use words::shown_id;
