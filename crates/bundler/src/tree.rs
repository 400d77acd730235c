//! The uploaded files: validated relative paths and their bytes, held in memory.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

/// The files of one plugin, keyed by relative POSIX path, in path order.
///
/// Every path has been checked by [`SourceTree::insert`], so the rest of the bundler may take a path for a name
/// and nothing more: it never reaches a file system.
#[derive(Debug, Clone, Default)]
pub struct SourceTree {
    files: BTreeMap<String, Bytes>,
    folded: BTreeSet<String>,
    size_bytes: usize,
}

/// Why a file cannot be part of a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The path is empty.
    #[error("a path must not be empty")]
    Empty,
    /// The path begins with `/` or a drive letter.
    #[error("{0:?} is absolute: paths are relative to the plugin's root")]
    Absolute(String),
    /// The path contains `..`.
    #[error("{0:?} leaves the plugin: `..` is not allowed in a path")]
    Parent(String),
    /// The path contains a backslash, a control character or a NUL.
    #[error("{0:?} contains a backslash or a control character: separate folders by `/`")]
    Character(String),
    /// The path has an empty segment or a `.` segment.
    #[error("{0:?} has an empty segment: write `src/index.tsx`, without `//` or `./`")]
    Segment(String),
    /// The path, or one segment of it, is too long.
    #[error(
        "a path is longer than {} bytes, or a segment of it than {}",
        SourceTree::MAX_PATH,
        SourceTree::MAX_SEGMENT
    )]
    TooLong,
    /// The path is there already, perhaps in another case.
    #[error("{0:?} is there twice: paths must differ by more than upper and lower case")]
    Duplicate(String),
    /// The path is a file here and a folder there.
    #[error("{0:?} is both a file and a folder")]
    FileAndFolder(String),
    /// Too many files.
    #[error("more than {} files", SourceTree::MAX_FILES)]
    TooManyFiles,
    /// Too many bytes.
    #[error("more than {} bytes in all", SourceTree::MAX_BYTES)]
    TooLarge,
}

impl SourceTree {
    /// The longest path, in bytes.
    pub const MAX_PATH: usize = 512;
    /// The longest segment of a path, in bytes.
    pub const MAX_SEGMENT: usize = 255;
    /// The most files that a tree may hold.
    pub const MAX_FILES: usize = 10_000;
    /// The most bytes that a tree may hold.
    pub const MAX_BYTES: usize = 64 * 1024 * 1024;

    /// A tree without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    ///
    /// Paths that differ only in upper and lower case are refused: such a tree could not be unpacked on every
    /// author's machine, and which of the two an import means would depend on where it is built.
    pub fn insert(&mut self, path: &str, content: Bytes) -> Result<(), TreeError> {
        check_path(path)?;
        let folded = path.to_lowercase();
        if self.folded.contains(&folded) {
            return Err(TreeError::Duplicate(path.to_owned()));
        }
        self.check_folders(path, &folded)?;
        if self.files.len() >= Self::MAX_FILES {
            return Err(TreeError::TooManyFiles);
        }
        if content.len() > Self::MAX_BYTES - self.size_bytes {
            return Err(TreeError::TooLarge);
        }
        self.size_bytes += content.len();
        self.folded.insert(folded);
        self.files.insert(path.to_owned(), content);
        Ok(())
    }

    /// The file's bytes.
    pub fn get(&self, path: &str) -> Option<&Bytes> {
        self.files.get(path)
    }

    /// Whether there is such a file.
    pub fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Every file, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> + Clone {
        self.files.iter().map(|(path, content)| (path.as_str(), content))
    }

