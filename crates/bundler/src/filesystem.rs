//! The disk as rolldown sees it: nothing is there.
//!
//! Every module comes from the plugin in `modules.rs`, which reads the tree; whatever rolldown or its resolver look
//! for beyond that (a `package.json`, a `tsconfig.json`, a folder `node_modules`) does not exist.

use std::{
    io,
    path::{Path, PathBuf},
};

use oxc_resolver::{FileMetadata, ResolveError};
use rolldown_fs::{FileSystem, OxcResolverFileSystem};

/// A file system without files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoFiles;

fn absent() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

fn refused() -> io::Error {
    io::Error::from(io::ErrorKind::PermissionDenied)
}

impl OxcResolverFileSystem for NoFiles {
    fn new(_yarn_pnp: bool) -> Self {
        Self
    }

    fn read(&self, _path: &Path) -> io::Result<Vec<u8>> {
        Err(absent())
    }

    fn read_to_string(&self, _path: &Path) -> io::Result<String> {
        Err(absent())
    }

    fn metadata(&self, _path: &Path) -> io::Result<FileMetadata> {
        Err(absent())
    }

    fn symlink_metadata(&self, _path: &Path) -> io::Result<FileMetadata> {
        Err(absent())
    }

    fn read_link(&self, _path: &Path) -> Result<PathBuf, ResolveError> {
        Err(ResolveError::from(absent()))
    }

    fn canonicalize(&self, _path: &Path) -> io::Result<PathBuf> {
        Err(absent())
    }
}

impl FileSystem for NoFiles {
    fn remove_dir_all(&self, _path: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn create_dir_all(&self, _path: &Path) -> io::Result<()> {
        Err(refused())
    }

    fn write(&self, _path: &Path, _content: &[u8]) -> io::Result<()> {
        Err(refused())
    }

    fn exists(&self, _path: &Path) -> bool {
        false
    }

    fn read_dir(&self, _path: &Path) -> io::Result<Vec<PathBuf>> {
        Err(refused())
    }

    fn remove_file(&self, _path: &Path) -> io::Result<()> {
        Err(refused())
    }
}
