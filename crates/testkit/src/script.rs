//! What the scripts beside the tests find or fetch.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, ensure};

/// The path that a script of `scripts/` prints, asked once in a process; or the one in `variable`, which is set where
/// `scripts/test` runs the tests. `needs` says what is missing where the script fails.
pub(crate) fn path(variable: &str, command: &[&str], needs: &str) -> anyhow::Result<PathBuf> {
    static FOUND: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no settings; the script that runs them sets this"
    )]
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let mut found = FOUND.lock().map_err(|_| anyhow::anyhow!("another test did not find it"))?;
    let found = found.get_or_insert_default();
    if let Some(path) = found.get(variable) {
        return Ok(path.clone());
    }
    let (script, arguments) = command.split_first().context("a script")?;
    let output = Command::new(crate::process::root().join("scripts").join(script))
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("scripts/{script}"))?;
    ensure!(output.status.success(), "these tests need {needs}");
    let path = PathBuf::from(String::from_utf8(output.stdout)?.trim_end());
    found.insert(variable.to_owned(), path.clone());
    Ok(path)
}
