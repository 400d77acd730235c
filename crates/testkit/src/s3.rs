//! An S3 server of the tests' own.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::thread;

use anyhow::Context as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use storage::S3Config;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::backend::files_below;

/// An S3 server over a temporary folder, in a thread of this process, with one bucket.
#[derive(Debug)]
pub struct S3 {
    address: SocketAddr,
    folder: TempDir,
    _stop: oneshot::Sender<()>,
}

impl S3 {
    /// The id of the access key.
    pub const ACCESS_KEY_ID: &str = "test-key";
    /// The access key.
    pub const SECRET_ACCESS_KEY: &str = "test-secret";
    /// The bucket.
    pub const BUCKET: &str = "bundles";

    /// Starts a server.
    ///
    /// # Errors
    /// If no port or folder is to be had.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("jackfield-s3").tempdir()?;
        fs::create_dir(folder.path().join(Self::BUCKET))?;
        let files = FileSystem::new(folder.path()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(Self::ACCESS_KEY_ID, Self::SECRET_ACCESS_KEY));
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("runtime")?;
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! { _ = stopped => {}, result = serve(listener, builder.build()) => drop(result) }
            });
        });
        Ok(Self { address, folder, _stop: stop })
    }

    /// The URL of the server.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The settings that make a server keep its blobs here.
    pub fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("S3_ENDPOINT", self.endpoint()),
            ("PLUGIN_ASSETS_BUCKET", Self::BUCKET.to_owned()),
            ("AWS_ACCESS_KEY_ID", Self::ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", Self::SECRET_ACCESS_KEY.to_owned()),
        ]
    }

    /// What a client of the storage crate needs.
    ///
    /// # Errors
    /// Never; the address of a server is a URL.
    pub fn config(&self) -> anyhow::Result<S3Config> {
        Ok(S3Config {
            endpoint: Some(self.endpoint().parse()?),
            region: "us-east-1".to_owned(),
            bucket: Self::BUCKET.to_owned(),
            access_key_id: Self::ACCESS_KEY_ID.to_owned(),
            secret_access_key: Self::SECRET_ACCESS_KEY.into(),
        })
    }

    /// The keys of the objects in the bucket.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn objects(&self) -> anyhow::Result<BTreeSet<String>> {
        files_below(&self.folder.path().join(Self::BUCKET))
    }
}

async fn serve(listener: std::net::TcpListener, service: S3Service) -> anyhow::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            // A client that breaks off is no failure of the server.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use storage::{BlobKey, Blobs};

    use super::*;

    #[tokio::test]
    async fn blobs_are_kept_and_strangers_refused() {
        let server = S3::start().unwrap();
        let blobs = |secret: &str| -> Arc<dyn Blobs> {
            let config = S3Config { secret_access_key: secret.into(), ..server.config().unwrap() };
            Arc::new(storage::S3::new(&config).unwrap())
        };
        let key: BlobKey = "a/b.js".parse().unwrap();
        let known = blobs(S3::SECRET_ACCESS_KEY);
        known.put(&key, "content".into()).await.unwrap();
        assert_eq!(known.get(&key).await.unwrap().unwrap(), "content");
        assert_eq!(server.objects().unwrap(), BTreeSet::from(["a/b.js".to_owned()]));
        assert!(blobs("another").get(&key).await.is_err());
    }
}
