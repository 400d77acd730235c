//! What an import means: a file of the tree, a module of the host, or neither.

use crate::{host_modules, tree::SourceTree};

/// Extensions that an import may leave out, in the order in which they are tried.
const SCRIPTS: [&str; 8] = ["tsx", "ts", "jsx", "js", "mts", "mjs", "cts", "cjs"];
/// The default entry's stem.
const DEFAULT_ENTRY: &str = "src/index";

/// What a file is to the bundler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// TypeScript or JavaScript.
    Script,
    Json,
    Css,
    /// An image or font, with its media type (IANA).
    Asset(&'static str),
    /// Plain text, imported as a string.
    Text,
}

impl FileKind {
    /// By the extension of `path`; `None` where the bundler does not know it.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
        Some(match extension.as_str() {
            script if SCRIPTS.contains(&script) => Self::Script,
            "json" => Self::Json,
            "css" => Self::Css,
            "txt" => Self::Text,
            "png" => Self::Asset("image/png"),
            "jpg" | "jpeg" => Self::Asset("image/jpeg"),
            "gif" => Self::Asset("image/gif"),
            "svg" => Self::Asset("image/svg+xml"),
            "webp" => Self::Asset("image/webp"),
            "avif" => Self::Asset("image/avif"),
            "ico" => Self::Asset("image/x-icon"),
            "woff" => Self::Asset("font/woff"),
            "woff2" => Self::Asset("font/woff2"),
            "ttf" => Self::Asset("font/ttf"),
            "otf" => Self::Asset("font/otf"),
            _ => return None,
        })
    }
}

/// Why an import means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It points out of the tree, or names a place on a disk.
    LeavesTree,
    /// There is no such file.
    NotFound,
    /// A package that the host does not provide.
    Bare,
    /// Code from another server.
    Remote,
    /// A file of a kind that cannot be imported.
    UnknownKind,
    /// What only a page has, in a backend.
    PageOnly,
    /// A module of Node, in a backend.
    Node,
    /// A package, in a backend.
    NotInBackend,
}

/// What an import means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resolved {
    File(String),
    Host(&'static str),
}

/// Resolves `specifier` as it is written in the file `importer`.
pub(crate) fn resolve(tree: &SourceTree, importer: &str, specifier: &str) -> Result<Resolved, Refusal> {
    if let Some(name) = host_modules::name(specifier) {
        return Ok(Resolved::Host(name));
    }
    let relative =
        matches!(specifier, "." | "..") || specifier.starts_with("./") || specifier.starts_with("../");
    if !relative {
        return Err(refuse(specifier));
    }
    let folder = importer.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = join(folder, specifier).ok_or(Refusal::LeavesTree)?;
    let file = find(tree, &path).ok_or(Refusal::NotFound)?;
    if FileKind::of(&file).is_none() {
        return Err(Refusal::UnknownKind);
    }
    Ok(Resolved::File(file))
}

/// The entry: the one named, or the default one.
pub(crate) fn entry(tree: &SourceTree, named: Option<&str>) -> Option<String> {
    if let Some(named) = named {
        return find(tree, &join("", named)?).filter(|path| FileKind::of(path) == Some(FileKind::Script));
    }
    [DEFAULT_ENTRY, "index"].into_iter().find_map(|stem| with_extension(tree, stem))
}

/// The entry of a plugin whose manifest names none, where that is not the entry of its backend.
pub fn default_entry(tree: &SourceTree, backend: Option<&str>) -> Option<String> {
    let backend = backend.and_then(|backend| entry(tree, Some(backend)));
    entry(tree, None).filter(|found| Some(found) != backend.as_ref())
}

/// Modules of Node that are imported without `node:` (Node's documentation, "Built-in modules").
const NODE: [&str; 33] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "crypto",
    "dgram",
    "diagnostics_channel",
    "dns",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "punycode",
    "querystring",
    "readline",
    "stream",
    "string_decoder",
    "timers",
    "tls",
    "tty",
    "url",
    "util",
    "worker_threads",
    "zlib",
];

/// Resolves `specifier` as it is written in the file `importer` of a backend.
pub(crate) fn resolve_in_backend(
    tree: &SourceTree,
    importer: &str,
    specifier: &str,
) -> Result<Resolved, Refusal> {
    match resolve(tree, importer, specifier) {
        Ok(Resolved::Host(name)) if host_modules::is_backend_sdk(name) => Ok(Resolved::Host(name)),
        Ok(Resolved::Host(_)) => Err(Refusal::PageOnly),
        Ok(Resolved::File(path)) if FileKind::of(&path) == Some(FileKind::Css) => Err(Refusal::PageOnly),
        Err(Refusal::Bare) => {
            let module = specifier.split('/').next().unwrap_or_default();
            let is_node = specifier.starts_with("node:") || NODE.contains(&module);
            Err(if is_node { Refusal::Node } else { Refusal::NotInBackend })
        }
        other => other,
    }
}