    /// The file's own key and bytes, both of which live as long as the tree.
    pub(crate) fn entry(&self, path: &str) -> Option<(&str, &Bytes)> {
        self.files.get_key_value(path).map(|(path, content)| (path.as_str(), content))
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The bytes of all files together, paths not counted.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn check_folders(&self, path: &str, folded: &str) -> Result<(), TreeError> {
        let is_folder = self
            .folded
            .range(format!("{folded}/")..)
            .next()
            .is_some_and(|next| next.strip_prefix(folded).is_some_and(|rest| rest.starts_with('/')));
        let under_file = folded
            .match_indices('/')
            .filter_map(|(at, _)| folded.get(..at))
            .any(|folder| self.folded.contains(folder));
        if is_folder || under_file { Err(TreeError::FileAndFolder(path.to_owned())) } else { Ok(()) }
    }
}

fn check_path(path: &str) -> Result<(), TreeError> {
    if path.is_empty() {
        return Err(TreeError::Empty);
    }
    if path.len() > SourceTree::MAX_PATH {
        return Err(TreeError::TooLong);
    }
    if path.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(TreeError::Character(path.to_owned()));
    }
    let mut bytes = path.bytes();
    let drive = bytes.next().is_some_and(|b| b.is_ascii_alphabetic()) && bytes.next() == Some(b':');
    if drive || path.starts_with('/') {
        return Err(TreeError::Absolute(path.to_owned()));
    }
    for segment in path.split('/') {
        match segment {
            "" | "." => return Err(TreeError::Segment(path.to_owned())),
            ".." => return Err(TreeError::Parent(path.to_owned())),
            long if long.len() > SourceTree::MAX_SEGMENT => return Err(TreeError::TooLong),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(tree: &mut SourceTree, path: &str) -> Result<(), TreeError> {
        tree.insert(path, Bytes::from_static(b"x"))
    }

    #[test]
    fn plain_paths_are_kept_in_order() {
        let mut tree = SourceTree::new();
        for path in ["src/index.tsx", "a.css", "src/a b/ü.ts", "src/...ts"] {
            insert(&mut tree, path).unwrap();
        }
        let paths: Vec<_> = tree.iter().map(|(path, _)| path.to_owned()).collect();
        assert_eq!(paths, ["a.css", "src/...ts", "src/a b/ü.ts", "src/index.tsx"]);
        assert_eq!((tree.len(), tree.size_bytes()), (4, 4));
    }

    #[test]
    fn paths_that_could_mean_another_place_are_refused() {
        let long = "a/".repeat(300);
        let segment = "a".repeat(256);
        let cases = [
            ("", TreeError::Empty),
            ("/etc/passwd", TreeError::Absolute("/etc/passwd".into())),
            ("C:/x", TreeError::Absolute("C:/x".into())),
            ("../x", TreeError::Parent("../x".into())),
            ("a/../x", TreeError::Parent("a/../x".into())),
            ("a\\b", TreeError::Character("a\\b".into())),
            ("a\0b", TreeError::Character("a\0b".into())),
            ("a\nb", TreeError::Character("a\nb".into())),
            ("a//b", TreeError::Segment("a//b".into())),
            ("./a", TreeError::Segment("./a".into())),
            ("a/", TreeError::Segment("a/".into())),
            (long.as_str(), TreeError::TooLong),
            (segment.as_str(), TreeError::TooLong),
        ];
        for (path, error) in cases {
            assert_eq!(insert(&mut SourceTree::new(), path), Err(error), "{path:?}");
        }
    }

    #[test]
    fn a_path_is_there_once_and_is_a_file_or_a_folder() {
        let mut tree = SourceTree::new();
        insert(&mut tree, "src/Index.tsx").unwrap();
        assert_eq!(insert(&mut tree, "src/index.tsx"), Err(TreeError::Duplicate("src/index.tsx".into())));
        assert_eq!(insert(&mut tree, "SRC"), Err(TreeError::FileAndFolder("SRC".into())));
        assert_eq!(
            insert(&mut tree, "src/index.tsx/a"),
            Err(TreeError::FileAndFolder("src/index.tsx/a".into()))
        );
        insert(&mut tree, "src.ts").unwrap();
    }

    #[test]
    fn files_are_counted() {
        let mut tree = SourceTree::new();
        for n in 0..SourceTree::MAX_FILES {
            insert(&mut tree, &format!("{n}")).unwrap();
        }
        assert_eq!(insert(&mut tree, "more"), Err(TreeError::TooManyFiles));
    }
}
