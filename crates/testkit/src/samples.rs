//! What libraries in Node make: session tokens of host products, signatures of webhooks.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::node;
use crate::process;

/// What `tests/tokens/samples.mjs` prints for `input`, which names secrets, an issuer and an audience; made anew at each
/// call. The libraries are installed at the first use.
///
/// # Errors
/// If Node or npm are missing, or the script fails.
pub fn token_samples(input: &Value) -> anyhow::Result<Value> {
    run("tokens", "samples.mjs", input)
}

/// The claims of a token of this server, checked by jose with the keys that are published at a URL.
///
/// `input` has the keys that `tests/tokens/verify.mjs` names.
///
/// # Errors
/// If the token is not good, or Node 20, npm or the registry are out of reach.
pub fn verified_token(input: &Value) -> anyhow::Result<Value> {
    run("tokens", "verify.mjs", input)
}

/// Webhooks that the libraries of senders have signed, as `tests/webhooks/sign.mjs` says.
///
/// # Errors
/// If Node or npm are missing, or the script fails.
pub fn signed_webhooks(input: &Value) -> anyhow::Result<Value> {
    run("webhooks", "sign.mjs", input)
}

/// What the libraries of receivers say of deliveries, as `tests/webhooks/verify.mjs` says.
///
/// # Errors
/// If Node is missing, or the program fails.
pub fn verified_webhooks(deliveries: &Value) -> anyhow::Result<Value> {
    run("webhooks", "verify.mjs", deliveries)
}

fn run(folder: &str, script: &str, input: &Value) -> anyhow::Result<Value> {
    let folder = process::folder(folder);
    node::install(&folder)?;
    let mut node = Command::new("node")
        .arg(script)
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("these tests need Node 20 or later")?;
    node.stdin.take().context("node has no input")?.write_all(input.to_string().as_bytes())?;
    let output = node.wait_with_output()?;
    ensure!(output.status.success(), "{script} failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
