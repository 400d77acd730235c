//! Uploaded archives: `.zip` and `.tgz`, opened in memory, never on disk.

use std::io::{Cursor, Read};

use bundler::SourceTree;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::Error;

/// The most entries, folders included.
const MAX_ENTRIES: usize = 5_000;
/// The most bytes that all files together may unpack to.
const MAX_UNPACKED: u64 = 32 * 1024 * 1024;

/// What each entry of a zip's central directory begins with (APPNOTE.TXT, section 4.3.12).
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";

/// Whether `content` begins as an archive does that [`unpack`] can open.
pub fn is_archive(content: &[u8]) -> bool {
    is_zip(content) || is_gzip(content)
}

fn is_zip(content: &[u8]) -> bool {
    content.starts_with(b"PK\x03\x04") || content.starts_with(b"PK\x05\x06")
}

fn is_gzip(content: &[u8]) -> bool {
    content.starts_with(&[0x1f, 0x8b])
}

/// Unpacks an archive into a tree. A single folder around everything (as `npm pack` and GitHub make it) is left out.
///
/// # Errors
/// [`Error::Archive`] for damaged archives, paths that leave the archive, links and devices, encrypted entries, and
/// archives that unpack to more than 32 MiB or 5,000 entries.
pub fn unpack(content: &[u8]) -> Result<SourceTree, Error> {
    let files = if is_zip(content) {
        unzip(content)?
    } else if is_gzip(content) {
        untar(content)?
    } else {
        return Err(Error::Archive("it is neither a .zip nor a .tgz".to_owned()));
    };
    let root = common_root(&files);
    let mut tree = SourceTree::new();
    for (path, content) in files {
        let path = path.get(root..).unwrap_or_default();
        tree.insert(path, content).map_err(|error| Error::Archive(error.to_string()))?;
    }
    Ok(tree)
}

fn unzip(content: &[u8]) -> Result<Vec<(String, Bytes)>, Error> {
    // Counted before they are read: the directory of 32 MB of entries without content takes hundreds of MB in memory.
    if content.windows(4).filter(|bytes| *bytes == DIRECTORY_ENTRY).nth(MAX_ENTRIES).is_some() {
        return Err(too_many());
    }
    let mut archive = zip::ZipArchive::new(Cursor::new(content)).map_err(|_| damaged())?;
    if archive.len() > MAX_ENTRIES {
        return Err(too_many());
    }
    let mut budget = MAX_UNPACKED;
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|_| damaged())?;
        let name = entry.name().map_err(|_| damaged())?.into_owned();
        if entry.is_dir() {
            continue;
        }
        // A mode without a file type is a regular file: many writers leave it out.
        let file_type = entry.unix_mode().unwrap_or_default() & 0o170_000;
        if entry.is_symlink() || !matches!(file_type, 0 | 0o100_000) {
            return Err(link(&name));
        }
        let content = read_within(entry, &mut budget)?;
        files.push((name, content));
    }
    Ok(files)
}

fn untar(content: &[u8]) -> Result<Vec<(String, Bytes)>, Error> {
    // Headers and padding count too, so the whole stream has a bound of its own.
    let stream = MultiGzDecoder::new(content).take(2 * MAX_UNPACKED);
    let mut archive = tar::Archive::new(stream);
    let mut budget = MAX_UNPACKED;
    let mut files = Vec::new();
    for (count, entry) in archive.entries().map_err(|_| damaged())?.enumerate() {
        if count >= MAX_ENTRIES {
            return Err(too_many());
        }
        let entry = entry.map_err(|_| damaged())?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| Error::Archive("a path is not UTF-8".to_owned()))?;
        match entry.header().entry_type() {
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => {}
            tar::EntryType::Regular => files.push((name, read_within(entry, &mut budget)?)),
            _ => return Err(link(&name)),
        }
    }
    Ok(files)
}

/// Reads an entry to its end, whatever size its header claims.
fn read_within(entry: impl Read, budget: &mut u64) -> Result<Bytes, Error> {
    let mut content = Vec::new();
    let read = entry.take(*budget + 1).read_to_end(&mut content).map_err(|_| damaged())?;
    *budget = budget.checked_sub(read as u64).ok_or_else(|| {
        Error::Archive(format!("it unpacks to more than {} MiB", MAX_UNPACKED / 1024 / 1024))
    })?;
    Ok(content.into())
}

