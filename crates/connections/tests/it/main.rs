//! Providers as they are at their worst, and the tokens that must survive them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod activity;
mod activity_outage;
mod place;
