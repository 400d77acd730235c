//! `jackfield plugin dev`: publishes and installs a plugin again whenever a file of it changes, and shows what it writes.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bundler::SourceTree;
use bytes::Bytes;
use model::{Ambient, ErrorCode};
use registry::MANIFEST_FILE;
use serde_json::{Map, Value, json};

use crate::cli::print;
use crate::plugin::DevArgs;
use crate::plugin::check::{Ready, Workshop};
use crate::plugin::folder::{self, FolderError};
use crate::plugin::logs::{Follow, Shown};
use crate::plugin::watch::Watch;
use crate::plugin::{install, publish};
use crate::remote::client::Client;
use crate::remote::report::{self, Failure};

/// Publishes once, or until it is interrupted.
pub(crate) async fn run(args: &DevArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    if !args.dir.is_dir() {
        return Err(FolderError::NotAFolder(args.dir.clone()).into());
    }
    let workshop = Workshop::open()?;
    let ended = develop(&client, &workshop, args).await;
    workshop.close().await;
    ended
}

async fn develop(client: &Client, workshop: &Workshop, args: &DevArgs) -> Result<(), Failure> {
    let mut session = Session::new(client, workshop, args);
    if args.once {
        return session.publish(folder::read(&args.dir)?).await;
    }
    let mut watch = Watch::start(&args.dir)?;
    let ended = tokio::select! {
        ended = session.work(&mut watch) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    session.tell_end()?;
    ended
}

/// Tells, as a line of JSON, why nothing was published.
pub(crate) fn tell_line(failure: &Failure) {
    let mut line = json!({"event": "failed"});
    let told = match failure {
        Failure::Problem(problem) => problem.as_json(),
        other => json!({"detail": other.to_string()}),
    };
    if let (Value::Object(line), Value::Object(told)) = (&mut line, told) {
        line.extend(told);
    }
    // If standard output is gone, nobody is left to tell.
    let _ = print(&format!("{line}\n"));
}

/// How soon it is tried again where the plugin is not what was wrong.
const AGAIN: Duration = Duration::from_secs(5);

/// What was looked at last.
#[derive(Debug, Default)]
struct Seen {
    /// The files that there is nothing more to be done with: they were published, or cannot be as they are.
    settled: Option<SourceTree>,
    /// What was told last of what may pass by itself.
    trouble: Option<String>,
}

impl Seen {
    /// Whether there is nothing more to be done with these files.
    fn is_settled(&self, tree: &SourceTree) -> bool {
        self.settled.as_ref().is_some_and(|settled| settled.iter().eq(tree.iter()))
    }

    /// Takes what came of `tree`; gives a failure that was not told before.
    fn take(&mut self, tree: SourceTree, outcome: Result<(), Failure>) -> Option<Failure> {
        let failure = outcome.err();
        let passing = failure.as_ref().filter(|failure| failure.may_pass()).map(ToString::to_string);
        self.settled = if passing.is_none() { Some(tree) } else { None };
        let is_known = passing.is_some() && passing == self.trouble;
        self.trouble = passing;
        failure.filter(|_| !is_known)
    }

    /// Whether it is to be tried again though nothing changes.
    const fn is_due(&self) -> bool {
        self.trouble.is_some()
    }
}

/// A version that runs.
#[derive(Debug, Clone)]
struct Running {
    id: String,
    version: String,
    tenant: String,
}

struct Session<'a> {
    client: &'a Client,
    workshop: &'a Workshop,
    args: &'a DevArgs,
    ambient: Ambient,
    seen: Seen,
    /// The number of the last version.
    stamp: i64,
    running: Option<Running>,
    /// What was consented to last.
    asked: Option<Value>,
    log: Option<Follow>,
}

impl<'a> Session<'a> {
    fn new(client: &'a Client, workshop: &'a Workshop, args: &'a DevArgs) -> Self {
        let ambient = Ambient::system();
        let seen = Seen::default();
        Self { client, workshop, args, ambient, seen, stamp: 0, running: None, asked: None, log: None }
    }

    /// Publishes what is there, and again after each change; shows the log meanwhile.
    async fn work(&mut self, watch: &mut Watch) -> Result<(), Failure> {
        loop {
            if let Some(failure) = self.look().await {
                self.tell(&failure);
            }
            self.show_log(watch).await?;
        }
    }

    /// Publishes the folder if it is another than what was settled before; gives what is to be told of it.
    async fn look(&mut self) -> Option<Failure> {
        let tree = match folder::read(&self.args.dir) {
            Ok(tree) => tree,
            Err(error) => return Some(error.into()),
        };
        if self.seen.is_settled(&tree) {
            return None;
        }
        let outcome = self.publish(tree.clone()).await;
        self.seen.take(tree, outcome)
    }

