//! The judgement, and what carries it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::{Host, Url};

use crate::address::is_public;
use crate::lookup::{Bounded, Lookup, System};
use crate::{Allow, Client, Connector, Error, Resolver, Settings};

/// The most addresses of a name that are looked at.
const MAX_ADDRESSES: usize = 64;

/// Judges what is connected to. One for the program; cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    allow: Allow,
    lookup: Bounded,
    tls: rustls::ClientConfig,
}

/// The certificates of a PEM file, to be trusted besides those of the system.
///
/// # Errors
/// [`Error::Roots`].
pub fn roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    roots.ok().filter(|roots| !roots.is_empty()).ok_or(Error::Roots)
}

impl Guard {
    /// A guard that lets nothing through but public addresses and what is in `allow`. Servers are trusted whom the authorities
    /// of the system or `extra_roots` vouch for.
    ///
    /// # Errors
    /// [`Error::Authorities`], [`Error::Roots`].
    pub fn new(allow: Allow, extra_roots: Vec<CertificateDer<'static>>) -> Result<Self, Error> {
        Self::with_lookup(allow, extra_roots, Arc::new(System))
    }

    /// The same with names that resolve as `lookup` says.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_lookup(
        allow: Allow,
        extra_roots: Vec<CertificateDer<'static>>,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, Error> {
        let lookup = Bounded::new(lookup);
        Ok(Self(Arc::new(Inner { allow, lookup, tls: tls(extra_roots)? })))
    }

    /// Looks at everything that a URL shows: its scheme, that it has no user information, and where its host is an address,
    /// in whatever spelling the URL standard knows (decimal, octal, hexadecimal, short), that address. A name is judged when
    /// it is connected to.
    ///
    /// # Errors
    /// [`Error::Scheme`], [`Error::UserInfo`], [`Error::Host`], [`Error::NotPublic`].
    pub fn check(&self, url: &Url) -> Result<(), Error> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::UserInfo);
        }
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(name)) if !name.trim_matches('.').is_empty() => return Ok(()),
            Some(Host::Domain(_)) | None => return Err(Error::Host),
        };
        if self.permits(address, url.port_or_known_default()) {
            Ok(())
        } else {
            Err(Error::NotPublic(address.to_string()))
        }
    }

    /// Whether the operator has named the host of `url`, by its name or its address, in what is allowed besides public
    /// addresses. What a name resolves to is not looked at.
    pub fn is_allowed(&self, url: &Url) -> bool {
        let port = url.port_or_known_default();
        match url.host() {
            Some(Host::Ipv4(address)) => self.0.allow.has_address(address.into(), port),
            Some(Host::Ipv6(address)) => self.0.allow.has_address(address.into(), port),
            Some(Host::Domain(name)) => self.0.allow.has_host(name, port),
            None => false,
        }
    }

    /// The addresses that a name resolves to and that may be connected to at `port`, with that port; it is 0 where `port` is
    /// `None`, and rules for one port do not hold then. For who connects by other means than the [`Client`] and the
    /// [`Connector`]: connect to these, and do not resolve the name again.
    ///
    /// # Errors
    /// [`Error::Unresolved`], [`Error::NotPublic`].
    pub async fn addresses(&self, host: &str, port: Option<u16>) -> Result<Vec<SocketAddr>, Error> {
        let found = self.0.lookup.addresses(host).await.unwrap_or_default();
        if found.is_empty() {
            return Err(Error::Unresolved(host.to_owned()));
        }
        let is_named = self.0.allow.has_host(host, port);
        let permitted =
            found.iter().take(MAX_ADDRESSES).filter(|address| is_named || self.permits(**address, port));
        let permitted: Vec<_> =
            permitted.map(|address| SocketAddr::new(*address, port.unwrap_or_default())).collect();
        if permitted.is_empty() {
            tracing::info!(server.address = host, addresses = ?found, "a host has no address that may be reached");
            return Err(Error::NotPublic(host.to_owned()));
        }
        Ok(permitted)
    }

    /// Resolves names for a client of [`reqwest`] that is made elsewhere. It is not asked about addresses in URLs: those are
    /// for [`check`](Self::check), before each request. Rules for one port do not hold. Prefer [`client`](Self::client).
    pub fn resolver(&self) -> Resolver {
        Resolver::new(self.clone(), None)
    }

    /// A client for single requests.
    ///
    /// # Errors
    /// [`Error::Authorities`].
    pub fn client(&self, settings: &Settings) -> Result<Client, Error> {
        Client::new(self.clone(), settings)
    }

    /// A connector for a pool of connections, over which requests are passed on by HTTP/1.1. `timeout` is for reaching a host,
    /// its name's resolution and TLS included.
    pub fn connector(&self, timeout: Duration) -> Connector {
        Connector::new(self.clone(), timeout)
    }

    pub(crate) fn allow(&self) -> &Allow {
        &self.0.allow
    }

    /// How TLS is spoken, with these protocols inside (RFC 7301).
    pub(crate) fn tls(&self, protocols: &[&str]) -> rustls::ClientConfig {
        let mut tls = self.0.tls.clone();
        tls.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        tls
    }

    fn permits(&self, address: IpAddr, port: Option<u16>) -> bool {
        is_public(address) || self.0.allow.has_address(address, port)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("allow", &self.0.allow)
            .field("lookup", &self.0.lookup)
            .finish_non_exhaustive()
    }
}

