//! Servers in other languages that end with the test that started them.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// How long a server may take to start.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// The folder `name` of `tests/`.
pub(crate) fn folder(name: &str) -> PathBuf {
    root().join("tests").join(name)
}

/// The root of the clone whose tests these are. Asked for as they run: clones share what was compiled, and the one that compiled
/// this may be gone.
pub(crate) fn root() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "set by cargo, for the package whose tests it runs")]
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    package.as_deref().unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR"))).join("../..")
}

/// Sends `signal` to a program, as `kill(1)` names it: `TERM`, `STOP`.
pub(crate) fn signal(program: &Child, signal: &str) -> anyhow::Result<()> {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", program.id())]).status()?;
    ensure!(sent.success(), "kill -{signal} failed");
    Ok(())
}

/// A server. Killed when dropped; it ends by itself when the test's process does, because its standard input ends then.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    /// The server ends when this does.
    lifeline: Option<ChildStdin>,
    /// What it told when it was ready.
    pub(crate) facts: Value,
}

impl Peer {
    /// Runs the server `name`, and waits until it prints a line of JSON: its facts, or an object that has them as `ready`.
    pub(crate) fn spawn(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| {
            format!("{name} cannot be run: {} is needed", command.get_program().display())
        })?;
        let lifeline = Some(child.stdin.take().context("the server has no input")?);
        let stdout = child.stdout.take().context("the server has no output")?;
        let complaints = collect(child.stderr.take().context("the server has no standard error")?);
        let mut peer = Self { child, lifeline, facts: Value::Null };
        let Ok(facts) = facts(stdout).recv_timeout(START_DEADLINE) else {
            // Once it has ended, so have its complaints.
            drop(peer);
            bail!("{name} does not start; it wrote:\n{}", complaints.join().unwrap_or_default());
        };
        peer.facts = facts;
        Ok(peer)
    }

    /// Sends it `signal`.
    pub(crate) fn signal(&self, signal: &str) -> anyhow::Result<()> {
        self::signal(&self.child, signal)
    }

    /// A text among the facts.
    pub(crate) fn fact(&self, name: &str) -> anyhow::Result<String> {
        let fact = self.facts.get(name).and_then(Value::as_str);
        Ok(fact.with_context(|| format!("the server did not tell its {name}"))?.to_owned())
    }

    /// A port among the facts.
    pub(crate) fn port(&self, name: &str) -> anyhow::Result<u16> {
        let fact = self.facts.get(name).and_then(Value::as_u64);
        let port = fact.with_context(|| format!("the server did not tell its {name}"))?;
        Ok(port.try_into()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the line that tells that all is ready, and reads on so that the server never waits for its reader.
fn facts(stdout: impl Read + Send + 'static) -> mpsc::Receiver<Value> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).ok().filter(Value::is_object);
            if let Some(facts) = line {
                // Nobody waits any more once the server was found to be ready.
                let _ = tell.send(facts.get("ready").cloned().unwrap_or(facts));
            }
        }
    });
    told
}

/// Reads all there is, so that the server never waits for its reader.
fn collect(stderr: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut written = Vec::new();
        // What came before a failure is told.
        let _ = BufReader::new(stderr).read_to_end(&mut written);
        String::from_utf8_lossy(&written).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::node::server;
    use crate::python;

    fn peer() -> Peer {
        server("oidc-provider.mjs", &json!({"clients": [], "users": []})).unwrap()
    }

    #[test]
    fn a_server_ends_when_it_is_dropped() {
        let peer = peer();
        let process = PathBuf::from(format!("/proc/{}", peer.child.id()));
        assert!(process.exists());
        drop(peer);
        assert!(!process.exists());
    }

    #[test]
    fn a_server_ends_by_itself_when_its_test_is_killed() {
        for mut peer in [peer(), python::server("server.py", &[]).unwrap()] {
            // What the kernel does to the pipes of a process that is no more.
            drop(peer.lifeline.take());
            let started = Instant::now();
            while peer.child.try_wait().unwrap().is_none() {
                assert!(started.elapsed() < Duration::from_secs(10), "it runs on");
                thread::sleep(Duration::from_millis(10));
            }
        }
    }

    #[test]
    fn what_went_wrong_is_told() {
        let error = server("oidc-provider.mjs", &json!({})).unwrap_err().to_string();
        assert!(error.contains("does not start") && error.contains("TypeError"), "{error}");
    }
}
