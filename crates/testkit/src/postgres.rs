//! A PostgreSQL server of the tests' own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// How long the server may take to answer.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Runs the server until standard input has a line or ends, so that it ends with the tests even if they are killed.
/// The folder goes with it, because what is kept in a `static` is never dropped; a line, the signal to send, spares it.
const KEEPER: &str = r#"folder=$1; shift; "$@" & pid=$!; read -r signal; kill -${signal:-QUIT} $pid; wait $pid
[ -n "$signal" ] || rm -rf "$folder""#;

/// How a server ends, by the signal that PostgreSQL takes for it (its documentation, section 18.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It tells its clients, as when an administrator restarts it.
    Fast,
    /// It breaks off, as in a crash.
    Immediate,
}

/// A PostgreSQL server that listens on a socket in a temporary folder. Without fsync: its data dies with it.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    keeper: Child,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts a server; takes one to two seconds.
    ///
    /// # Errors
    /// If PostgreSQL is not installed, or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("jackfield-pg").tempdir()?;
        let user = other_user()?;
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let data = folder.path().join("data");
        let initialised = as_user(&mut Command::new(programs.join("initdb")), user, folder.path())
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8", "-E", "UTF8"])
            .output()
            .context("initdb")?;
        ensure!(initialised.status.success(), "initdb: {}", String::from_utf8_lossy(&initialised.stderr));
        let keeper = spawn(&programs, user, folder.path())?;
        let server = Self { folder, programs, user, keeper, databases: AtomicU32::new(0) };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// The folder of all the server's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the server, whatever its clients are doing; [`Postgres::resume`] starts it again on the same data.
    ///
    /// # Errors
    /// If it cannot be told to.
    pub fn stop(&mut self, ending: Ending) -> anyhow::Result<()> {
        let mut stdin = self.keeper.stdin.take().context("the server is stopped already")?;
        stdin.write_all(match ending {
            Ending::Fast => b"INT\n",
            Ending::Immediate => b"QUIT\n",
        })?;
        self.keeper.wait()?;
        Ok(())
    }

    /// Starts the server again after [`Postgres::stop`].
    ///
    /// # Errors
    /// If it does not start.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.keeper = spawn(&self.programs, self.user, self.folder.path())?;
        self.wait_until_ready()
    }

    /// The URL of a new, empty database.
    ///
    /// # Errors
    /// If the server does not make it.
    pub fn database(&self) -> anyhow::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = self.client("createdb").arg(&name).output()?;
        ensure!(made.status.success(), "createdb: {}", String::from_utf8_lossy(&made.stderr));
        Ok(format!("postgres://postgres@localhost/{name}?host={}", self.folder.path().display()))
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        as_user(&mut command, self.user, self.folder.path())
            .args(["-U", "postgres", "-h"])
            .arg(self.folder.path());
        command
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while !self.client("pg_isready").output()?.status.success() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            ensure!(started.elapsed() < START_DEADLINE, "postgres does not answer: {}", log());
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // If it cannot be waited for, it is gone.
        let _ = self.keeper.wait();
    }
}

fn spawn(programs: &Path, user: Option<(u32, u32)>, folder: &Path) -> anyhow::Result<Child> {
    let log = fs::File::options().create(true).append(true).open(folder.join("log"))?;
    Ok(as_user(&mut Command::new("sh"), user, folder)
        .args(["-c", KEEPER, "sh"])
        .arg(folder)
        .arg(programs.join("postgres"))
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200", "-k"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?)
}

/// The folder of PostgreSQL's programs: `POSTGRES_BIN`, or that of the newest version that Debian's packages installed.
fn programs() -> anyhow::Result<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests have no settings; the script that runs them sets this"
    )]
    if let Some(folder) = std::env::var_os("POSTGRES_BIN") {
        return Ok(folder.into());
    }
    let missing = "PostgreSQL is not installed: apt-get install postgresql";
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .context(missing)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, path)| path).context(missing)
}

/// Whom to run as: PostgreSQL refuses to run as root, so then it is `nobody`.
fn other_user() -> anyhow::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let id = |flag: &str| -> anyhow::Result<u32> {
        let output = Command::new("id").args([flag, "nobody"]).output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    Ok(Some((id("-u")?, id("-g")?)))
}

fn as_user<'a>(command: &'a mut Command, user: Option<(u32, u32)>, folder: &Path) -> &'a mut Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.current_dir(folder).env("LC_ALL", "C.UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_starts_makes_databases_and_ends() {
        let server = Postgres::start().unwrap();
        assert_ne!(server.database().unwrap(), server.database().unwrap());
        let pid_file = server.folder.path().join("data/postmaster.pid");
        let pid: u32 = fs::read_to_string(pid_file).unwrap().lines().next().unwrap().parse().unwrap();
        drop(server);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
