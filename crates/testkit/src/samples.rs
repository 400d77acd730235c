//! Session tokens made by the libraries that host products use, in Node.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// What `tests/tokens/samples.mjs` prints for `input`, which names secrets, an issuer and an audience; made anew at each
/// call. The libraries are installed at the first use.
///
/// # Errors
/// If Node or npm are missing, or the script fails.
pub fn token_samples(input: &Value) -> anyhow::Result<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tokens");
    install(&folder)?;
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

/// Another test process waits meanwhile.
fn install(folder: &Path) -> anyhow::Result<()> {
    let lock = File::create(folder.join(".installing"))?;
    lock.lock()?;
    if !folder.join("node_modules/.package-lock.json").exists() {
        let status = Command::new("npm").arg("ci").current_dir(folder).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "npm ci failed");
    }
    Ok(())
}
