//! Programs in Node that tests run: their packages, and servers.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::ensure;
use serde_json::Value;

use crate::process::{Peer, folder};

/// Installs a folder's packages at the first use, and when others are wanted. Another test process waits meanwhile.
pub(crate) fn install(folder: &Path) -> anyhow::Result<()> {
    let lock = File::create(folder.join(".installing"))?;
    lock.lock()?;
    let wanted = fs::metadata(folder.join("package-lock.json"))?.modified()?;
    let installed = fs::metadata(folder.join("node_modules/.package-lock.json"));
    if installed.and_then(|file| file.modified()).map_or(true, |installed| installed < wanted) {
        let status = Command::new("npm").arg("ci").current_dir(folder).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "npm ci failed");
    }
    Ok(())
}

/// Runs a server of `tests/providers` with `options`; needs Node 20.19 or later.
pub(crate) fn server(script: &str, options: &Value) -> anyhow::Result<Peer> {
    let folder = folder("providers");
    install(&folder)?;
    let mut node = Command::new("node");
    Peer::spawn(script, node.arg(script).arg(options.to_string()).current_dir(&folder))
}