    /// Shows lines of the log until something changes, or it is time to try again.
    async fn show_log(&mut self, watch: &mut Watch) -> Result<(), Failure> {
        let shown = if self.args.json { Shown::Json } else { Shown::Text };
        let again = Instant::now() + AGAIN;
        let is_due = self.seen.is_due();
        loop {
            let next = async {
                match self.log.as_mut() {
                    Some(log) => log.print_next(self.client, shown).await,
                    None => std::future::pending().await,
                }
            };
            let told = tokio::select! {
                changed = watch.changed() => return changed,
                () = tokio::time::sleep_until(again.into()), if is_due => return Ok(()),
                told = next => told,
            };
            if let Err(failure) = told {
                // Not for this caller: it will not be later.
                self.tell(&failure);
                self.log = None;
            }
        }
    }

    /// Checks, publishes under a version of its own, and installs that.
    async fn publish(&mut self, tree: SourceTree) -> Result<(), Failure> {
        let started = Instant::now();
        let ready = self.workshop.prepare(tree).await?;
        let built = started.elapsed();
        if !self.args.json {
            report::warn(&ready.prepared.warnings);
        }
        let manifest = &ready.prepared.manifest;
        self.stamp = self.ambient.now().as_millisecond().max(self.stamp + 1);
        let (id, version) = (manifest.id.clone(), dev_version(&manifest.version, self.stamp));
        if self.log.is_none() && !self.args.once {
            let mut log = Follow::new(&id);
            log.skip(self.client).await;
            self.log = Some(log);
        }
        let body = publish::body(&with_version(&ready.tree, &version)?)?;
        let doing = format!("publishing {id} {version}");
        let plugin = self.client.post(&["plugins"], &body, &doing).await.map_err(explain_quota)?;
        let asked = plugin.get("grants");
        let installed = install::move_to(self.client, (&id, &version), asked).await?;
        self.tell_consent(asked);
        let text = |key: &str| installed.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let running = Running { id, version, tenant: text("tenantId") };
        self.tell_running(&running, &ready, [built, started.elapsed()])?;
        if installed.get("enabled") == Some(&Value::Bool(false)) && !self.args.json {
            report::note(
                "the plugin is switched off here, so nothing of it is shown: PUT /plugins/ID/status switches it on",
            );
        }
        self.running = Some(running);
        Ok(())
    }

    /// Says what was consented to, if it is not the same as before.
    fn tell_consent(&mut self, asked: Option<&Value>) {
        if asked != self.asked.as_ref() && !self.args.json {
            asked.and_then(install::told_consent).inspect(|consent| report::note(consent));
        }
        self.asked = asked.cloned();
    }

    fn tell(&self, failure: &Failure) {
        if self.args.json { tell_line(failure) } else { report::tell(failure, false) }
    }

    fn tell_running(
        &self,
        running: &Running,
        ready: &Ready,
        [built, all]: [Duration; 2],
    ) -> Result<(), Failure> {
        let Running { id, version, tenant } = running;
        let text = if self.args.json {
            let line = json!({
                "event": "published", "id": id, "version": version, "tenantId": tenant, "files": ready.tree.len(),
                "buildMs": millis(built), "totalMs": millis(all), "warnings": ready.prepared.warnings,
            });
            format!("{line}\n")
        } else {
            let watching = if self.args.once { "" } else { "; watching for changes" };
            report::clean(&format!(
                "{id} {version} runs for {tenant} (built in {} ms, running after {} ms){watching}\n",
                millis(built),
                millis(all)
            ))
        };
        Ok(print(&text)?)
    }

