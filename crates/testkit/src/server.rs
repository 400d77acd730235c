//! A running server.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use model::Role;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

use crate::process;
use crate::token::{SECRET, token};

/// How long a server may take to start or to end.
const DEADLINE: Duration = Duration::from_mins(1);

/// How long a line of the log may take after its request is answered.
const CATCH_UP: Duration = Duration::from_secs(5);

/// A server in the making.
#[derive(Debug, Clone)]
pub struct Builder {
    program: PathBuf,
    folder: Arc<TempDir>,
    settings: Vec<(String, String)>,
    arguments: Vec<String>,
    survives_file_limits: bool,
}

impl Builder {
    /// Sets an environment variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// Adds an argument after `serve`.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Lets the server get errors from writes beyond a limit on file sizes, in place of the signal that would end it.
    #[must_use]
    pub fn surviving_file_limits(mut self) -> Self {
        self.survives_file_limits = true;
        self
    }

    /// The folder in which the server will run: `.env`, `jackfield.toml` and `data` are in it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command that would run, for `arguments` in place of `serve`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = if self.survives_file_limits {
            // A signal that is ignored stays so in the program that is run.
            let mut shell = Command::new("sh");
            shell.args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#]).arg(&self.program);
            shell
        } else {
            Command::new(&self.program)
        };
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the server, and waits until it listens.
    ///
    /// # Errors
    /// If it does not, with what it wrote.
    pub fn start(self) -> anyhow::Result<TestServer> {
        let mut child = self
            .command(&["serve"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the server's program does not start")?;
        let stderr = child.stderr.take().context("no standard error")?;
        let log = Arc::new(Mutex::new(String::new()));
        let (tell, told) = mpsc::channel();
        let written = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = listening(&line) {
                    // Nobody waits any more once the server was found to listen.
                    let _ = tell.send(address);
                }
                let mut log = written.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        let client = Client::builder()
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no client")?;
        let mut server = TestServer { child, base: String::new(), client, log, builder: self };
        match told.recv_timeout(DEADLINE) {
            Ok(address) => server.base = format!("http://{address}"),
            Err(_) => bail!("the server does not listen; it wrote:\n{}", server.written()),
        }
        Ok(server)
    }
}

/// The address in the log line that tells it.
fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    if text("message")? == "listening" { text("server.address").map(str::to_owned) } else { None }
}

/// A running server on loopback, with its files in a temporary folder. Killed when dropped.
#[derive(Debug)]
pub struct TestServer {
    child: Child,
    base: String,
    client: Client,
    log: Arc<Mutex<String>>,
    builder: Builder,
}

impl TestServer {
    /// A server of the program at `program`, `env!("CARGO_BIN_EXE_jackfield")`. It accepts tokens of
    /// [`token`](crate::token), keeps its data in the folder, and takes any free port.
    ///
    /// # Errors
    /// If there is no temporary folder to be had.
    pub fn builder(program: &str) -> anyhow::Result<Builder> {
        let folder = tempfile::Builder::new().prefix("jackfield").tempdir()?;
        let builder = Builder {
            program: program.into(),
            folder: Arc::new(folder),
            settings: Vec::new(),
            arguments: Vec::new(),
            survives_file_limits: false,
        };
        // What one server has compiled is good for all.
        let cache = Path::new(program).with_file_name("cache-of-tests");
        let builder = builder.set("CACHE_DIR", cache.to_string_lossy());
        Ok(builder.set("PORT", "0").set("JWT_SECRET", SECRET).set("LOG_FORMAT", "json"))
    }

    /// The base URL, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The folder that the server runs in.
    pub fn folder(&self) -> &Path {
        self.builder.folder()
    }

    /// A request without a credential.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A GET without a credential.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A request by somebody with `role` in `tenant`.
    pub fn request_as(&self, tenant: &str, role: Role, method: Method, path: &str) -> RequestBuilder {
        let request = self.request(method, path).bearer_auth(token(tenant, role));
        // Who runs the platform has no tenant of their own.
        if role == Role::PlatformAdmin { request.header("x-tenant-id", tenant) } else { request }
    }

    /// The id of the server's process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// What the server has logged so far: of all requests that were answered, while it still takes some.
    pub fn log(&self) -> String {
        // One that takes no requests any more has written what it will.
        let _ = self.catch_up();
        self.written()
    }

    fn written(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a request and waits for its line: lines are written in order, and a moment after they are made.
    fn catch_up(&self) -> anyhow::Result<()> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let id = format!("catch-up-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let address = self.base.strip_prefix("http://").context("it does not listen")?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(CATCH_UP))?;
        let head = format!("Host: {address}\r\nX-Request-Id: {id}\r\nConnection: close");
        stream.write_all(format!("GET /catch-up HTTP/1.1\r\n{head}\r\n\r\n").as_bytes())?;
        stream.read_to_end(&mut Vec::new())?;
        let started = Instant::now();
        while !self.written().contains(&id) {
            ensure!(started.elapsed() < CATCH_UP, "no line tells of {id}");
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// What it has logged once `text` is among it: a line is written after its request is answered.
    ///
    /// # Errors
    /// If that takes longer than a minute.
    pub fn log_with(&self, text: &str) -> anyhow::Result<String> {
        let started = Instant::now();
        loop {
            let log = self.written();
            if log.contains(text) {
                return Ok(log);
            }
            ensure!(started.elapsed() < DEADLINE, "{text:?} is not in the log: {log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends `signal`, as `kill(1)` names it: `TERM`, `KILL`.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        process::signal(&self.child, signal)
    }

    /// Waits for the server to end.
    ///
    /// # Errors
    /// If it does not within a minute.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(started.elapsed() < DEADLINE, "the server does not end; it wrote:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the server as a power cut would: nothing in it can react.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Kills the server and starts another on the same files.
    ///
    /// # Errors
    /// If the other does not start.
    pub fn crash_and_restart(mut self) -> anyhow::Result<Self> {
        self.kill()?;
        self.builder.clone().start()
    }

    /// The resident memory of the server in bytes (proc(5), `statm`).
    ///
    /// # Errors
    /// Where the kernel does not tell.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages: u64 = statm.split_whitespace().nth(1).context("no resident pages")?.parse()?;
        Ok(pages * 4096)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
