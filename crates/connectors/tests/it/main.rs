//! Connectors over real parts, and against servers that others wrote.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod bitbucket;
mod caller;
mod confluence;
mod contract;
mod desk;
mod documentation;
mod door;
mod frame;
mod github;
mod google;
mod house;
mod http;
mod jira;
mod lexmodo;
mod notes;
mod proxy;
mod shelf;
mod slack;
mod stream;
mod surfaces;
