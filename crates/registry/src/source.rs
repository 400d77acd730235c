//! What an author sends: a manifest, and something to run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bundler::SourceTree;
use bytes::Bytes;
use model::Violation;
use serde_json::{Map, Value};

use crate::manifest::{NOT_A_WEB_URL, is_web_url};
use crate::{Error, Manifest, Status, archive, unknown_keys};

/// The file that a lone `sourceCode` becomes.
const LONE_SOURCE: &str = "src/index.tsx";
/// The manifest's name within an archive or folder.
pub const MANIFEST_FILE: &str = "plugin.json";

/// Something to run.
#[derive(Debug, Clone)]
pub enum Source {
    /// Sources for the bundler.
    Tree(SourceTree),
    /// A bundle that the author made: one ES module.
    Bundle(Bytes),
    /// The address of a bundle.
    Url(String),
}

/// A manifest and its source, as they were sent and before they were checked.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The manifest.
    pub manifest: Manifest,
    /// What to run; `None` to change the description alone.
    pub source: Option<Source>,
    /// The `metadata.status` asked for; only a platform admin's counts.
    pub status: Option<Status>,
}

impl Draft {
    /// Reads the body of `POST /plugins`: the manifest's fields, and one of `sourceCode`, `files` and `bundleUrl`.
    ///
    /// # Errors
    /// [`Error::Manifest`] with unknown keys and misshapen sources; [`Error::SourceMissing`] if there are several.
    pub fn from_json(body: Value) -> Result<Self, Error> {
        let Value::Object(mut fields) = body else {
            return Err(Error::Manifest(vec![Violation::new("", "must be a JSON object")]));
        };
        let mut sources = Vec::new();
        if let Some(code) = take(&mut fields, "sourceCode") {
            sources.push(source_code(code)?);
        }
        if let Some(files) = take(&mut fields, "files") {
            sources.push(Source::Tree(source_files(files)?));
        }
        if let Some(url) = take(&mut fields, "bundleUrl") {
            sources.push(bundle_url(url)?);
        }
        if sources.len() > 1 {
            return Err(Error::SourceMissing);
        }
        Self::new(fields, sources.pop())
    }

    /// Reads an uploaded file: an archive of sources, whose own `plugin.json` gives what `fields` leave out, or a bundle.
    ///
    /// # Errors
    /// [`Error::Archive`], or [`Error::Manifest`] as in [`Draft::from_json`].
    pub fn from_upload(fields: Map<String, Value>, file: Bytes) -> Result<Self, Error> {
        if !archive::is_archive(&file) {
            return Self::new(fields, Some(Source::Bundle(file)));
        }
        let tree = archive::unpack(&file)?;
        let mut manifest = match tree.get(MANIFEST_FILE) {
            Some(text) => manifest_object(text)?,
            None => Map::new(),
        };
        manifest.extend(fields);
        Self::new(manifest, Some(Source::Tree(tree)))
    }

    /// Reads a folder of sources that holds a `plugin.json`.
    ///
    /// # Errors
    /// [`Error::Manifest`] if the manifest is missing, no JSON, or has unknown keys.
    pub fn from_tree(tree: SourceTree) -> Result<Self, Error> {
        let text = tree.get(MANIFEST_FILE).ok_or_else(|| {
            Error::Manifest(vec![Violation::new("", format!("there is no {MANIFEST_FILE}"))])
        })?;
        Self::new(manifest_object(text)?, Some(Source::Tree(tree)))
    }

    fn new(fields: Map<String, Value>, source: Option<Source>) -> Result<Self, Error> {
        let status =
            fields.get("metadata").and_then(|metadata| metadata.get("status")).and_then(Value::as_str);
        let status = status.and_then(|status| status.parse().ok());
        Ok(Self { manifest: Manifest::from_json(Value::Object(fields))?, source, status })
    }
}

fn manifest_object(text: &[u8]) -> Result<Map<String, Value>, Error> {
    serde_json::from_slice(text).map_err(|error| {
        Error::Manifest(vec![Violation::new("", format!("{MANIFEST_FILE} is not a JSON object: {error}"))])
    })
}

/// The value of a key; a null counts as left out.
fn take(fields: &mut Map<String, Value>, key: &str) -> Option<Value> {
    fields.shift_remove(key).filter(|value| !value.is_null())
}

