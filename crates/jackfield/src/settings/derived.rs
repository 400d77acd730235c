//! What follows from several settings together, and whether they fit each other.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use api::origins::Origins;
use api::rate_limit::RateLimits;
use secrecy::ExposeSecret;
use storage::{DatabaseUrl, MasterKey, MasterKeys, S3Config};
use url::Url;

use super::table::Settings;
use super::value::{Problems, Value};

/// How long a call of a handler may take besides its own time: for its turn, and to be looked up.
const QUEUE: Duration = Duration::from_secs(3);

/// The least memory that the component which scripts run on starts in, with room for a script, in bytes.
const LEAST_MEMORY: usize = 4 << 20;

/// The least bytes of an answer that hold more than its head.
const LEAST_OUTPUT: usize = 1 << 10;

impl Settings {
    /// Names what does not fit together.
    pub(super) fn check(&self, problems: &mut Problems) {
        for (name, list) in [
            ("CORS_ORIGINS", &self.cors_origins),
            ("ALLOWED_ORIGINS", &self.allowed_origins),
            ("RETURN_TO_ORIGINS", &self.return_to_origins),
        ] {
            for text in &list.0 {
                if let Err(error) = Origins::parse([text.0.as_str()]) {
                    problems.push(format!("{name}: {error}"));
                }
            }
        }
        if self.return_to_origins.0.iter().any(|text| text.0 == "*") {
            problems.push(
                "RETURN_TO_ORIGINS must name each origin: `*` would let anybody have users sent anywhere"
                    .into(),
            );
        }
        if let Err(sentences) = self.s3() {
            problems.extend(sentences);
        }
        if self.database_url.as_ref().is_some_and(|url| url.expose_secret().parse::<DatabaseUrl>().is_err()) {
            problems.push(
                "DATABASE_URL must be sqlite:path or postgres://user:password@host/name; its value is not"
                    .into(),
            );
        }
        if self.encryption_key.as_ref().is_some_and(|key| MasterKey::from_base64(key).is_err()) {
            problems.push("ENCRYPTION_KEY must be 32 bytes in base64, as `openssl rand -base64 32` prints them; its value is not".into());
        }
        if self.encryption_keys_accepted.0.iter().any(|key| MasterKey::from_base64(key).is_err()) {
            problems.push("ENCRYPTION_KEYS_ACCEPTED must be keys of 32 bytes in base64 with commas between; one of them is not".into());
        }
        if self.encryption_key.is_none() && !self.encryption_keys_accepted.0.is_empty() {
            problems.push("ENCRYPTION_KEY must be set where ENCRYPTION_KEYS_ACCEPTED is: to replace the generated key file, give a new key there and accept the one in the file".into());
        }
        if !self.jwt_issuers.0.is_empty() && self.jwt_audience.is_none() {
            problems.push("JWT_AUDIENCE must be set where JWT_ISSUERS is: without it a token made for another product of the issuer would be accepted".into());
        }
        if let Some(Err(error)) = self.extra_ca_file.as_ref().map(std::fs::read) {
            problems.push(format!("EXTRA_CA_FILE must be a readable file: {error}"));
        }
        if let Some(Err(error)) = self.providers_file.as_ref().map(std::fs::read_to_string) {
            problems.push(format!("PROVIDERS_FILE must be a readable file: {error}"));
        }
        if self
            .plugin_server_url
            .as_ref()
            .is_some_and(|url| url.query().is_some() || url.fragment().is_some())
        {
            problems.push("PLUGIN_SERVER_URL must be a base URL without query and fragment".into());
        }
        if let Some(url) = &self.platform_api_url
            && (!matches!(url.scheme(), "http" | "https")
                || url.query().is_some()
                || url.fragment().is_some())
        {
            problems.push(
                "PLATFORM_API_URL must begin with https:// or http://, without query and fragment".into(),
            );
        }
        if let Some(streams) = self.event_streams.filter(|streams| *streams >= self.max_connections) {
            problems.push(format!(
                "EVENT_STREAMS must be less than MAX_CONNECTIONS, which is {}, or streams leave no connection to others: {streams} is not",
                self.max_connections
            ));
        }
        self.check_backends(problems);
        self.outbound_allow.check(problems);
        self.proxy_rules.check(problems);
        self.check_lexmodo(problems);
    }

