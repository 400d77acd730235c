//! The file of master keys, for a server that is given none: base64, a key a line, the one to wrap under first.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::Ambient;
use secrecy::SecretString;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::master_keys::MAX_KEYS;
use crate::{Error, MasterKey};

/// The most bytes of the file that are read.
const MAX_BYTES: u64 = 4096;

/// Where the file is.
#[derive(Debug, Clone)]
pub(crate) struct KeyFile(PathBuf);

impl KeyFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes the file with one new key, unless there is one.
    pub(crate) fn create_if_missing(&self, ambient: &Ambient) -> Result<(), Error> {
        let create = || -> std::io::Result<()> {
            if self.0.exists() {
                return Ok(());
            }
            let draft = self.draft(&[MasterKey::generate(ambient)])?;
            match draft.persist_noclobber(&self.0) {
                // Another process was first.
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
                done => done.map(drop).map_err(std::io::Error::from),
            }?;
            self.sync_folder()
        };
        create().map_err(Error::MasterKeyFile)
    }

    /// The keys in it, of which there is at least one.
    pub(crate) fn read(&self) -> Result<Vec<MasterKey>, Error> {
        let lines = self.lines()?;
        lines.iter().map(|line| MasterKey::from_base64(&SecretString::from(line.as_str()))).collect()
    }

    /// Puts a new key before the one that is there. Where there are several, an earlier replacement did not end, and its
    /// new key stays.
    pub(crate) fn add(&self, ambient: &Ambient) -> Result<(), Error> {
        let mut lines = self.lines()?;
        if lines.len() == 1 {
            lines.insert(0, MasterKey::generate(ambient));
            self.replace(&lines)?;
        }
        Ok(())
    }

    /// Leaves the first key alone in the file.
    pub(crate) fn keep_first(&self) -> Result<(), Error> {
        let lines = self.lines()?;
        match lines.as_slice() {
            [first, _, ..] => self.replace(std::slice::from_ref(first)),
            _ => Ok(()),
        }
    }

    fn lines(&self) -> Result<Vec<Zeroizing<String>>, Error> {
        // As large as it may get, so that no copy of keys is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(usize::try_from(MAX_BYTES).unwrap_or(0) + 1));
        File::open(&self.0)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
            .map_err(Error::MasterKeyFile)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<_> = lines.map(|line| Zeroizing::new(line.to_owned())).collect();
        match lines.len() {
            0 => Err(Error::MasterKeyFormat),
            count if count > MAX_KEYS => Err(Error::TooManyMasterKeys { max: MAX_KEYS }),
            _ => Ok(lines),
        }
    }

    /// Writes the whole file before its name changes hands, so that no reader and no crash meets half of it.
    fn replace(&self, lines: &[Zeroizing<String>]) -> Result<(), Error> {
        let replace = || -> std::io::Result<()> {
            self.draft(lines)?.persist(&self.0).map_err(|error| error.error)?;
            self.sync_folder()
        };
        replace().map_err(Error::MasterKeyFile)
    }

    fn draft(&self, lines: &[Zeroizing<String>]) -> std::io::Result<NamedTempFile<File>> {
        let mut draft = tempfile::Builder::new().make_in(self.folder()?, |path| {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
        })?;
        for line in lines {
            draft.write_all(line.as_bytes())?;
            draft.write_all(b"\n")?;
        }
        draft.as_file().sync_all()?;
        Ok(draft)
    }

    fn sync_folder(&self) -> std::io::Result<()> {
        File::open(self.folder()?)?.sync_all()
    }

    fn folder(&self) -> std::io::Result<&Path> {
        self.0.parent().ok_or_else(|| ErrorKind::InvalidInput.into())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn ids(file: &KeyFile) -> Vec<String> {
        file.read().unwrap().iter().map(|key| key.id().to_owned()).collect()
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(&folder.path().join("master.key"));
        file.create_if_missing(&Ambient::system()).unwrap();
        let first = ids(&file);
        file.create_if_missing(&Ambient::system()).unwrap();
        assert_eq!(ids(&file), first);
        assert_eq!(std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_new_key_stands_before_the_former_until_that_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(&folder.path().join("master.key"));
        file.create_if_missing(&Ambient::system()).unwrap();
        let former = ids(&file);
        file.add(&Ambient::system()).unwrap();
        let both = ids(&file);
        assert_eq!((both.len(), &both[1..]), (2, former.as_slice()));
        file.add(&Ambient::system()).unwrap();
        assert_eq!(ids(&file), both, "what was interrupted goes on with the same key");
        file.keep_first().unwrap();
        file.keep_first().unwrap();
        assert_eq!(ids(&file), both[..1]);
        assert_eq!(std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(&folder.path().join("master.key"));
        let key = MasterKey::generate(&Ambient::system());
        for text in ["", "\n\n", "nonsense\n", &format!("{}\nnonsense\n", *key)] {
            std::fs::write(&file.0, text).unwrap();
            assert!(matches!(file.read(), Err(Error::MasterKeyFormat)), "{text:?}");
        }
        std::fs::write(&file.0, format!("{}\n", *key).repeat(9)).unwrap();
        assert!(matches!(file.read(), Err(Error::TooManyMasterKeys { max: 8 })));
    }
}
