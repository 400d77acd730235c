//! The customers service of a Lexmodo platform: grpcio, in Python.

use std::fs;

use anyhow::{Context as _, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peer::{ask, client};
use crate::process::Peer;
use crate::python;

/// A certificate for `127.0.0.1` and `localhost`, and the authority, made for it alone, that signed it; all PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// What a client checks it with.
    pub authority: String,
    /// What the server shows.
    pub chain: String,
    /// The server's private key.
    pub key: String,
}

impl Certificate {
    /// Makes one, good for years, with keys of its own.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn new() -> anyhow::Result<Self> {
        let key = rcgen::KeyPair::generate()?;
        let mut authority = rcgen::CertificateParams::default();
        authority.distinguished_name.push(rcgen::DnType::CommonName, "an authority of tests");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        let authority = rcgen::CertifiedIssuer::self_signed(authority, key)?;
        let key = rcgen::KeyPair::generate()?;
        let mut certificate =
            rcgen::CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        certificate.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = certificate.signed_by(&key, &authority)?;
        Ok(Self { authority: authority.pem(), chain: certificate.pem(), key: key.serialize_pem() })
    }
}

/// How a [`LexmodoServer`] begins.
#[derive(Debug, Clone)]
pub struct LexmodoOptions {
    /// How many customers each store has.
    pub customers: u32,
    /// With it, the server speaks TLS.
    pub tls: Option<Certificate>,
    /// The port of gRPC; any free one if it is not said.
    pub port: Option<u16>,
}

impl Default for LexmodoOptions {
    fn default() -> Self {
        Self { customers: 1000, tls: None, port: None }
    }
}

/// A call that a [`LexmodoServer`] got.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `GetCustomerByID` or `GetCustomerListing`.
    pub method: String,
    /// The store of `x-client-id`, if that was a number.
    pub store: Option<u64>,
    /// The SHA-256, in hexadecimal, of the value of `authorization`, with its `Bearer `.
    pub authorization_sha256: Option<String>,
    /// All other metadata.
    pub metadata: Value,
    /// The request, with the names of the contract; fields with their default are left out.
    pub request: Value,
    /// The address that it came from, with a port: the same for all calls of one connection.
    pub peer: String,
    /// Whether the caller gave up before there was an answer, or its deadline came.
    pub cancelled: bool,
}

/// A running customers service with the stores 7 and 8, whose customers are `7-000001`, `7-000002` and so on; some have
/// no e-mail address (each seventh), no phone number (each fifth), only a full name (each eleventh). It pages by points in
/// time, has server reflection, and accepts no access token until it is told to. Its customers are made from their
/// number, so every server has the same. Killed when dropped.
#[derive(Debug)]
pub struct LexmodoServer {
    peer: Option<Peer>,
    options: LexmodoOptions,
    grpc: u16,
    control: u16,
    client: Client,
    /// Where Python finds certificate and key.
    folder: TempDir,
}

impl LexmodoServer {
    /// The stores that it has.
    pub const STORES: [u64; 2] = [7, 8];

