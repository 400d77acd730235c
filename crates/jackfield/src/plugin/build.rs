//! `jackfield plugin build`: the files that a server would serve, in a folder.

use std::fmt::Write as _;

use registry::{Encoding, File};
use serde_json::{Value, json};

use crate::cli::print;
use crate::plugin::check::{self, Ready};
use crate::plugin::{BuildArgs, folder, output};
use crate::remote::report::{self, Failure};

/// Builds, writes and prints.
pub(crate) async fn run(args: &BuildArgs) -> Result<(), Failure> {
    let ready = check::prepare(&args.dir).await?;
    let out = args.out.clone().unwrap_or_else(|| args.dir.join(folder::BUILT));
    let description = description(&ready);
    let text = format!("{description:#}\n");
    let mut files: Vec<output::NewFile<'_>> =
        ready.files.iter().map(|file| (file.filename.as_str(), &file.content[..])).collect();
    files.extend(ready.backend_files());
    files.push((output::BUILD_FILE, text.as_bytes()));
    output::replace(&out, &files)?;
    if args.json {
        return Ok(print(&text)?);
    }
    report::warn(&ready.prepared.warnings);
    let table = table(&ready);
    Ok(print(&format!("{}\nwritten to {}\n", report::clean(&table), out.display()))?)
}

/// What was built: the document of `--json`, and the `build.json` beside the files.
fn description(ready: &Ready) -> Value {
    let manifest = &ready.prepared.manifest;
    let file = |file: &File| {
        json!({
            "name": file.filename,
            "mediaType": file.media_type,
            "bytes": file.content.len(),
            "br": coded(file, Encoding::Brotli),
            "gzip": coded(file, Encoding::Gzip),
            "integrity": file.integrity,
        })
    };
    json!({
        "id": manifest.id,
        "version": manifest.version,
        "entry": ready.entry,
        "bareEntry": ready.bare_entry,
        "extensionPoints": manifest.extension_points,
        "backend": ready.backend(),
        "files": ready.files.iter().map(file).collect::<Vec<_>>(),
        "warnings": ready.prepared.warnings,
    })
}

/// The bytes on the wire in `encoding`; as many as the file has where it saves nothing.
fn coded(file: &File, encoding: Encoding) -> usize {
    let found = file.encodings.iter().find(|(known, _)| *known == encoding);
    found.map_or(file.content.len(), |(_, bytes)| bytes.len())
}

fn table(ready: &Ready) -> String {
    let manifest = &ready.prepared.manifest;
    let mut text = format!("{} {}\n\n", manifest.id, manifest.version);
    let backend = ready.backend_files();
    let names =
        ready.files.iter().map(|file| file.filename.as_str()).chain(backend.iter().map(|(name, _)| *name));
    let width = names.map(str::len).max().unwrap_or_default();
    // Writing into a String does not fail.
    let _ = writeln!(text, "{:<width$}  {:>9}  {:>9}  {:>9}", "file", "bytes", "br", "gzip");
    for file in &ready.files {
        let (br, gzip) = (coded(file, Encoding::Brotli), coded(file, Encoding::Gzip));
        let _ = writeln!(text, "{:<width$}  {:>9}  {br:>9}  {gzip:>9}", file.filename, file.content.len());
    }
    for (name, content) in &backend {
        let _ = writeln!(text, "{name:<width$}  {:>9}", content.len());
    }
    let integrity = |name: &str| {
        let file = ready.files.iter().find(|file| file.filename == name);
        file.map(|file| file.integrity.clone()).unwrap_or_default()
    };
    if let Some(entry) = &ready.entry {
        let _ = writeln!(text, "\nentry             {entry}\n                  {}", integrity(entry));
    }
    if let Some(bare) = &ready.bare_entry {
        let _ = writeln!(text, "with bare imports {bare}\n                  {}", integrity(bare));
    }
    let _ = writeln!(text, "extension points  {}", manifest.extension_points.join(", "));
    text
}
