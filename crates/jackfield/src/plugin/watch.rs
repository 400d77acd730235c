//! Waiting for changes of a plugin's files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::plugin::folder;
use crate::remote::report::Failure;

/// How long nothing may change before a change counts as complete: editors and tools write in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How long a change may go on before it is looked at anyway.
const LONGEST: Duration = Duration::from_secs(2);

/// Hears of changes in a plugin's own folders, and not in those that are no part of it.
pub(crate) struct Watch {
    root: PathBuf,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    /// Holds one notice, however much has changed.
    changes: mpsc::Receiver<()>,
    /// When the first notice was taken that nobody has been told of yet.
    due_since: Option<Instant>,
}

impl Watch {
    /// Begins to listen, so that no change after this is missed.
    pub(crate) fn start(root: &Path) -> Result<Self, Failure> {
        let (sender, changes) = mpsc::channel(1);
        let told = move |event: notify::Result<notify::Event>| {
            // Being read is no change; an error may be a queue that has run over.
            if !matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. })) {
                // If it is full, the reader is yet to hear of the change before.
                let _ = sender.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(told).with_context(|| cannot(root))?;
        let mut watch =
            Self { root: root.to_owned(), watcher, watched: BTreeSet::new(), changes, due_since: None };
        watch.follow_folders()?;
        Ok(watch)
    }

    /// Waits until something has changed, and nothing more for a moment. Who gives up waiting misses nothing: the next call tells
    /// of it.
    pub(crate) async fn changed(&mut self) -> Result<(), Failure> {
        let since = match self.due_since {
            Some(since) => since,
            None if self.changes.recv().await.is_none() => {
                return Err(Failure::Other(anyhow::anyhow!("the system no longer tells what changes")));
            }
            None => *self.due_since.insert(Instant::now()),
        };
        let end = since + LONGEST;
        while let Ok(Some(())) = timeout_at(end.min(Instant::now() + QUIET), self.changes.recv()).await {}
        self.due_since = None;
        // New folders are listened to before they are read, so that nothing falls in between.
        self.follow_folders()
    }

    fn follow_folders(&mut self) -> Result<(), Failure> {
        let folders = folder::folders(&self.root);
        // A folder that is made anew under an old name is another one for the system.
        self.watched.retain(|known| folders.contains(known));
        for folder in folders.difference(&self.watched.clone()) {
            match self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(folder.clone())),
                // Gone again.
                Err(_) if fs::symlink_metadata(folder).is_err() && *folder != self.root => {}
                Err(error) => return Err(anyhow::Error::from(error).context(cannot(folder)).into()),
            }
        }
        Ok(())
    }
}

fn cannot(path: &Path) -> String {
    format!("cannot watch {}", path.display())
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    async fn is_told(watch: &mut Watch, within: Duration) -> bool {
        timeout(within, watch.changed()).await.is_ok_and(|heard| heard.is_ok())
    }

    #[tokio::test]
    async fn changes_are_told_also_in_folders_that_are_new() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("src")).unwrap();
        fs::write(root.path().join("src/a.ts"), "1").unwrap();
        let mut watch = Watch::start(root.path()).unwrap();
        fs::write(root.path().join("src/a.ts"), "2").unwrap();
        assert!(is_told(&mut watch, LONG).await);
        fs::create_dir_all(root.path().join("src/deep/deeper")).unwrap();
        assert!(is_told(&mut watch, LONG).await);
        fs::write(root.path().join("src/deep/deeper/b.ts"), "1").unwrap();
        assert!(is_told(&mut watch, LONG).await);
        fs::remove_dir_all(root.path().join("src/deep")).unwrap();
        assert!(is_told(&mut watch, LONG).await);
    }

    #[tokio::test]
    async fn what_is_no_part_of_the_plugin_is_not_listened_to() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["node_modules/react", "dist", ".git"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("plugin.json"), "{}").unwrap();
        let mut watch = Watch::start(root.path()).unwrap();
        for file in ["node_modules/react/index.js", "dist/index.js", ".git/HEAD"] {
            fs::write(root.path().join(file), "x").unwrap();
        }
        fs::read(root.path().join("plugin.json")).unwrap();
        assert!(!is_told(&mut watch, Duration::from_millis(400)).await);
    }

    #[tokio::test]
    async fn a_change_is_told_to_who_gave_up_waiting_and_comes_back() {
        let root = tempfile::tempdir().unwrap();
        let mut watch = Watch::start(root.path()).unwrap();
        fs::write(root.path().join("a.ts"), "x").unwrap();
        // The notice is there by now, and the wait for more of them is not over.
        tokio::time::sleep(QUIET * 5).await;
        assert!(!is_told(&mut watch, QUIET / 4).await);
        assert!(is_told(&mut watch, LONG).await);
        assert!(!is_told(&mut watch, QUIET * 4).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_goes_on_is_told_in_time_also_to_who_gives_up_again_and_again() {
        let root = tempfile::tempdir().unwrap();
        let mut watch = Watch::start(root.path()).unwrap();
        let (sender, changes) = mpsc::channel(1);
        watch.changes = changes;
        let going_on = tokio::spawn(async move {
            loop {
                let _ = sender.try_send(());
                tokio::time::sleep(QUIET / 2).await;
            }
        });
        let started = Instant::now();
        while !is_told(&mut watch, QUIET * 3).await {
            assert!(started.elapsed() < LONGEST * 2, "it is never told");
        }
        assert!(started.elapsed() >= LONGEST);
        going_on.abort();
    }

    #[tokio::test]
    async fn many_changes_are_one() {
        let root = tempfile::tempdir().unwrap();
        let mut watch = Watch::start(root.path()).unwrap();
        for name in 0..200 {
            fs::write(root.path().join(format!("{name}.ts")), "x").unwrap();
        }
        assert!(is_told(&mut watch, LONG).await);
        assert!(!is_told(&mut watch, Duration::from_millis(400)).await);
    }
}