fn tls(extra_roots: Vec<CertificateDer<'static>>) -> Result<rustls::ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let failed = if extra_roots.is_empty() { Error::Authorities } else { Error::Roots };
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra_roots, Arc::clone(&provider))
            .map_err(|_| failed)?;
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Authorities)?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &str) -> Guard {
        Guard::new(allow.parse().unwrap(), Vec::new()).unwrap()
    }

    fn checked(guard: &Guard, url: &str) -> Result<(), Error> {
        Url::parse(url).map_err(|_| Error::Host).and_then(|url| guard.check(&url))
    }

    #[test]
    fn an_address_is_judged_in_every_spelling() {
        let guard = guard("");
        for host in [
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７。０。０。１",
            "0",
            "0xa9fea9fe",
            "169.254.43518",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::169.254.169.254]",
            "[2002:7f00:1::]",
            "[fd00:ec2::254]",
        ] {
            for scheme in ["http", "https"] {
                let result = checked(&guard, &format!("{scheme}://{host}:8080/x"));
                assert!(matches!(result, Err(Error::NotPublic(_))), "{host}: {result:?}");
            }
        }
        for host in ["1.1.1.1", "0x1.1.1.1", "[2606:4700::1111]", "idp.example", "localhost"] {
            assert_eq!(checked(&guard, &format!("https://{host}/")), Ok(()), "{host}");
        }
    }

    #[test]
    fn urls_are_of_the_web_and_hold_no_credential() {
        let guard = guard("");
        for (url, error) in [
            ("ftp://files.example/", Error::Scheme),
            ("file:///etc/passwd", Error::Scheme),
            ("gopher://x.example:70/", Error::Scheme),
            ("https://user@api.example/", Error::UserInfo),
            ("https://:secret@api.example/", Error::UserInfo),
            ("http://[fe80::1%25eth0]/", Error::Host),
            ("http://[fe80::1%eth0]/", Error::Host),
            ("http://./", Error::Host),
            ("http:///", Error::Host),
        ] {
            assert_eq!(checked(&guard, url), Err(error), "{url}");
        }
    }

    #[test]
    fn what_the_operator_allows_is_let_through() {
        let guard = guard("127.0.0.0/8, [::1]:81");
        assert_eq!(checked(&guard, "http://0x7f.1:1/"), Ok(()));
        assert_eq!(checked(&guard, "http://[::ffff:127.0.0.1]:1/"), Ok(()));
        assert_eq!(checked(&guard, "http://[::1]:81/"), Ok(()));
        assert!(checked(&guard, "http://[::1]/").is_err());
        assert!(checked(&guard, "http://10.0.0.1/").is_err());
    }

    #[test]
    fn further_authorities_are_certificates() {
        assert_eq!(roots(b"none"), Err(Error::Roots));
        assert_eq!(roots(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), Err(Error::Roots));
    }
}
