//! A host that a user has named: TLS before a fake vendor, and what names lead there.

use std::io;
use std::sync::Arc;

use outbound::{Addresses, Guard, Lookup};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A name that leads there, and that the operator allows.
pub(crate) const OPEN: &str = "shop.example";
/// One that leads there as well.
pub(crate) const CLOSED: &str = "inside.example";
/// The same by way of IPv6.
pub(crate) const MAPPED: &str = "mapped.example";

/// The door.
pub(crate) struct Door {
    pub(crate) port: u16,
    /// Trusts its certificate.
    pub(crate) guard: Guard,
}

#[derive(Debug)]
struct Names;

impl Lookup for Names {
    fn addresses(&self, name: &str) -> Addresses {
        let found = match name {
            OPEN | CLOSED => Some("127.0.0.1"),
            MAPPED => Some("::ffff:127.0.0.1"),
            _ => None,
        };
        Box::pin(async move {
            let found = found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            Ok(vec![found.parse().unwrap()])
        })
    }
}

/// Opens a door to what listens at the port `behind`.
pub(crate) async fn open(behind: u16) -> Door {
    let names = [OPEN, CLOSED, MAPPED].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outside = acceptor.accept(socket).await.unwrap();
                let mut inside = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
                // However it ends, it is over.
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    let roots = vec![made.cert.der().clone()];
    let guard = Guard::with_lookup(OPEN.parse().unwrap(), roots, Arc::new(Names)).unwrap();
    Door { port, guard }
}
