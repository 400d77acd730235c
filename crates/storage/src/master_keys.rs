//! The master keys that a program holds: one that wraps data keys, and others that may open what they wrapped before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use model::Ambient;
use std::path::Path;
use tokio::sync::Mutex;

use crate::key_file::KeyFile;
use crate::{Error, MasterKey};

/// The most master keys at once: a rotation needs two.
pub(crate) const MAX_KEYS: usize = 8;
/// How often the key file is read again at most, where a key is asked for that was not in it.
const REREAD_INTERVAL: Duration = Duration::from_millis(200);

/// Master keys, the first of which is the one that everything is to be wrapped under.
pub struct MasterKeys {
    keys: ArcSwap<Vec<Arc<MasterKey>>>,
    file: Option<KeyFile>,
    reread: Mutex<Option<Instant>>,
}

impl MasterKeys {
    /// `primary`, and keys that open what they wrapped before and never wrap anew.
    ///
    /// # Errors
    /// [`Error::TooManyMasterKeys`].
    pub fn given(primary: MasterKey, accepted: Vec<MasterKey>) -> Result<Self, Error> {
        let keys: Vec<_> = std::iter::once(primary).chain(accepted).map(Arc::new).collect();
        if keys.len() > MAX_KEYS {
            return Err(Error::TooManyMasterKeys { max: MAX_KEYS });
        }
        Ok(Self::new(keys, None))
    }

    /// The keys in the file at `path`, a line each; makes a file with one, readable by its owner alone, where there is
    /// none. The file is read again when a key is asked for that it did not hold.
    ///
    /// # Errors
    /// [`Error::MasterKeyFile`], [`Error::MasterKeyFormat`], [`Error::TooManyMasterKeys`].
    pub fn load_or_create(path: &Path, ambient: &Ambient) -> Result<Self, Error> {
        let file = KeyFile::new(path);
        file.create_if_missing(ambient)?;
        Ok(Self::new(file.read()?.into_iter().map(Arc::new).collect(), Some(file)))
    }

    fn new(keys: Vec<Arc<MasterKey>>, file: Option<KeyFile>) -> Self {
        Self { keys: ArcSwap::from_pointee(keys), file, reread: Mutex::new(None) }
    }

    /// The key that everything is to be wrapped under.
    pub(crate) fn primary(&self) -> Result<Arc<MasterKey>, Error> {
        self.keys.load().first().cloned().ok_or(Error::MasterKeyFormat)
    }

    /// The keys as they are known at the moment, the first of which is the one that seals.
    pub(crate) fn known(&self) -> Arc<Vec<Arc<MasterKey>>> {
        self.keys.load_full()
    }

    /// The file that the keys are from.
    pub(crate) fn file(&self) -> Option<&KeyFile> {
        self.file.as_ref()
    }

    /// What the first key that has it gives; the file is read again if none has.
    pub(crate) async fn find<T>(&self, wanted: impl Fn(&Arc<MasterKey>) -> Option<T>) -> Option<T> {
        let first = self.keys.load_full();
        if let Some(found) = first.iter().find_map(&wanted) {
            return Some(found);
        }
        self.reread(&first).await;
        let second = self.keys.load_full();
        if Arc::ptr_eq(&first, &second) { None } else { second.iter().find_map(&wanted) }
    }

    /// Reads the file again, unless another has since `seen`, or it was read a moment ago.
    async fn reread(&self, seen: &Arc<Vec<Arc<MasterKey>>>) {
        let Some(file) = &self.file else { return };
        let mut last = self.reread.lock().await;
        let is_newer = !Arc::ptr_eq(seen, &self.keys.load_full());
        if is_newer || last.is_some_and(|last| last.elapsed() < REREAD_INTERVAL) {
            return;
        }
        *last = Some(Instant::now());
        let file = file.clone();
        match tokio::task::spawn_blocking(move || file.read()).await {
            Ok(Ok(keys)) => self.keys.store(Arc::new(keys.into_iter().map(Arc::new).collect())),
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the key file cannot be read again");
            }
            // The program is ending.
            Err(_) => {}
        }
    }

    /// Reads the file again at once.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        if let Some(file) = &self.file {
            self.keys.store(Arc::new(file.read()?.into_iter().map(Arc::new).collect()));
        }
        Ok(())
    }
}

impl From<MasterKey> for MasterKeys {
    fn from(key: MasterKey) -> Self {
        Self::new(vec![Arc::new(key)], None)
    }
}
