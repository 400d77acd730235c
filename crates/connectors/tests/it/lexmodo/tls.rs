//! TLS with an authority of one's own: trusted, not trusted, and for another name.

use connectors::lexmodo::{Config, Customers};
use model::ErrorCode;
use testkit::{Certificate, LexmodoOptions};

use super::platform::{Platform, client, config, store, told};

async fn secure(certificate: &Certificate) -> Platform {
    Platform::with(LexmodoOptions { customers: 10, tls: Some(certificate.clone()), port: None }).await
}

fn trusting(authority: &str, address: &str) -> Customers {
    client(Config { extra_roots: authority.as_bytes().to_vec(), ..config(address) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_can_be_trusted() {
    let certificate = Certificate::new().unwrap();
    let platform = secure(&certificate).await;
    let customers = trusting(&certificate.authority, &platform.server.address());
    assert_eq!(customers.customer(&store(7), "7-000001").await.unwrap().id, "7-000001");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_server_is_refused_with_the_setting_that_would_trust_it() {
    let platform = secure(&Certificate::new().unwrap()).await;
    let other = Certificate::new().unwrap();
    for customers in [&platform.customers, &trusting(&other.authority, &platform.server.address())] {
        let (code, text) = told(customers.customer(&store(7), "7-000001").await);
        assert_eq!(code, ErrorCode::UpstreamUnavailable);
        assert!(text.contains("EXTRA_CA_FILE"), "{text}");
    }
    assert_eq!(platform.calls().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused() {
    let certificate = Certificate::new().unwrap();
    let platform = secure(&certificate).await;
    let elsewhere = platform.server.address().replace("localhost", "127.0.0.2");
    // 127.0.0.2 is this machine too, but not in the certificate. The server listens on 127.0.0.1 alone, so the
    // connection is led there.
    let port: u16 = elsewhere.rsplit(':').next().unwrap().parse().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut to = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    });
    let customers = trusting(&certificate.authority, &address);
    let (code, text) = told(customers.customer(&store(7), "7-000001").await);
    assert_eq!(code, ErrorCode::UpstreamUnavailable);
    assert!(text.contains("another name") && !text.contains("127.0.0.2"), "{text}");
    assert_eq!(platform.calls().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_not_spoken_to_a_server_without_it_nor_the_other_way_round() {
    let plain = Platform::start().await;
    let address = plain.server.address().replace("http:", "https:");
    let (code, text) = told(client(config(&address)).customer(&store(7), "1").await);
    assert_eq!(code, ErrorCode::UpstreamUnavailable, "{text}");

    let platform = secure(&Certificate::new().unwrap()).await;
    let address = platform.server.address().replace("https:", "http:");
    let (code, text) = told(client(config(&address)).customer(&store(7), "1").await);
    assert_eq!(code, ErrorCode::UpstreamUnavailable, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_that_are_none_are_refused_at_the_start() {
    let extra_roots = b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n".to_vec();
    let config = Config { extra_roots, ..config("https://localhost:1") };
    let error = Customers::new(config, model::Ambient::system()).unwrap_err().to_string();
    assert!(error.contains("EXTRA_CA_FILE"), "{error}");
}
