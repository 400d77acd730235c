//! Session tokens made by the libraries that host products use, in Node.

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
    let folder = process::folder("tokens");
    node::install(&folder)?;
    let mut node = Command::new("node")
        .arg("samples.mjs")
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("these tests need Node 20 or later")?;
    node.stdin.take().context("node has no input")?.write_all(input.to_string().as_bytes())?;
    let output = node.wait_with_output()?;
    ensure!(output.status.success(), "samples.mjs failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}
