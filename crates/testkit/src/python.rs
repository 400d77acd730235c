//! Programs in Python that tests run: their packages, servers, and session tokens.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::process::{Peer, folder};
use crate::script;

/// The Python with the packages of `tests/lexmodo`; `scripts/test-python` finds it, and installs them at the first use.
fn python() -> anyhow::Result<PathBuf> {
    script::path("JACKFIELD_TEST_PYTHON", &["test-python", "tests/lexmodo"], "Python 3.10 or later with venv")
}

fn command(script: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(python()?);
    // Nothing is written into the clone.
    command.arg("-B").arg(script).current_dir(folder("lexmodo"));
    Ok(command)
}

/// Runs a server of `tests/lexmodo`.
pub(crate) fn server(script: &str, arguments: &[String]) -> anyhow::Result<Peer> {
    Peer::spawn(script, command(script)?.args(arguments))
}

/// Session tokens of the Lexmodo platform made by `PyJWT`, in the order of their descriptions: `{"claims": {…}, "secret":
/// "…", "algorithm": "HS256", "headers": {…}}`, where `algorithm` (also `none`) and `headers` may be left out, and
/// `"raw": "text"` may stand instead of `claims`. Nothing is added, so `iss`, `exp` and all else are to be named. The
/// library is installed at the first use.
///
/// # Errors
/// If Python is missing, or `PyJWT` does not make one of them.
pub fn session_tokens(descriptions: &[Value]) -> anyhow::Result<Vec<String>> {
    let tokens = run("session_token.py", &[], &serde_json::to_vec(descriptions)?)?;
    Ok(serde_json::from_value(tokens)?)
}

/// Runs a program of `tests/lexmodo` to its end; gives the JSON that it prints.
pub(crate) fn run(script: &str, arguments: &[String], input: &[u8]) -> anyhow::Result<Value> {
    let mut python = command(script)?
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("python")?;
    python.stdin.take().context("python has no input")?.write_all(input)?;
    let output = python.wait_with_output()?;
    ensure!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
