//! A PostgreSQL server for one test, in a temporary folder, without a network port.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use storage::DatabaseUrl;
use tempfile::TempDir;

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// Stops the server when dropped.
pub(crate) struct Postgres {
    folder: TempDir,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let server = Self { folder };
        own(server.folder.path());
        let data = server.data();
        run("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "-N", "--locale=C.UTF-8"]);
        let options = format!("-c listen_addresses='' -k {} -c fsync=off", server.folder.path().display());
        run("pg_ctl", &["-D", &data, "-w", "-o", &options, "-l", &server.file("log"), "start"]);
        server
    }

    pub(crate) fn url(&self) -> DatabaseUrl {
        let host = self.folder.path().to_str().unwrap().replace('/', "%2F");
        format!("postgres://postgres@{host}/postgres").parse().unwrap()
    }

    fn data(&self) -> String {
        self.file("data")
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.data();
        let mut stop = command("pg_ctl");
        drop(stop.args(["-D", &data, "-m", "immediate", "stop"]).stdout(Stdio::null()).status());
    }
}

/// PostgreSQL refuses to run as root, so then it runs as `nobody`.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
}

fn own(folder: &Path) {
    if is_root() {
        assert!(Command::new("chown").arg("nobody").arg(folder).status().unwrap().success());
    }
}

fn command(program: &str) -> Command {
    let installed = PathBuf::from(BIN).join(program);
    let program = if installed.exists() { installed } else { program.into() };
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "nobody", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = command(program).args(arguments).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{program} failed");
}
