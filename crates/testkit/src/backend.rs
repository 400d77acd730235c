//! What a server keeps its data on: the two pairs that are supported, each fresh for one test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use model::Ambient;
use storage::{Blobs, Database, Folder, Migration};

use crate::{Builder, Postgres, S3};

/// A database and a blob store of one test's own.
#[derive(Debug)]
pub struct Backend(Kind);

#[derive(Debug)]
enum Kind {
    Files,
    Servers { database_url: String, s3: S3 },
}

impl Backend {
    /// SQLite and a folder, both in the server's own folder.
    pub fn files() -> Self {
        Self(Kind::Files)
    }

    /// An empty database of `postgres`, and an S3 server with an empty bucket.
    ///
    /// # Errors
    /// If either cannot be made.
    pub fn servers(postgres: &Postgres) -> anyhow::Result<Self> {
        Ok(Self(Kind::Servers { database_url: postgres.database()?, s3: S3::start()? }))
    }

    /// Sets what a server needs to keep its data here.
    pub fn configure(&self, builder: Builder) -> Builder {
        match &self.0 {
            Kind::Files => builder,
            Kind::Servers { database_url, s3 } => s3
                .settings()
                .into_iter()
                .fold(builder.set("DATABASE_URL", database_url), |builder, (name, value)| {
                    builder.set(name, value)
                }),
        }
    }

    /// The database, opened beside the server that runs in `folder`.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn database(
        &self,
        folder: &Path,
        migrations: &[&[Migration]],
    ) -> Result<Database, storage::Error> {
        let url = match &self.0 {
            Kind::Files => format!("sqlite:{}", folder.join("data/jackfield.db").display()),
            Kind::Servers { database_url, .. } => database_url.clone(),
        };
        Database::open(&url.parse()?, migrations, Ambient::system()).await
    }

    /// The blob store, opened beside the server that runs in `folder`.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub async fn blobs(&self, folder: &Path) -> anyhow::Result<Arc<dyn Blobs>> {
        Ok(match &self.0 {
            Kind::Files => Arc::new(Folder::open(folder.join("data/blobs")).await?),
            Kind::Servers { s3, .. } => Arc::new(storage::S3::new(&s3.config()?)?),
        })
    }

    /// The keys of all blobs that there are, as the disk has them.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub fn blob_keys(&self, folder: &Path) -> anyhow::Result<BTreeSet<String>> {
        match &self.0 {
            Kind::Files => files_below(&folder.join("data/blobs")),
            Kind::Servers { s3, .. } => s3.objects(),
        }
    }
}

/// The paths of all files below `root`, relative to it; hidden folders are left out.
pub(crate) fn files_below(root: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if path.is_file() {
                found.insert(path.strip_prefix(root)?.to_string_lossy().into_owned());
            } else if !is_hidden {
                folders.push(path);
            }
        }
    }
    Ok(found)
}
