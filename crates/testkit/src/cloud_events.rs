//! The CloudEvents SDKs of other languages, as clients of a server.

use serde_json::{Value, json};

use crate::{node, python};

/// Has the SDK for JavaScript publish at `base` and read back: what was answered, and what it understood.
///
/// # Errors
/// If Node is missing, or the SDK refuses what it reads.
pub fn cloud_events_of_node(base: &str, token: &str) -> anyhow::Result<Value> {
    Ok(node::server("cloud-events.mjs", &json!({"base": base, "token": token}))?.facts.clone())
}

/// Has the SDK for Python publish at `base` and read back: what was answered, and what it understood.
///
/// # Errors
/// If Python is missing, or the SDK refuses what it reads.
pub fn cloud_events_of_python(base: &str, token: &str) -> anyhow::Result<Value> {
    python::run("cloud_events.py", &[base.to_owned(), token.to_owned()], &[])
}
