//! Providers as they are at their worst, and the tokens that must survive them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod activity;
mod activity_of_connections;
mod activity_outage;
mod broker;
mod discovery;
mod flows;
mod hostile_provider;
mod metadata_server;
mod named_hosts;
mod place;
mod protocol_answers;
mod protocol_faults;
mod protocol_flow;
mod protocol_providers;
mod protocol_resources;
mod protocol_revoking;
mod protocol_secrecy;
mod races;
mod random_input;
mod revocation_runs;
mod sessions;
mod tenant_owned;
mod vault;