fn refuse(specifier: &str) -> Refusal {
    let scheme = specifier.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https" | "data" | "blob") => Refusal::Remote,
        Some("file") => Refusal::LeavesTree,
        _ if specifier.starts_with("//") => Refusal::Remote,
        _ if specifier.starts_with(['/', '\\']) => Refusal::LeavesTree,
        _ => Refusal::Bare,
    }
}

/// `folder` and `path` as one path without `.` and `..`; `None` where it leaves the root.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    Some(segments.join("/"))
}

/// The file that `path` means: itself, with an extension, in TypeScript for the `.js` it says, or a folder's index.
fn find(tree: &SourceTree, path: &str) -> Option<String> {
    if tree.contains(path) {
        return Some(path.to_owned());
    }
    let index = if path.is_empty() { "index".to_owned() } else { format!("{path}/index") };
    with_extension(tree, path)
        .or_else(|| typescript(tree, path))
        .or_else(|| Some(format!("{path}.json")).filter(|json| tree.contains(json)))
        .or_else(|| with_extension(tree, &index))
}

fn with_extension(tree: &SourceTree, stem: &str) -> Option<String> {
    SCRIPTS.iter().map(|extension| format!("{stem}.{extension}")).find(|path| tree.contains(path))
}

/// TypeScript's modules are imported by the name that their output would have.
fn typescript(tree: &SourceTree, path: &str) -> Option<String> {
    let (stem, extension) = path.rsplit_once('.')?;
    let candidates: &[&str] = match extension {
        "js" | "jsx" => &["tsx", "ts"],
        "mjs" => &["mts"],
        "cjs" => &["cts"],
        _ => return None,
    };
    candidates.iter().map(|extension| format!("{stem}.{extension}")).find(|path| tree.contains(path))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn tree(paths: &[&str]) -> SourceTree {
        let mut tree = SourceTree::new();
        for path in paths {
            tree.insert(path, Bytes::new()).unwrap();
        }
        tree
    }

    #[test]
    fn relative_imports_find_files_as_typescript_does() {
        let tree = tree(&[
            "src/index.tsx",
            "src/a.ts",
            "src/a.css",
            "src/b/index.ts",
            "data.json",
            "src/c.d.ts",
            "src/x.bin",
        ]);
        let file = |specifier| match resolve(&tree, "src/index.tsx", specifier) {
            Ok(Resolved::File(path)) => path,
            other => format!("{other:?}"),
        };
        assert_eq!(file("./a"), "src/a.ts");
        assert_eq!(file("./a.js"), "src/a.ts");
        assert_eq!(file("./a.css"), "src/a.css");
        assert_eq!(file("./b"), "src/b/index.ts");
        assert_eq!(file("./b/"), "src/b/index.ts");
        assert_eq!(file("."), "src/index.tsx");
        assert_eq!(file("../data"), "data.json");
        assert_eq!(file("./../src/./a"), "src/a.ts");
        assert_eq!(file("./c"), "Err(NotFound)");
        assert_eq!(file("./A"), "Err(NotFound)");
        assert_eq!(file("./x.bin"), "Err(UnknownKind)");
    }

    #[test]
    fn nothing_outside_the_tree_has_a_name() {
        let tree = tree(&["src/index.tsx", "etc/passwd.ts"]);
        for (specifier, refusal) in [
            ("../../etc/passwd", Refusal::LeavesTree),
            ("../..", Refusal::LeavesTree),
            ("/etc/passwd", Refusal::LeavesTree),
            ("\\etc\\passwd", Refusal::LeavesTree),
            ("file:///etc/passwd", Refusal::LeavesTree),
            ("FILE:///etc/passwd", Refusal::LeavesTree),
            ("//evil.example/x.js", Refusal::Remote),
            ("https://evil.example/x.js", Refusal::Remote),
            ("data:text/javascript,1", Refusal::Remote),
            ("lodash", Refusal::Bare),
            ("node:fs", Refusal::Bare),
            ("#internal", Refusal::Bare),
            ("@/components", Refusal::Bare),
            ("react/secret", Refusal::Bare),
            ("", Refusal::Bare),
        ] {
            assert_eq!(resolve(&tree, "src/index.tsx", specifier), Err(refusal), "{specifier}");
        }
        assert_eq!(resolve(&tree, "src/index.tsx", "react"), Ok(Resolved::Host("react")));
    }

    #[test]
    fn the_default_entry_prefers_src_and_tsx() {
        assert_eq!(
            entry(&tree(&["index.js", "src/index.ts", "src/index.tsx"]), None).unwrap(),
            "src/index.tsx"
        );
        assert_eq!(entry(&tree(&["index.js", "src/index.jsx"]), None).unwrap(), "src/index.jsx");
        assert_eq!(entry(&tree(&["index.js"]), None).unwrap(), "index.js");
        assert_eq!(entry(&tree(&["main.ts"]), None), None);
        assert_eq!(entry(&tree(&["main.ts"]), Some("./main.ts")).unwrap(), "main.ts");
        assert_eq!(entry(&tree(&["main.ts"]), Some("../main.ts")), None);
        assert_eq!(entry(&tree(&["main.css"]), Some("main.css")), None);
    }
}
