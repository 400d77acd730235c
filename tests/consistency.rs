//! What must hold of the storage at any time, whatever happened to the server.

use std::collections::BTreeSet;
use std::time::Duration;

use storage::{BlobKey, Conn};
use testkit::ManualClock;

use crate::bundles::integrity;
use crate::deployment::Deployment;

/// A file of the catalog.
#[derive(sqlx::FromRow)]
struct FileRow {
    owner: String,
    plugin_id: String,
    version: String,
    filename: String,
    integrity: String,
    encodings: String,
    blob_key: String,
}

/// A version of the catalog.
#[derive(sqlx::FromRow)]
struct VersionRow {
    owner: String,
    id: String,
    version: String,
    entry_file: Option<String>,
    bare_file: Option<String>,
    integrity: Option<String>,
}

/// The programs of backends, and their source maps.
const PRIVATE_BLOBS: &str = "SELECT backend_blob FROM plugin_version WHERE backend_blob IS NOT NULL \
                             UNION ALL SELECT backend_map_blob FROM plugin_version WHERE backend_map_blob IS NOT NULL";

/// Checks that catalog, blobs and log agree. Sweeps leftovers first, as the server does later: nothing may be publishing.
pub(crate) async fn check(deployment: &Deployment) {
    let database = deployment.database().await;
    let blobs = deployment.backend.blobs(deployment.folder()).await.unwrap();
    // By a clock that is ahead, so that whatever was staged is old.
    let (clock, ambient) = ManualClock::ambient();
    clock.advance(Duration::from_mins(1));
    storage::sweep(&database, blobs.as_ref(), Duration::ZERO, &ambient).await.unwrap();

    let mut conn = database.read().await.unwrap();
    let staged = column(&mut conn, "SELECT key FROM staged_blob").await;
    assert!(staged.is_empty(), "leftovers were swept: {staged:?}");
    let files: Vec<FileRow> = storage::on!(conn, |c| sqlx::query_as(
        "SELECT owner, plugin_id, version, filename, integrity, encodings, blob_key FROM bundle_file"
    )
    .fetch_all(c)
    .await)
    .unwrap();
    let mut named = named_blobs(&files);
    named.extend(column(&mut conn, PRIVATE_BLOBS).await);
    assert_eq!(named, deployment.blob_keys(), "a blob without a row, or a row without a blob");
    for file in &files {
        let key: BlobKey = file.blob_key.parse().unwrap();
        let content = blobs.get(&key).await.unwrap().unwrap();
        assert_eq!(integrity(&content), file.integrity, "{key}");
    }
    check_versions(&mut conn, &files).await;
    check_log(&mut conn).await;
    drop(conn);
    database.close().await;
}

/// The keys of all blobs that the rows name.
fn named_blobs(files: &[FileRow]) -> BTreeSet<String> {
    let codings = |file: &FileRow| -> Vec<String> {
        let names = file.encodings.split(',').filter(|name| !name.is_empty());
        let suffix = |name| match name {
            "br" => ".br",
            "zstd" => ".zst",
            "gzip" => ".gz",
            other => panic!("unknown coding {other}"),
        };
        std::iter::once("")
            .chain(names.map(suffix))
            .map(|suffix| format!("{}{suffix}", file.blob_key))
            .collect()
    };
    files.iter().flat_map(codings).collect()
}

/// Every version has its files.
async fn check_versions(conn: &mut Conn, files: &[FileRow]) {
    let versions: Vec<VersionRow> = storage::on!(conn, |c| sqlx::query_as(
        "SELECT p.owner, p.id, v.version, v.entry_file, v.bare_file, v.integrity \
         FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key"
    )
    .fetch_all(c)
    .await)
    .unwrap();
    for version in &versions {
        let file = |name: &Option<String>| {
            let name = name.as_ref()?;
            let is_it = |file: &&FileRow| {
                (&file.owner, &file.plugin_id, &file.version, &file.filename)
                    == (&version.owner, &version.id, &version.version, name)
            };
            Some(
                files
                    .iter()
                    .find(is_it)
                    .unwrap_or_else(|| panic!("{} {} lacks {name}", version.id, version.version)),
            )
        };
        file(&version.bare_file);
        let entry = file(&version.entry_file).map(|entry| entry.integrity.clone());
        assert_eq!(entry, version.integrity, "{} {}", version.id, version.version);
    }
    let current = column(
        conn,
        "SELECT p.id FROM plugin p WHERE NOT EXISTS \
         (SELECT 1 FROM plugin_version v WHERE v.plugin_key = p.key AND v.version = p.current_version)",
    )
    .await;
    assert!(current.is_empty(), "without their current version: {current:?}");
}

/// Every version and installation has its event, and every event its row.
async fn check_log(conn: &mut Conn) {
    let events = storage::events_after(conn, 0).await.unwrap();
    assert!(events.len() < 1000, "the log has more than one page");
    assert!(events.is_sorted_by_key(|event| event.seq));
    let of = |kind: &str| -> Vec<String> {
        let mut lines: Vec<String> = events
            .iter()
            .filter(|event| event.kind.strip_prefix("jackfield.") == Some(kind))
            .map(|event| {
                let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
                let version =
                    data["version"].as_str().map(|version| format!(" {version}")).unwrap_or_default();
                format!("{} {}{version}", event.tenant.clone().unwrap_or_default(), event.subject)
            })
            .collect();
        lines.sort_unstable();
        lines
    };
    let plugins = "SELECT owner || ' ' || id FROM plugin";
    assert_eq!(of("plugin.created"), column(conn, plugins).await);
    let versions = "SELECT p.owner || ' ' || p.id || ' ' || v.version \
                    FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key";
    assert_eq!(of("plugin.published"), column(conn, versions).await);

    let mut installed = of("installation.created");
    for gone in of("installation.removed") {
        let place = installed
            .iter()
            .position(|line| *line == gone)
            .unwrap_or_else(|| panic!("{gone} was not installed"));
        installed.remove(place);
    }
    let installations = "SELECT i.tenant || ' ' || p.id || ' ' || v.version FROM installation i \
                         JOIN plugin p ON p.key = i.plugin_key JOIN plugin_version v ON v.key = i.version_key";
    if of("installation.upgraded").is_empty() {
        assert_eq!(installed, column(conn, installations).await);
    }
    let miscounted = "SELECT id FROM plugin WHERE install_count <> \
                      (SELECT COUNT(*) FROM installation WHERE plugin_key = plugin.key)";
    assert_eq!(column(conn, miscounted).await, [""; 0]);
}

/// The first column, text, in the order of its bytes.
async fn column(conn: &mut Conn, sql: &'static str) -> Vec<String> {
    let rows: Vec<(String,)> = storage::on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await).unwrap();
    let mut texts: Vec<String> = rows.into_iter().map(|(text,)| text).collect();
    texts.sort_unstable();
    texts
}