    /// Says what is left behind.
    fn tell_end(&self) -> Result<(), Failure> {
        let text = match (&self.running, self.args.json) {
            (Some(Running { id, version, tenant }), true) => {
                let line = json!({"event": "ended", "id": id, "version": version, "tenantId": tenant});
                format!("{line}\n")
            }
            (Some(Running { id, version, tenant }), false) => report::clean(&format!(
                "\n{id} {version} stays installed for {tenant}; `jackfield plugin publish` makes a version to keep\n"
            )),
            (None, true) => "{\"event\":\"ended\"}\n".to_owned(),
            (None, false) => "\nnothing was published\n".to_owned(),
        };
        Ok(print(&text)?)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A pre-release of `version` (Semantic Versioning 2.0, section 9), so that no catalog shows it in place of a release.
fn dev_version(version: &str, stamp: i64) -> String {
    let release = version.split_once('+').map_or(version, |(before, _)| before);
    let mark = if release.contains('-') { '.' } else { '-' };
    format!("{release}{mark}dev.{stamp}")
}

/// The same files under another version.
fn with_version(tree: &SourceTree, version: &str) -> Result<SourceTree, Failure> {
    let mut other = SourceTree::new();
    for (path, content) in tree.iter() {
        let content = if path == MANIFEST_FILE { manifest(content, version)? } else { content.clone() };
        other.insert(path, content).context("the plugin has no room for its version")?;
    }
    Ok(other)
}

fn manifest(content: &[u8], version: &str) -> Result<Bytes, Failure> {
    let mut manifest: Map<String, Value> =
        serde_json::from_slice(content).context("plugin.json is not a JSON object")?;
    manifest.insert("version".to_owned(), version.into());
    Ok(serde_json::to_vec_pretty(&manifest).context("plugin.json cannot be written")?.into())
}

/// Says what can be done when there are too many versions: each change makes one, and none can be deleted.
fn explain_quota(failure: Failure) -> Failure {
    let Failure::Problem(mut problem) = failure else { return failure };
    if problem.code == ErrorCode::Conflict.as_str() && problem.detail.contains("versions") {
        let hint = "each change made one, and versions cannot be deleted: go on under another id in plugin.json, or \
                    with a server of your own that you can empty (`jackfield serve --dev` in a new folder)";
        problem.hint = Some(hint.to_owned());
    }
    Failure::Problem(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::report::Problem;

    #[test]
    fn a_version_in_the_making_comes_before_its_release() {
        for (version, made) in [
            ("1.1.0", "1.1.0-dev.1763755200123"),
            ("1.1.0+build.7", "1.1.0-dev.1763755200123"),
            ("1.1.0-beta.2", "1.1.0-beta.2.dev.1763755200123"),
            ("1.1.0+a-b", "1.1.0-dev.1763755200123"),
        ] {
            assert_eq!(dev_version(version, 1_763_755_200_123), made);
            assert!(made.parse::<registry::Version>().is_ok(), "{made}");
        }
    }

    #[test]
    fn only_the_version_of_the_manifest_changes() {
        let mut tree = SourceTree::new();
        let text = r#"{"id": "a", "version": "1.0.0", "name": "A"}"#;
        tree.insert(MANIFEST_FILE, Bytes::from_static(text.as_bytes())).unwrap();
        tree.insert("src/index.ts", Bytes::from_static(b"\xff")).unwrap();
        let other = with_version(&tree, "1.0.0-dev.1").unwrap();
        let manifest: Value = serde_json::from_slice(other.get(MANIFEST_FILE).unwrap()).unwrap();
        assert_eq!(manifest, json!({"id": "a", "version": "1.0.0-dev.1", "name": "A"}));
        assert_eq!(other.get("src/index.ts"), tree.get("src/index.ts"));
    }

    #[test]
    fn only_what_the_plugin_can_help_waits_for_a_change() {
        let mut tree = SourceTree::new();
        tree.insert(MANIFEST_FILE, Bytes::from_static(b"{}")).unwrap();
        let refused = |status: Option<u16>, detail: &str| {
            Err(Failure::from(Problem { status, detail: detail.into(), ..Problem::default() }))
        };
        let mut seen = Seen::default();
        for (status, detail) in [(503, "busy"), (429, "slower"), (502, "a page")] {
            assert!(seen.take(tree.clone(), refused(Some(status), detail)).is_some(), "{status}");
            assert!(!seen.is_settled(&tree) && seen.is_due(), "{status}");
            assert!(seen.take(tree.clone(), refused(Some(status), detail)).is_none(), "it is told once");
            assert!(seen.is_due(), "{status}");
        }
        let unreached = Err(Failure::Other(anyhow::anyhow!("connection refused")));
        assert!(seen.take(tree.clone(), unreached).is_some());
        assert!(!seen.is_settled(&tree) && seen.is_due());
        for status in [None, Some(400), Some(401), Some(403), Some(409), Some(422)] {
            assert!(seen.take(tree.clone(), refused(status, "no")).is_some(), "{status:?}");
            assert!(seen.is_settled(&tree) && !seen.is_due(), "{status:?}");
        }
        seen = Seen::default();
        assert!(seen.take(tree.clone(), Ok(())).is_none());
        assert!(seen.is_settled(&tree) && !seen.is_due());
        tree.insert("a.ts", Bytes::new()).unwrap();
        assert!(!seen.is_settled(&tree));
    }

    #[test]
    fn too_many_versions_come_with_what_helps() {
        let problem = |code: ErrorCode, detail: &str| {
            Failure::from(Problem { code: code.as_str().into(), detail: detail.into(), ..Problem::default() })
        };
        let hint = |failure| match explain_quota(failure) {
            Failure::Problem(problem) => problem.hint,
            _ => None,
        };
        assert!(hint(problem(ErrorCode::Conflict, "a plugin may have at most 1000 versions")).is_some());
        assert_eq!(hint(problem(ErrorCode::Conflict, "the id is taken")), None);
        assert_eq!(hint(Failure::Usage("versions".into())), None);
    }
}
