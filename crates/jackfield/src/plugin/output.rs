//! Folders that are written whole or not at all.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::remote::report::Failure;

/// The file by which a folder is known to hold a build and nothing else.
pub(crate) const BUILD_FILE: &str = "build.json";

/// A file to write: its path within the folder, and its bytes.
pub(crate) type NewFile<'a> = (&'a str, &'a [u8]);

/// Makes the folder `path`, which must not exist or be empty.
pub(crate) fn create(path: &Path, files: &[NewFile<'_>]) -> Result<(), Failure> {
    if !is_free(path)? {
        let text = format!("{} exists already: name another folder with --dir", path.display());
        return Err(Failure::Usage(text));
    }
    let staged = stage(path, files)?;
    fs::rename(staged.path(), path).with_context(|| cannot_write(path))?;
    Ok(())
}

/// Makes the folder `path`, or puts it in the place of an earlier build.
pub(crate) fn replace(path: &Path, files: &[NewFile<'_>]) -> Result<(), Failure> {
    if is_free(path)? {
        return create(path, files);
    }
    if !is_build(path) {
        let text = format!(
            "{} holds more than an earlier build, and would be replaced: name another folder with --out",
            path.display()
        );
        return Err(Failure::Usage(text));
    }
    let staged = stage(path, files)?;
    let aside = temporary(path)?;
    let old = aside.path().join("old");
    fs::rename(path, &old).with_context(|| cannot_write(path))?;
    if let Err(error) = fs::rename(staged.path(), path) {
        // What was there comes back; if not even that is possible, it must not be deleted.
        if fs::rename(&old, path).is_err() {
            let kept = aside.keep();
            return Err(anyhow::Error::from(error)
                .context(format!("{}; the earlier build is in {}", cannot_write(path), kept.display()))
                .into());
        }
        return Err(anyhow::Error::from(error).context(cannot_write(path)).into());
    }
    Ok(())
}

/// Whether there is nothing at `path`, or an empty folder.
fn is_free(path: &Path) -> Result<bool, Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(anyhow::Error::from(error).context(cannot_write(path)).into()),
        Ok(metadata) if metadata.is_dir() => {
            Ok(fs::read_dir(path).with_context(|| cannot_write(path))?.next().is_none())
        }
        Ok(_) => Ok(false),
    }
}

/// Whether `path` is a folder with scripts, their maps, a component and the file that describes them, and nothing else.
fn is_build(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return false };
    let is_ours = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let script = name.strip_suffix(".map").unwrap_or(&name).strip_suffix(".js");
        let known = name == BUILD_FILE || script.is_some() || name.rsplit('.').next() == Some("wasm");
        (known && entry.file_type().ok()?.is_file()).then_some(name)
    };
    let names: Option<Vec<String>> = entries.map(is_ours).collect();
    let real = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    real && names.is_some_and(|names| names.iter().any(|name| name == BUILD_FILE))
}

/// A folder with `files`, beside `path`.
fn stage(path: &Path, files: &[NewFile<'_>]) -> Result<TempDir, Failure> {
    let staged = temporary(path)?;
    for (name, content) in files {
        let file = staged.path().join(name);
        let parent = file.parent().unwrap_or(staged.path());
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&file, content));
        written.with_context(|| format!("cannot write {name} beside {}", path.display()))?;
    }
    Ok(staged)
}

/// An empty folder on the disk of `path`, which is deleted when dropped, unless it has moved.
fn temporary(path: &Path) -> Result<TempDir, Failure> {
    let parent: PathBuf = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => ".".into(),
        Some(parent) => parent.to_owned(),
        None => return Err(Failure::Usage(format!("{} cannot be replaced", path.display()))),
    };
    fs::create_dir_all(&parent).with_context(|| cannot_write(path))?;
    // As open as the author's umask says: what is written is no secret.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".jackfield-").permissions(Permissions::from_mode(0o777));
    Ok(builder.tempdir_in(&parent).with_context(|| cannot_write(path))?)
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_earlier_build_is_replaced_as_a_whole() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("a/dist");
        replace(&out, &[("index-1.js", b"1"), (BUILD_FILE, b"{}")]).unwrap();
        replace(&out, &[("index-2.js", b"2"), (BUILD_FILE, b"{}")]).unwrap();
        assert_eq!(names(&out), [BUILD_FILE, "index-2.js"]);
        assert_eq!(names(&root.path().join("a")), ["dist"], "nothing is left beside it");
    }

    #[test]
    fn what_is_no_build_stays() {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in [("src", "index.tsx"), ("scripts", "a.js"), ("mixed", "notes.txt")] {
            let out = root.path().join(name);
            fs::create_dir(&out).unwrap();
            fs::write(out.join(content), "mine").unwrap();
            if name == "mixed" {
                fs::write(out.join(BUILD_FILE), "{}").unwrap();
            }
            assert!(matches!(replace(&out, &[("index.js", b"")]), Err(Failure::Usage(_))), "{name}");
            assert_eq!(fs::read_to_string(out.join(content)).unwrap(), "mine");
        }
        let link = root.path().join("link");
        std::os::unix::fs::symlink(root.path().join("src"), &link).unwrap();
        assert!(matches!(replace(&link, &[("index.js", b"")]), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_new_folder_takes_the_place_of_an_empty_one_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("card");
        fs::create_dir(&path).unwrap();
        create(&path, &[("src/index.tsx", b"x")]).unwrap();
        assert_eq!(fs::read(path.join("src/index.tsx")).unwrap(), b"x");
        assert!(matches!(create(&path, &[("a", b"")]), Err(Failure::Usage(_))));
        assert_eq!(names(&path), ["src"]);
    }
}