    /// Names bounds of plugins' backends that leave them nothing to run with.
    fn check_backends(&self, problems: &mut Problems) {
        if self.plugin_cpu_deadline.0 > self.plugin_deadline.0 {
            problems.push("PLUGIN_CPU_DEADLINE must be at most PLUGIN_DEADLINE: computing is part of what a handler takes".into());
        }
        if self.plugin_memory.0 < LEAST_MEMORY {
            problems
                .push("PLUGIN_MEMORY must be at least 4MiB: what scripts run on needs that by itself".into());
        }
        if self.plugin_max_output.0 < LEAST_OUTPUT {
            problems.push(
                "PLUGIN_MAX_OUTPUT must be at least 1KiB: an answer's status and headers are part of it"
                    .into(),
            );
        }
    }

    /// What the operator should know, though the program can go on.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let has_access_key = self.aws_access_key_id.is_some() || self.aws_secret_access_key.is_some();
        if has_access_key && self.s3_endpoint.is_none() && self.plugin_assets_bucket.is_none() {
            warnings.push(
                "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is set, but PLUGIN_ASSETS_BUCKET is not: bundles are kept \
                 in DATA_DIR"
                    .into(),
            );
        }
        if self.database_url.is_some() && self.database_path.is_some() {
            warnings.push("DATABASE_PATH is not used, because DATABASE_URL is set".into());
        }
        if self.plugin_deadline.0 + QUEUE > self.request_deadline.0 {
            warnings.push(
                "REQUEST_DEADLINE ends calls of plugins' handlers before PLUGIN_DEADLINE does: it should be at least 3 s \
                 more, for a handler may have to wait for its turn"
                    .into(),
            );
        }
        warnings.extend(self.lexmodo_warnings());
        warnings
    }

    /// The bucket for bundles; `None` where they are kept in a folder.
    ///
    /// # Errors
    /// A sentence for each setting that is missing or wrong.
    pub(crate) fn s3(&self) -> Result<Option<S3Config>, Vec<String>> {
        if self.s3_endpoint.is_none() && self.plugin_assets_bucket.is_none() {
            return Ok(None);
        }
        let endpoint = self.s3_endpoint.as_ref().map(|text| self.s3_url(&text.0)).transpose();
        match (endpoint, &self.plugin_assets_bucket, &self.aws_access_key_id, &self.aws_secret_access_key) {
            (Ok(endpoint), Some(bucket), Some(id), Some(key)) => Ok(Some(S3Config {
                endpoint,
                region: self.aws_region.0.clone(),
                bucket: bucket.0.clone(),
                access_key_id: id.0.clone(),
                secret_access_key: key.clone(),
            })),
            (endpoint, bucket, id, key) => {
                let missing = [
                    ("PLUGIN_ASSETS_BUCKET", bucket.is_none()),
                    ("AWS_ACCESS_KEY_ID", id.is_none()),
                    ("AWS_SECRET_ACCESS_KEY", key.is_none()),
                ];
                let given = if self.s3_endpoint.is_some() { "S3_ENDPOINT" } else { "PLUGIN_ASSETS_BUCKET" };
                let sentences = missing.into_iter().filter(|(_, is_missing)| *is_missing);
                let sentences = sentences.map(|(name, _)| format!("{name} must be set where {given} is"));
                Err(sentences.chain(endpoint.err()).collect())
            }
        }
    }

    fn s3_url(&self, text: &str) -> Result<Url, String> {
        let scheme = if self.s3_use_ssl.unwrap_or(true) { "https" } else { "http" };
        let whole = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
        let wrong =
            || format!("S3_ENDPOINT must be a URL or a host such as http://localhost:9000; {text:?} is not");
        let mut url = <Url as Value>::parse(&whole).ok_or_else(wrong)?;
        if let (None, Some(port)) = (url.port(), self.s3_port) {
            url.set_port(Some(port)).map_err(|()| wrong())?;
        }
        Ok(url)
    }

    /// Whether no token or session of the host product can be checked, nor any of a platform.
    pub(crate) fn takes_only_api_keys(&self) -> bool {
        let secrets = [&self.jwt_secret, &self.nextauth_secret, &self.auth_secret, &self.app_secret];
        secrets.iter().all(|secret| secret.is_none()) && self.jwt_issuers.0.is_empty()
    }

    /// How many streams there may be at once.
    pub(crate) fn event_streams(&self) -> u32 {
        let connections = self.max_connections.get();
        self.event_streams.map_or((connections - connections / 5).min(connections - 1), NonZeroU32::get)
    }

    /// Where the database is.
    pub(crate) fn database(&self) -> anyhow::Result<DatabaseUrl> {
        match &self.database_url {
            Some(url) => url.expose_secret().parse().context("DATABASE_URL"),
            None => Ok(DatabaseUrl::Sqlite(
                self.database_path.clone().unwrap_or_else(|| self.data_dir.join("jackfield.db")),
            )),
        }
    }

    /// The name of the setting that says where the database is.
    pub(crate) fn database_setting(&self) -> &'static str {
        match (&self.database_url, &self.database_path) {
            (Some(_), _) => "DATABASE_URL",
            (None, Some(_)) => "DATABASE_PATH",
            (None, None) => "DATA_DIR",
        }
    }

    /// The folder of what can be made again.
    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.cache_dir.clone().unwrap_or_else(|| self.data_dir.join("cache"))
    }

    /// The folder of the blobs.
    pub(crate) fn blob_dir(&self) -> PathBuf {
        self.data_dir.join("blobs")
    }

    /// The file of the generated master key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.data_dir.join("encryption.key")
    }

    /// The base URL under which the server is reached, given the address it listens on.
    pub(crate) fn public_url(&self, listening: SocketAddr) -> anyhow::Result<Url> {
        if let Some(url) = &self.plugin_server_url {
            return Ok(url.clone());
        }
        let host = match listening.ip() {
            address if address.is_unspecified() => "localhost".to_owned(),
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        Url::parse(&format!("http://{host}:{}", listening.port()))
            .context("the server's own address is no URL")
    }

    /// The pages that may call.
    pub(crate) fn origins(&self, public_url: &Url, development: bool) -> anyhow::Result<Origins> {
        let texts = self.cors_origins.0.iter().chain(&self.allowed_origins.0).map(|text| text.0.as_str());
        let origins = Origins::parse(texts)?.and_own(public_url);
        Ok(if development { origins.and_loopback() } else { origins })
    }

    /// Where browsers may be sent in the end.
    pub(crate) fn return_to(&self, public_url: &Url, development: bool) -> anyhow::Result<Origins> {
        let texts = self.return_to_origins.0.iter().map(|text| text.0.as_str());
        let origins = Origins::parse(texts)?.and_own(public_url);
        Ok(if development { origins.and_loopback() } else { origins })
    }

    /// How many requests a minute.
    pub(crate) fn rate_limits(&self) -> RateLimits {
        RateLimits::new(
            NonZeroU32::new(self.rate_limit_per_address),
            NonZeroU32::new(self.rate_limit_per_tenant),
        )
        .with_webhooks(NonZeroU32::new(self.rate_limit_webhooks))
    }

    /// The master keys: those that were given, or the generated file.
    pub(crate) fn master_keys(&self, ambient: &model::Ambient) -> anyhow::Result<MasterKeys> {
        let Some(key) = &self.encryption_key else {
            return Ok(MasterKeys::load_or_create(&self.key_file(), ambient)?);
        };
        let accepted: Result<Vec<MasterKey>, _> =
            self.encryption_keys_accepted.0.iter().map(MasterKey::from_base64).collect();
        Ok(MasterKeys::given(MasterKey::from_base64(key)?, accepted?)?)
    }
}
