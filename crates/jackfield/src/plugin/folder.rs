//! A plugin's folder, read into memory without following links.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bundler::{SourceTree, TreeError};
use bytes::Bytes;
use model::{Coded, ErrorCode};
use rustix::fs::{Mode, OFlags};

/// Folders that hold what others made, wherever they are.
const FOREIGN: &str = "node_modules";
/// The folder at the top that holds what `plugin build` made.
pub(crate) const BUILT: &str = "dist";
/// How deep folders may be nested.
const MAX_DEPTH: usize = 32;
/// How many names are looked at before the folder is taken for something else than a plugin.
const MAX_ENTRIES: usize = 50_000;

/// Why a folder cannot be read as a plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// There is no such folder.
    #[error("{} is no folder; name the one that holds the plugin's plugin.json", .0.display())]
    NotAFolder(PathBuf),
    /// The system refused.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// Relative to the plugin's folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A link, a device, a socket or a pipe.
    #[error("{0} is neither a file nor a folder: links and devices cannot be part of a plugin")]
    NotAFile(String),
    /// A name that is no UTF-8.
    #[error("{0:?} has a name that is no UTF-8")]
    Name(PathBuf),
    /// A path or a number of files that no plugin may have.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// More bytes than any plugin may have.
    #[error("{path} has {size} bytes, and with it the plugin has more than the {max} that are allowed in all", max = SourceTree::MAX_BYTES)]
    TooLarge {
        /// The file that went over it.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Too many names, or too deep.
    #[error("the folder has more than {MAX_ENTRIES} entries or {MAX_DEPTH} levels; is it the plugin's own?")]
    Endless,
}

impl Coded for FolderError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. }
            | Self::Endless
            | Self::Tree(TreeError::TooLarge | TreeError::TooManyFiles) => ErrorCode::PayloadTooLarge,
            _ => ErrorCode::InvalidRequest,
        }
    }
}

/// Reads the plugin's files: all but those whose name begins with a dot, those in folders named `node_modules`, and
/// those in `dist` at the top.
pub(crate) fn read(root: &Path) -> Result<SourceTree, FolderError> {
    if !root.is_dir() {
        return Err(FolderError::NotAFolder(root.to_owned()));
    }
    let mut reader = Reader { root, tree: SourceTree::new(), entries: 0 };
    reader.folder("", 0)?;
    Ok(reader.tree)
}

/// The folder itself and those within it that may hold files of the plugin. What cannot be read is left out.
pub(crate) fn folders(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::from([root.to_owned()]);
    let mut left = vec![(String::new(), 0)];
    while let Some((at, depth)) = left.pop() {
        let entries = fs::read_dir(root.join(&at)).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| !is_ignored(&entry.file_name(), &at)) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder
                && depth < MAX_DEPTH
                && found.len() < MAX_ENTRIES
                && let Ok(name) = entry.file_name().into_string()
            {
                found.insert(entry.path());
                left.push((format!("{at}{name}/"), depth + 1));
            }
        }
    }
    found
}

struct Reader<'a> {
    root: &'a Path,
    tree: SourceTree,
    entries: usize,
}

impl Reader<'_> {
    /// Reads the folder at `at`, a path within the plugin that is empty or ends with a slash.
    fn folder(&mut self, at: &str, depth: usize) -> Result<(), FolderError> {
        let failed = |source| FolderError::Unreadable { path: named(at), source };
        for entry in fs::read_dir(self.root.join(at)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            self.entries += 1;
            if self.entries > MAX_ENTRIES || depth > MAX_DEPTH {
                return Err(FolderError::Endless);
            }
            if is_ignored(&entry.file_name(), at) {
                continue;
            }
            let name = entry.file_name().into_string().map_err(|name| FolderError::Name(name.into()))?;
            let path = format!("{at}{name}");
            // Of the entry itself: a link is a link here.
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                self.folder(&format!("{path}/"), depth + 1)?;
            } else if kind.is_file() {
                self.file(&path)?;
            } else {
                return Err(FolderError::NotAFile(path));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &str) -> Result<(), FolderError> {
        let failed = |source| FolderError::Unreadable { path: path.to_owned(), source };
        let file = open(&self.root.join(path)).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(FolderError::NotAFile(path.to_owned()));
        }
        let left = (SourceTree::MAX_BYTES - self.tree.size_bytes()) as u64;
        let too_large = |size| FolderError::TooLarge { path: path.to_owned(), size };
        if metadata.len() > left {
            return Err(too_large(metadata.len()));
        }
        let mut content = Vec::new();
        // The file may grow while it is read.
        let read = file.take(left + 1).read_to_end(&mut content).map_err(failed)? as u64;
        if read > left {
            return Err(too_large(read));
        }
        Ok(self.tree.insert(path, Bytes::from(content))?)
    }
}

/// Opens a file that has not become a link or a pipe meanwhile.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn is_ignored(name: &OsStr, at: &str) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == FOREIGN || (at.is_empty() && name == BUILT)
}

fn named(at: &str) -> String {
    if at.is_empty() { "the plugin's folder".to_owned() } else { at.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for path in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        root
    }

    #[test]
    fn what_others_made_and_hidden_files_are_left_out() {
        let root = folder(&[
            "plugin.json",
            "src/index.tsx",
            "src/dist/kept.ts",
            "dist/index.js",
            "node_modules/react/index.js",
            "src/node_modules/a.js",
            ".git/HEAD",
            ".env",
            "src/.cache/a",
        ]);
        let tree = read(root.path()).unwrap();
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["plugin.json", "src/dist/kept.ts", "src/index.tsx"]);
    }

    #[test]
    fn links_are_not_followed() {
        for target in ["/etc/passwd", "/etc", "nowhere"] {
            let root = folder(&["plugin.json"]);
            std::os::unix::fs::symlink(target, root.path().join("linked")).unwrap();
            assert!(
                matches!(read(root.path()), Err(FolderError::NotAFile(path)) if path == "linked"),
                "{target}"
            );
        }
    }

    #[test]
    fn links_in_what_is_left_out_do_not_matter() {
        let root = folder(&["plugin.json", "node_modules/a/b.js"]);
        std::os::unix::fs::symlink("/etc", root.path().join("node_modules/.bin")).unwrap();
        std::os::unix::fs::symlink("/etc", root.path().join("dist")).unwrap();
        assert_eq!(read(root.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_pipe_is_no_file_and_does_not_block() {
        let root = folder(&["plugin.json"]);
        rustix::fs::mkfifoat(rustix::fs::CWD, root.path().join("pipe"), Mode::RUSR).unwrap();
        assert!(matches!(read(root.path()), Err(FolderError::NotAFile(path)) if path == "pipe"));
        assert!(open(&root.path().join("pipe")).is_ok_and(|file| !file.metadata().unwrap().is_file()));
    }

    #[test]
    fn a_file_over_the_bound_is_named_and_not_read() {
        let root = folder(&["plugin.json"]);
        File::create(root.path().join("film.mp4")).unwrap().set_len(1 << 30).unwrap();
        let error = read(root.path()).unwrap_err();
        assert!(
            matches!(&error, FolderError::TooLarge { path, size } if path == "film.mp4" && *size == 1 << 30)
        );
        assert_eq!(error.code(), ErrorCode::PayloadTooLarge);
    }

    #[test]
    fn what_is_no_folder_is_said_to_be_none() {
        let root = folder(&["plugin.json"]);
        for path in [root.path().join("plugin.json"), root.path().join("nowhere")] {
            assert!(matches!(read(&path), Err(FolderError::NotAFolder(_))));
        }
    }
}