fn source_code(code: Value) -> Result<Source, Error> {
    let Value::String(code) = code else { return Err(wrong("/sourceCode", "must be text")) };
    let mut tree = SourceTree::new();
    insert(&mut tree, "/sourceCode", LONE_SOURCE, code.into())?;
    Ok(Source::Tree(tree))
}

fn bundle_url(url: Value) -> Result<Source, Error> {
    match url {
        Value::String(url) if is_web_url(&url) => Ok(Source::Url(url)),
        _ => Err(wrong("/bundleUrl", NOT_A_WEB_URL)),
    }
}

/// Files as `{"path": "text"}` or `{"path": {"content": …, "encoding": "base64"}}`.
fn source_files(files: Value) -> Result<SourceTree, Error> {
    let Value::Object(files) = files else {
        return Err(wrong("/files", "must be an object of paths and their contents"));
    };
    let mut tree = SourceTree::new();
    for (path, content) in files {
        let pointer = format!("/files/{}", path.replace('~', "~0").replace('/', "~1"));
        let content = file_content(&pointer, content)?;
        insert(&mut tree, &pointer, &path, content)?;
    }
    Ok(tree)
}

fn file_content(pointer: &str, content: Value) -> Result<Bytes, Error> {
    let mut object = match content {
        Value::String(text) => return Ok(text.into()),
        Value::Object(object) => object,
        _ => return Err(wrong(pointer, "must be text, or an object with content and encoding")),
    };
    let content = take(&mut object, "content");
    let encoding = take(&mut object, "encoding");
    let unknown = unknown_keys::violations(&object, &["content", "encoding"]);
    let Some(Value::String(text)) = content else { return Err(wrong(pointer, "needs content as text")) };
    if !unknown.is_empty() {
        return Err(wrong(pointer, "may have content and encoding alone"));
    }
    match encoding.as_ref().map(Value::as_str) {
        None | Some(Some("utf-8")) => Ok(text.into()),
        Some(Some("base64")) => {
            STANDARD.decode(text).map(Bytes::from).map_err(|_| wrong(pointer, "content is not base64"))
        }
        Some(_) => Err(wrong(pointer, "encoding must be utf-8 or base64")),
    }
}

fn insert(tree: &mut SourceTree, pointer: &str, path: &str, content: Bytes) -> Result<(), Error> {
    tree.insert(path, content).map_err(|error| wrong(pointer, &error.to_string()))
}

fn wrong(pointer: &str, detail: &str) -> Error {
    Error::Manifest(vec![Violation::new(pointer, detail)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(key: &str, value: Value) -> Value {
        let mut body = json!({"id": "card", "name": "Card", "version": "1.0.0", "category": "payment"});
        body[key] = value;
        body
    }

    #[test]
    fn files_are_text_or_base64() {
        let files = json!({"src/index.tsx": "x", "logo.png": {"content": "AAEC", "encoding": "base64"}});
        let Some(Source::Tree(tree)) = Draft::from_json(body("files", files)).unwrap().source else {
            panic!()
        };
        assert_eq!(tree.get("logo.png").unwrap().as_ref(), [0, 1, 2]);
    }

    #[test]
    fn misshapen_sources_are_located() {
        for (key, value, pointer) in [
            ("files", json!({"../evil.ts": "x"}), "/files/..~1evil.ts"),
            ("files", json!({"/etc/passwd": "x"}), "/files/~1etc~1passwd"),
            ("files", json!({"a.png": {"content": "%", "encoding": "base64"}}), "/files/a.png"),
            ("files", json!({"a.ts": 5}), "/files/a.ts"),
            ("files", json!(["a.ts"]), "/files"),
            ("sourceCode", json!(1), "/sourceCode"),
            ("bundleUrl", json!("javascript:alert(1)"), "/bundleUrl"),
            ("bundelUrl", json!("https://example.com/a.js"), "/bundelUrl"),
        ] {
            let Err(Error::Manifest(violations)) = Draft::from_json(body(key, value)) else {
                panic!("{pointer}")
            };
            assert_eq!(violations[0].pointer, pointer);
        }
    }

    #[test]
    fn one_source_at_most() {
        let mut both = body("sourceCode", json!("export default {}"));
        both["bundleUrl"] = json!("https://example.com/a.js");
        assert!(matches!(Draft::from_json(both), Err(Error::SourceMissing)));
    }
}
