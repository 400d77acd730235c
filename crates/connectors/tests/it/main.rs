//! Connectors over real parts, and against servers that others wrote.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod desk;
mod frame;
mod google;
mod house;
mod http;
mod jira;
mod lexmodo;
mod shelf;
mod slack;
mod surfaces;
