//! Compiled programs in a folder, so that a start need not compile.
#![expect(unsafe_code, reason = "wasmtime loads compiled code by an unsafe function alone; see `load`")]

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

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

/// Loads what was compiled under this name before, and notes in its file that it was needed at `now`.
pub(crate) fn kept(engine: &Engine, folder: &Path, name: &str, now: SystemTime) -> Option<Component> {
    let path = folder.join(name);
    let component = load(engine, &path)
        .inspect_err(|error| tracing::warn!(%error, "compiled code in the cache is not used"))
        .ok()??;
    // Without the note it goes earlier than it need.
    if let Ok(file) = OpenOptions::new().append(true).open(&path) {
        file.set_modified(now).ok();
    }
    Some(component)
}

/// Loads `code`, which a process of this program has just compiled, and keeps it under `name` in `folder`. What was needed longest
/// ago goes from there as soon as it all has more than `most` bytes.
pub(crate) fn fresh(
    engine: &Engine,
    code: &[u8],
    (folder, name, most): (Option<&Path>, &str, u64),
) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what `Engine::precompile_component` gave. They came over a pipe from a process that this one has
    // started from its own program, which writes nothing else, and which has ended well.
    let component = unsafe { Component::deserialize(engine, code) }?;
    if let Some(folder) = folder
        && let Err(error) = keep(folder, &folder.join(name), code).and_then(|()| trim(folder, most))
    {
        tracing::warn!(%error, "compiled code cannot be kept; it is compiled again when it is next needed");
    }
    Ok(component)
}

/// Deletes what was needed longest ago until there are at most `most` bytes.
fn trim(folder: &Path, most: u64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
    }
    let mut bytes: u64 = files.iter().map(|(_, length, _)| length).sum();
    files.sort();
    for (_, length, path) in files {
        if bytes <= most {
            break;
        }
        match fs::remove_file(path) {
            // Another process has been faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        bytes = bytes.saturating_sub(length);
    }
    Ok(())
}

/// Names what was compiled and by what: another engine, or one set up otherwise, looks for another name.
pub(crate) fn name(engine: &Engine, bytes: &[u8]) -> String {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_needed_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [("old", 1), ("needed", 3), ("new", 2)] {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(10).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(age)).unwrap();
        }
        trim(folder.path(), 20).unwrap();
        assert!(!folder.path().join("old").exists());
        trim(folder.path(), 19).unwrap();
        assert!(!folder.path().join("new").exists() && folder.path().join("needed").exists());
    }
}
