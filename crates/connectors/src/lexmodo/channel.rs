//! The connection to the platform's server: one for all stores, made when it is first needed and again when it breaks.

use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use url::Url;

/// How long connecting may take, the TLS handshake included; less than a call's deadline, so that the two are told apart.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the connection may be silent before it is asked whether it lives. Servers that want fewer questions close the
/// connection, which costs the next call a new one.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long the answer to that may take.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before the system looks after a silent TCP connection.
const TCP_KEEP_ALIVE: Duration = Duration::from_mins(1);

/// Where the platform's server is, and how its answers are read.
#[derive(Debug, Clone)]
pub struct Config {
    /// `LEXMODO_GRPC_ADDRESS`: `https://host[:port]`, or `http://host[:port]` for development.
    pub address: Url,
    /// What `LEXMODO_DESCRIPTOR_SET` holds: a `FileDescriptorSet` with its imports; customers then carry `raw`.
    pub descriptor_set: Option<Vec<u8>>,
    /// `LEXMODO_MAX_MESSAGE_SIZE`: the longest answer that is read, in bytes.
    pub max_message_bytes: usize,
    /// Authorities in PEM that are trusted besides the system's; may be empty.
    pub extra_roots: Vec<u8>,
}

/// A setting that the client cannot be made with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The address is of another form.
    #[error("LEXMODO_GRPC_ADDRESS must be https://host[:port], or http://host[:port] for development: {0}")]
    Address(&'static str),
    /// No trusted authorities can be had.
    #[error(
        "the authorities that TLS is to trust cannot be read: EXTRA_CA_FILE must hold certificates in PEM"
    )]
    Roots(#[source] tonic::transport::Error),
    /// The descriptor set cannot be used.
    #[error(
        "LEXMODO_DESCRIPTOR_SET must be a FileDescriptorSet of lexmodo.v1.customers with its imports: {0}"
    )]
    DescriptorSet(String),
}

/// The channel to `address`, not yet connected. Needs a running tokio runtime.
pub(super) fn channel(address: &Url, extra_roots: &[u8]) -> Result<Channel, ConfigError> {
    let secure = check(address)?;
    let endpoint = Endpoint::from_shared(address.as_str().to_owned())
        .and_then(|endpoint| endpoint.user_agent(concat!("jackfield/", env!("CARGO_PKG_VERSION"))))
        .map_err(|_| ConfigError::Address("it is not a URI"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Some(TCP_KEEP_ALIVE))
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let endpoint = if secure { with_tls(endpoint, extra_roots)? } else { endpoint };
    Ok(endpoint.connect_lazy())
}

/// Whether `address` asks for TLS, if it is one.
fn check(address: &Url) -> Result<bool, ConfigError> {
    let secure = match address.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(ConfigError::Address("it begins otherwise")),
    };
    if address.host_str().is_none_or(str::is_empty) {
        return Err(ConfigError::Address("it names no host"));
    }
    if !address.username().is_empty() || address.password().is_some() {
        return Err(ConfigError::Address("it must not carry a user or a password"));
    }
    if !matches!(address.path(), "" | "/") || address.query().is_some() || address.fragment().is_some() {
        return Err(ConfigError::Address("nothing may follow the host and the port"));
    }
    Ok(secure)
}

fn with_tls(endpoint: Endpoint, extra_roots: &[u8]) -> Result<Endpoint, ConfigError> {
    let tls = ClientTlsConfig::new().timeout(CONNECT_TIMEOUT);
    if extra_roots.is_empty() {
        return endpoint.tls_config(tls.with_native_roots()).map_err(ConfigError::Roots);
    }
    let tls = tls.ca_certificate(Certificate::from_pem(extra_roots));
    // A machine without a list of its own authorities trusts the given ones alone.
    endpoint
        .clone()
        .tls_config(tls.clone().with_native_roots())
        .or_else(|_| endpoint.tls_config(tls))
        .map_err(ConfigError::Roots)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        let check = |address: &str| check(&address.parse().unwrap()).map_err(|error| error.to_string());
        assert_eq!(check("https://grpc.lexmodo.example:443"), Ok(true));
        assert_eq!(check("http://127.0.0.1:50051/"), Ok(false));
        assert_eq!(check("https://[::1]:50051"), Ok(true));
        for wrong in [
            "grpc://host",
            "unix:/socket",
            "https://user@host",
            "https://user:word@host",
            "https://host/path",
            "https://host?query",
            "https://host/#part",
        ] {
            assert!(check(wrong).unwrap_err().contains("LEXMODO_GRPC_ADDRESS"), "{wrong}");
        }
    }
}