    /// Starts a server on loopback; takes about half a second, the first one of all about ten.
    ///
    /// # Errors
    /// If Python is missing, or the server does not start, as when the port is taken.
    pub fn start(options: LexmodoOptions) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("jackfield-lexmodo").tempdir()?;
        if let Some(tls) = &options.tls {
            fs::write(folder.path().join("certificate.pem"), &tls.chain)?;
            fs::write(folder.path().join("key.pem"), &tls.key)?;
        }
        let port = options.port.unwrap_or(0);
        let mut server = Self { peer: None, options, grpc: port, control: 0, client: client()?, folder };
        server.restart()?;
        Ok(server)
    }

    /// The URL of the service, `http://127.0.0.1:…` or, with TLS, `https://localhost:…`.
    pub fn address(&self) -> String {
        match self.options.tls {
            Some(_) => format!("https://localhost:{}", self.grpc),
            None => format!("http://127.0.0.1:{}", self.grpc),
        }
    }

    /// Stops it at once, whatever its callers wait for. Tokens, calls, behaviour and points in time are forgotten.
    pub fn stop(&mut self) {
        drop(self.peer.take());
    }

    /// Lets it stand still: its connections stay, and nobody answers, control neither.
    ///
    /// # Errors
    /// If it is gone.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.peer.as_ref().context("the server was stopped")?.signal("STOP")
    }

    /// Lets it go on after [`LexmodoServer::pause`].
    ///
    /// # Errors
    /// If it is gone.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.peer.as_ref().context("the server was stopped")?.signal("CONT")
    }

    /// Starts it, on the same ports, after [`LexmodoServer::stop`] or instead of the one that runs.
    ///
    /// # Errors
    /// If it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop();
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let mut arguments = vec![
            format!("--customers={}", self.options.customers),
            format!("--port={}", self.grpc),
            format!("--control-port={}", self.control),
        ];
        if self.options.tls.is_some() {
            arguments.push(format!("--tls-cert={}", file("certificate.pem")));
            arguments.push(format!("--tls-key={}", file("key.pem")));
        }
        let peer = python::server("server.py", &arguments)?;
        (self.grpc, self.control) = (peer.port("grpc")?, peer.port("control")?);
        self.peer = Some(peer);
        Ok(())
    }

    /// Accepts an access token for a store.
    ///
    /// # Errors
    /// If the server is gone, or there is no such store.
    pub async fn accept(&self, token: &str, store: u64) -> anyhow::Result<()> {
        self.tell(Method::PUT, &["tokens"], Some(&json!({"token": token, "store": store}))).await
    }

    /// Accepts every access token for every store, but those that were refused.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn accept_any(&self) -> anyhow::Result<()> {
        self.tell(Method::PUT, &["tokens", "any"], Some(&json!({"store": null}))).await
    }

    /// Accepts an access token no longer: `UNAUTHENTICATED`.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn refuse(&self, token: &str) -> anyhow::Result<()> {
        self.tell(Method::DELETE, &["tokens", token], None).await
    }

    /// Adds to how it misbehaves; the words are in `tests/lexmodo/server.py`.
    ///
    /// # Errors
    /// If the server is gone, or does not know such behaviour.
    pub async fn behave(&self, how: Value) -> anyhow::Result<()> {
        self.tell(Method::PUT, &["behaviour"], Some(&how)).await
    }

    /// Makes it healthy again. What tokens are accepted stays.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn reset(&self) -> anyhow::Result<()> {
        self.tell(Method::DELETE, &["behaviour"], None).await
    }

    /// The calls so far, oldest first, also those that were refused or never answered.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn calls(&self) -> anyhow::Result<Vec<Call>> {
        let calls = ask(self.client.get(self.url(&["calls"])?)).await?;
        calls.as_array().context("calls are a list")?.iter().map(call).collect()
    }

    /// Forgets the calls so far.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn forget_calls(&self) -> anyhow::Result<()> {
        self.tell(Method::DELETE, &["calls"], None).await
    }

    /// The `FileDescriptorSet` of the service: the contract's fields, and `customer_company = 30` of a customer.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn descriptor_set(&self) -> anyhow::Result<Vec<u8>> {
        let answer = self.client.get(self.url(&["descriptor-set"])?).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }

    /// Reads a store's whole listing with grpcio's own client, as `tests/lexmodo/client.py` does it: `{"customers": …,
    /// "pages": …, "seconds": …, "max_rss_kib": …}`. Waits without yielding.
    ///
    /// # Errors
    /// If a call fails.
    pub fn read_with_grpcio(&self, token: &str, store: u64, page_size: u32) -> anyhow::Result<Value> {
        let mut arguments =
            vec![format!("localhost:{}", self.grpc), store.to_string(), format!("--page-size={page_size}")];
        if let Some(tls) = &self.options.tls {
            let authority = self.folder.path().join("authority.pem");
            fs::write(&authority, &tls.authority)?;
            arguments.push(format!("--tls-ca={}", authority.display()));
        }
        python::run("client.py", &arguments, token.as_bytes())
    }

    fn url(&self, path: &[&str]) -> anyhow::Result<reqwest::Url> {
        let mut url = reqwest::Url::parse(&format!("http://127.0.0.1:{}", self.control))?;
        // Any text can be a token.
        url.path_segments_mut().ok().context("an http URL has a path")?.extend(path);
        Ok(url)
    }

    async fn tell(&self, method: Method, path: &[&str], body: Option<&Value>) -> anyhow::Result<()> {
        let mut request = self.client.request(method, self.url(path)?);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = ask(request).await?;
        ensure!(answer.get("error").is_none(), "{answer}");
        Ok(())
    }
}

fn call(told: &Value) -> anyhow::Result<Call> {
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    let value = |name: &str| told.get(name).cloned().unwrap_or_default();
    Ok(Call {
        method: text("method").context("a call has a method")?,
        store: told.get("store").and_then(Value::as_u64),
        authorization_sha256: text("authorization_sha256"),
        metadata: value("metadata"),
        request: value("request"),
        peer: text("peer").context("a call has a peer")?,
        cancelled: told.get("cancelled").and_then(Value::as_bool).context("a call is cancelled or not")?,
    })
}
