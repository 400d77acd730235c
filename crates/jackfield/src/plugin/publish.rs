//! `jackfield plugin publish`: checked at home first, then sent.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bundler::SourceTree;
use model::ErrorCode;
use registry::MANIFEST_FILE;
use serde_json::{Map, Value, json};

use crate::cli::print;
use crate::plugin::PublishArgs;
use crate::plugin::check::{self, Ready};
use crate::plugin::install::{self, Installation};
use crate::remote::client::Client;
use crate::remote::report::{self, Failure};

/// Checks, publishes, and installs if that is asked for.
pub(crate) async fn run(args: &PublishArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let ready = check::prepare(&args.dir).await?;
    report::warn(&ready.prepared.warnings);
    let manifest = &ready.prepared.manifest;
    let name = format!("{} {}", manifest.id, manifest.version);
    match client.post(&["plugins"], &body(&ready.tree)?, &format!("publishing {name}")).await {
        Ok(plugin) => print(&published(&name, &plugin))?,
        Err(Failure::Problem(problem)) if args.if_new && is_there_already(&problem.code) => {
            report::note(&format!("{name} is published already"));
            warn_if_changed(&client, &ready).await?;
        }
        Err(other) => return Err(other),
    }
    if !args.install {
        return Ok(());
    }
    let wanted = Installation {
        id: &manifest.id,
        version: Some(&manifest.version),
        if_new: args.if_new,
        upgrade: args.upgrade,
    };
    install::install(&client, &wanted).await
}

/// Whether the server refused because what was sent is there.
pub(crate) fn is_there_already(code: &str) -> bool {
    code == ErrorCode::AlreadyExists.as_str()
}

/// The body of `POST /plugins`: the manifest as the author wrote it, and every file.
pub(crate) fn body(tree: &SourceTree) -> Result<Value, Failure> {
    let manifest = tree.get(MANIFEST_FILE).context("there is no plugin.json")?;
    let mut body: Map<String, Value> =
        serde_json::from_slice(manifest).context("plugin.json is not a JSON object")?;
    let files: Map<String, Value> =
        tree.iter().map(|(path, content)| (path.to_owned(), file(content))).collect();
    body.insert("files".to_owned(), Value::Object(files));
    Ok(Value::Object(body))
}

fn file(content: &[u8]) -> Value {
    match std::str::from_utf8(content) {
        Ok(text) => text.into(),
        Err(_) => json!({"content": STANDARD.encode(content), "encoding": "base64"}),
    }
}

fn published(name: &str, plugin: &Value) -> String {
    let mut text = format!("published {name}\n");
    for key in ["bundleUrl", "integrity"] {
        if let Some(value) = plugin.get(key).and_then(Value::as_str) {
            text = text + "  " + value + "\n";
        }
    }
    report::clean(&text)
}

/// Says so where the server has other content under this version: it will not change.
async fn warn_if_changed(client: &Client, ready: &Ready) -> Result<(), Failure> {
    let manifest = &ready.prepared.manifest;
    let plugin = match client.get(&["plugins", &manifest.id], "comparing with what is published").await {
        // Not to be seen by this caller, perhaps; the comparison is a courtesy.
        Err(Failure::Problem(_)) => return Ok(()),
        answer => answer?,
    };
    let text = |key: &str| plugin.get(key).and_then(Value::as_str);
    let ours = ready.files.iter().find(|file| Some(&file.filename) == ready.entry.as_ref());
    let ours = ours.map(|file| file.integrity.as_str());
    if text("version") == Some(&manifest.version) && text("integrity").is_some() && text("integrity") != ours
    {
        report::note(&format!(
            "what is published as {} {} differs from this folder: raise version in {MANIFEST_FILE} to publish it",
            manifest.id, manifest.version
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use registry::{Draft, Source};

    use super::*;

    #[test]
    fn the_server_reads_the_same_files_and_manifest() {
        let mut tree = SourceTree::new();
        let manifest = r#"{"id": "card", "name": "Card", "version": "1.0.0", "category": "payment"}"#;
        for (path, content) in [
            (MANIFEST_FILE, manifest.as_bytes()),
            ("src/index.tsx", "\u{feff}export default {};\r\n".as_bytes()),
            ("src/a~b.png", &[0x89, b'P', 0xff, 0]),
            ("empty.txt", b""),
        ] {
            tree.insert(path, Bytes::copy_from_slice(content)).unwrap();
        }
        let sent = serde_json::to_vec(&body(&tree).unwrap()).unwrap();
        let draft = Draft::from_json(serde_json::from_slice(&sent).unwrap()).unwrap();
        assert_eq!(draft.manifest, Draft::from_tree(tree.clone()).unwrap().manifest);
        let Some(Source::Tree(read)) = draft.source else { panic!("files are a tree") };
        assert_eq!(read.iter().collect::<Vec<_>>(), tree.iter().collect::<Vec<_>>());
    }
}
