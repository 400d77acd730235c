//! Blobs in a folder of this machine.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{BlobKey, Blobs};
use crate::Error;

/// Drafts stand here until they are whole. No key begins with a dot, so none can meet it.
const DRAFTS: &str = ".drafts";
/// A draft older than this was left by a crash.
const DRAFT_LIFE: Duration = Duration::from_hours(1);

/// How often a blob is put into a folder that vanishes before that counts as a failure.
const MAX_ATTEMPTS: u32 = 100;

/// Blobs as files: written beside, synced, then renamed into place, and the folders synced as well.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Opens the store in `root`, which is made where it is missing, and clears what a crash left.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        let folder = Self { root: root.clone() };
        blocking(move || {
            fs::create_dir_all(root.join(DRAFTS))?;
            clear_drafts(&root.join(DRAFTS))
        })
        .await?;
        Ok(folder)
    }

    fn path(&self, key: &BlobKey) -> PathBuf {
        self.root.join(key.as_str())
    }
}

#[async_trait]
impl Blobs for Folder {
    async fn put(&self, key: &BlobKey, content: Bytes) -> Result<(), Error> {
        let (root, path) = (self.root.clone(), self.path(key));
        blocking(move || {
            let mut draft = tempfile::NamedTempFile::new_in(root.join(DRAFTS))?;
            draft.write_all(&content)?;
            draft.as_file().sync_all()?;
            place(&root, draft, &path)
        })
        .await
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, Error> {
        let path = self.path(key);
        blocking(move || match fs::read(path) {
            Ok(content) => Ok(Some(Bytes::from(content))),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), Error> {
        let (root, path) = (self.root.clone(), self.path(key));
        blocking(move || {
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(error),
            }
            prune_empty_dirs(&root, path.parent());
            Ok(())
        })
        .await
    }

    async fn check(&self) -> Result<(), Error> {
        let drafts = self.root.join(DRAFTS);
        blocking(move || tempfile::NamedTempFile::new_in(drafts)?.write_all(b"jackfield")).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Blobs(error.into()))?
        .map_err(|error| Error::Blobs(error.into()))
}

/// Moves a whole draft to `path`. A delete elsewhere may take away an empty folder on the way, so that is tried again.
fn place(root: &Path, mut draft: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    let parent = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let error = match create_dirs_durably(root, parent) {
            Ok(()) => match draft.persist(path) {
                Ok(_) => return sync_dir(parent),
                Err(refused) => {
                    draft = refused.file;
                    refused.error
                }
            },
            Err(error) => error,
        };
        if error.kind() != ErrorKind::NotFound || attempts == MAX_ATTEMPTS {
            return Err(error);
        }
    }
}

/// A missing folder on the way, or a file where a folder would be, means as much as a missing file.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

/// Makes `path` below `root`, syncing each folder that gets a new entry.
fn create_dirs_durably(root: &Path, path: &Path) -> io::Result<()> {
    if path.is_dir() || path == root {
        return Ok(());
    }
    let parent = path.parent().ok_or(ErrorKind::InvalidInput)?;
    create_dirs_durably(root, parent)?;
    match fs::create_dir(path) {
        Ok(()) => sync_dir(parent),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// An empty folder is only untidy, so a failure here is nobody's concern.
fn prune_empty_dirs(root: &Path, mut from: Option<&Path>) {
    while let Some(dir) = from {
        if dir == root || fs::remove_dir(dir).is_err() {
            return;
        }
        from = dir.parent();
    }
}

fn clear_drafts(drafts: &Path) -> io::Result<()> {
    for entry in fs::read_dir(drafts)? {
        let entry = entry?;
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
        if age > DRAFT_LIFE {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
