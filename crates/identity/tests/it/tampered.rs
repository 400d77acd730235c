//! Every part of every kind of token, changed: always refused, and never repeated in the error.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::Config;
use serde_json::Value;

use crate::harness::{AUDIENCE, Fixture, config, samples};
use crate::issuer_server::IssuerServer;

/// At most so many positions of a part are changed, spread evenly.
const POSITIONS: usize = 48;

/// The token with each part changed in one bit, cut, lengthened, emptied or exchanged for its neighbour.
pub(crate) fn alterations(token: &str) -> Vec<String> {
    let parts: Vec<&str> = token.split('.').collect();
    let with = |index: usize, part: String| {
        let mut parts: Vec<String> = parts.iter().map(|&part| part.to_owned()).collect();
        parts[index] = part;
        parts.join(".")
    };
    let mut all =
        vec![token.replacen('.', "", 1), format!("{token}."), format!(".{token}"), format!("{token}=")];
    for (index, part) in parts.iter().enumerate() {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        for position in (0..bytes.len()).step_by(bytes.len().div_ceil(POSITIONS).max(1)) {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << (position % 8);
            all.push(with(index, URL_SAFE_NO_PAD.encode(changed)));
        }
        all.push(with(index, format!("{part}AAAA")));
        if !bytes.is_empty() {
            all.push(with(index, URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() - 1])));
            all.push(with(index, String::new()));
        }
        if index > 0 && parts[index - 1] != *part {
            let mut swapped = parts.clone();
            swapped.swap(index - 1, index);
            all.push(swapped.join("."));
        }
    }
    all
}

#[tokio::test]
async fn no_altered_token_is_accepted() {
    let server = IssuerServer::start().await;
    let config =
        Config { issuers: vec![server.issuer("samples")], audience: Some(AUDIENCE.into()), ..config() };
    let samples: Value = samples(&config, Some(&server.issuer("samples")));
    let issued = samples["issued"].as_array().unwrap();
    server.publish("samples", issued.iter().map(|one| one["jwk"].clone()).collect());
    let fixture = Fixture::new(&config).await;
    let mut tokens = vec![samples["hs256"].as_str().unwrap()];
    tokens.extend(samples["sessions"].as_array().unwrap().iter().map(|one| one["token"].as_str().unwrap()));
    tokens.extend(issued.iter().map(|one| one["token"].as_str().unwrap()));
    for token in tokens {
        fixture.bearer(token).await.unwrap();
        for altered in alterations(token) {
            let error = fixture.bearer(&altered).await.expect_err(&altered).to_string();
            let repeated = token.split('.').filter(|part| part.len() > 8).any(|part| error.contains(part));
            assert!(!repeated, "{error}");
        }
    }
}
