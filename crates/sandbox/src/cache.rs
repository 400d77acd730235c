//! Compiled programs in a folder, so that a start need not compile.
#![expect(unsafe_code, reason = "wasmtime loads compiled code by an unsafe function alone; see `load`")]

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Loads the compiled form of `bytes` from `folder`, or compiles and keeps it. Blocks for as long as compiling takes.
pub(crate) fn component(engine: &Engine, bytes: &[u8], folder: Option<&Path>) -> wasmtime::Result<Component> {
    let Some(folder) = folder else { return Component::new(engine, bytes) };
    let path = folder.join(name(engine, bytes));
    match load(engine, &path) {
        Ok(Some(component)) => return Ok(component),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%error, "a compiled program in the cache is not used; it is compiled anew");
        }
    }
    let component = Component::new(engine, bytes)?;
    if let Err(error) = keep(folder, &path, &component.serialize()?) {
        tracing::warn!(%error, "a compiled program cannot be kept; the next start compiles it again");
    }
    Ok(component)
}

/// Names what was compiled and by what: another engine, or one set up otherwise, looks for another name.
fn name(engine: &Engine, bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let content = digest::digest(&digest::SHA256, bytes);
    format!("{}-{:016x}.cwasm", hex::encode(content), hasher.finish())
}

/// What was kept before; nothing if it is not there, or another user could have written it.
fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Option<Component>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !is_ours(&file.metadata()?)
        || !path.parent().map(fs::metadata).transpose()?.is_some_and(|each| is_ours(&each))
    {
        wasmtime::bail!("it, or its folder, belongs to another user or can be written by others");
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // SAFETY: the bytes must be what `Component::serialize` gave. The file is in a folder of this user that no other can write,
    // under a name of this content and this engine's settings, and came there by `keep`, whole or not at all. The bytes
    // are read to memory that nobody else can change. Wasmtime itself refuses what another version of it wrote.
    unsafe { Component::deserialize(engine, &bytes) }.map(Some)
}

fn is_ours(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.permissions().mode() & 0o022 == 0
}

/// Writes beside and renames, so that nobody ever reads a part.
fn keep(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = beside(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        fs::remove_file(&beside).ok();
    }
    written
}

fn beside(path: &Path) -> PathBuf {
    let mut random = [0; 8];
    // Without randomness the name may be taken, which is an error like any other.
    aws_lc_rs::rand::fill(&mut random).ok();
    path.with_extension(format!("{}.part", hex::encode(random)))
}
