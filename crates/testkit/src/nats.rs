//! A NATS server with JetStream, of the tests' own.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// How long the server may take to answer.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Runs the server until standard input ends, so that it ends with the tests even if they are killed. The folder goes with it unless a line
/// comes, because what is kept in a `static` is never dropped.
const KEEPER: &str = r#"folder=$1; shift; "$@" & pid=$!; read -r kept; kill $pid; wait $pid
[ -n "$kept" ] || rm -rf "$folder""#;

/// A NATS server on a port of loopback.
#[derive(Debug)]
pub struct Nats {
    folder: TempDir,
    port: u16,
    url: String,
    keeper: Option<Child>,
}

impl Nats {
    /// Starts a server.
    ///
    /// # Errors
    /// If nats-server is not installed, or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("jackfield-nats").tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut nats = Self { folder, port, url: format!("nats://127.0.0.1:{port}"), keeper: None };
        nats.resume()?;
        Ok(nats)
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops the server; [`Nats::resume`] starts it again. What it kept in memory is gone.
    ///
    /// # Errors
    /// If it cannot be told to.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let mut keeper = self.keeper.take().context("the server is stopped already")?;
        keeper.stdin.take().context("the server has no input")?.write_all(b"stop\n")?;
        keeper.wait()?;
        Ok(())
    }

    /// Starts the server again at the same address.
    ///
    /// # Errors
    /// If it does not start.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(self.folder.path())
            .args(["nats-server", "-a", "127.0.0.1", "-p"])
            .arg(self.port.to_string())
            .arg("-js")
            .arg("-sd")
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.keeper = Some(keeper);
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            ensure!(
                started.elapsed() < START_DEADLINE,
                "nats-server does not answer: apt-get install nats-server"
            );
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            // If it cannot be waited for, it is gone.
            let _ = keeper.wait();
        }
    }
}