/// Length of the one folder (with its slash) that all paths share, or 0.
fn common_root(files: &[(String, Bytes)]) -> usize {
    let Some((root, _)) = files.first().and_then(|(first, _)| first.split_once('/')) else { return 0 };
    // A folder that means something to the bundler is no wrapping, and a doubtful name is for the tree to refuse.
    let is_plain = root.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_wrapping = is_plain && !root.is_empty() && !root.starts_with('.') && root != "src";
    let is_shared =
        |(path, _): &(String, Bytes)| path.split_once('/').is_some_and(|(first, _)| first == root);
    if is_wrapping && files.iter().all(is_shared) { root.len() + 1 } else { 0 }
}

fn damaged() -> Error {
    Error::Archive("it is damaged, or made in a way that is not supported".to_owned())
}

fn too_many() -> Error {
    Error::Archive(format!("it has more than {MAX_ENTRIES} entries"))
}

fn link(name: &str) -> Error {
    Error::Archive(format!("{name:?} is a link or device, only files and folders may be in it"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// Writes names as they are: the library's own setter would refuse the hostile ones.
    fn tgz(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn paths(tree: &SourceTree) -> Vec<String> {
        tree.iter().map(|(path, _)| path.to_string()).collect()
    }

    #[test]
    fn files_are_unpacked_and_a_wrapping_folder_left_out() {
        let file = tar::EntryType::Regular;
        let tree =
            unpack(&tgz(&[("package/plugin.json", file, b"{}"), ("package/src/index.tsx", file, b"x")]))
                .unwrap();
        assert_eq!(paths(&tree), ["plugin.json", "src/index.tsx"]);
        let tree = unpack(&zip(&[("src/index.tsx", b"x"), ("src/a.ts", b"y")])).unwrap();
        assert_eq!(paths(&tree), ["src/a.ts", "src/index.tsx"]);
    }

    #[test]
    fn paths_that_leave_the_archive_are_refused() {
        for name in ["../evil.ts", "a/../../evil.ts", "/etc/passwd", "a\\..\\evil.ts", "C:/evil.ts"] {
            let refused = unpack(&zip(&[(name, b"x"), ("plugin.json", b"{}")]));
            assert!(matches!(refused, Err(Error::Archive(_))), "zip {name}: {refused:?}");
            let refused = unpack(&tgz(&[(name, tar::EntryType::Regular, b"x")]));
            assert!(matches!(refused, Err(Error::Archive(_))), "tgz {name}: {refused:?}");
        }
    }

    #[test]
    fn links_and_devices_are_refused() {
        for kind in
            [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Char, tar::EntryType::Fifo]
        {
            assert!(matches!(unpack(&tgz(&[("a", kind, b"")])), Err(Error::Archive(_))), "{kind:?}");
        }
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("a", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        let archive = writer.finish().unwrap().into_inner();
        assert!(matches!(unpack(&archive), Err(Error::Archive(_))));
    }

    #[test]
    fn bombs_are_refused_by_what_they_unpack_to() {
        let zeroes = vec![0; 40 * 1024 * 1024];
        for archive in [zip(&[("a.ts", &zeroes)]), tgz(&[("a.ts", tar::EntryType::Regular, &zeroes)])] {
            assert!(archive.len() < 1_000_000, "the bomb is small: {}", archive.len());
            assert!(matches!(unpack(&archive), Err(Error::Archive(_))));
        }
        let many: Vec<(String, &[u8])> =
            (0..=MAX_ENTRIES).map(|index| (format!("f{index}"), b"".as_slice())).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|(name, content)| (name.as_str(), *content)).collect();
        assert!(matches!(unpack(&zip(&many)), Err(Error::Archive(_))));
        let mut directory = b"PK\x03\x04".to_vec();
        directory.extend(DIRECTORY_ENTRY.repeat(MAX_ENTRIES + 1));
        let refused = unpack(&directory).map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("entries"), "counted before the directory is read: {refused}");
    }

    #[test]
    fn damaged_archives_are_refused() {
        let whole = zip(&[("src/index.tsx", b"export default {}")]);
        for length in 4..whole.len() {
            assert!(unpack(&whole[..length]).is_err(), "cut to {length}");
        }
        assert!(unpack(b"neither").is_err());
    }
}
