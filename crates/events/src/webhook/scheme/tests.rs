//! What passes, and what never does.

use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use model::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{BearerError, Incoming, Refused, Scheme, Verified, VerifyBearer, builtin};
use crate::webhook::Manifest;

const NOW: i64 = 1_700_000_000;
const SECRET: &str = "a secret of the tests";

struct NoTokens;

#[async_trait]
impl VerifyBearer for NoTokens {
    async fn claims(&self, _: &SecretString, _: &str) -> Result<Value, BearerError> {
        Err(BearerError::Signature)
    }
}

type Headers = Vec<(&'static str, String)>;

fn verify(
    scheme: &Scheme,
    headers: &[(&'static str, String)],
    body: &[u8],
    secrets: &[&str],
) -> Result<Verified, Refused> {
    verify_at(scheme, headers, body, (secrets, NOW))
}

fn verify_at(
    scheme: &Scheme,
    headers: &[(&'static str, String)],
    body: &[u8],
    when: (&[&str], i64),
) -> Result<Verified, Refused> {
    verify_for(scheme, headers, body, when, ("POST", "/", ""))
}

fn verify_for(
    scheme: &Scheme,
    headers: &[(&'static str, String)],
    body: &[u8],
    (secrets, now): (&[&str], i64),
    sent_for: (&str, &str, &str),
) -> Result<Verified, Refused> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    let secrets: Vec<_> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    let (method, path, query) = sent_for;
    let incoming = Incoming { method, path, query, headers: &headers, body, audiences: &[] };
    let now = Timestamp::from_millisecond(now * 1000);
    futures::executor::block_on(scheme.verify(&incoming, &secrets, (now, &NoTokens)))
}

fn scheme(name: &str) -> Scheme {
    builtin::find(name).unwrap().clone()
}

fn generic() -> Scheme {
    let webhook = json!({"scheme": "generic", "secret": "s", "generic": {
        "header": "X-Acme-Signature", "algorithm": "hmac-sha512", "encoding": "base64url", "prefix": "sha512=",
        "timestamp": {"header": "X-Acme-Time", "unit": "ms"}, "template": "{timestamp}|{id}|{body}", "id": "X-Acme-Id",
        "tolerance": 10,
    }});
    Manifest::from_json(&webhook).unwrap().scheme
}

fn mac(algorithm: hmac::Algorithm, secret: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, secret), &pieces.concat()).as_ref().to_vec()
}

fn sha256(secret: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    mac(hmac::HMAC_SHA256, secret, pieces)
}

/// The headers that the senders of each scheme send, as their documents say.
fn signed(name: &str, secret: &str, body: &[u8]) -> Headers {
    let now = NOW.to_string();
    let secret = secret.as_bytes();
    match name {
        "github" => vec![
            ("x-hub-signature-256", format!("sha256={}", hex::encode(sha256(secret, &[body])))),
            ("x-github-delivery", "72d3162e".into()),
        ],
        "jira" => vec![
            ("x-hub-signature", format!("sha256={}", hex::encode(sha256(secret, &[body])))),
            ("x-atlassian-webhook-identifier", "abc".into()),
        ],
        "shopify" => vec![
            ("x-shopify-hmac-sha256", BASE64_STANDARD.encode(sha256(secret, &[body]))),
            ("x-shopify-webhook-id", "b54557e4".into()),
        ],
        "slack" => vec![
            (
                "x-slack-signature",
                format!("v0={}", hex::encode(sha256(secret, &[b"v0:", now.as_bytes(), b":", body]))),
            ),
            ("x-slack-request-timestamp", now),
        ],
        "stripe" => {
            let tag = hex::encode(sha256(secret, &[now.as_bytes(), b".", body]));
            vec![("stripe-signature", format!("t={now},v1={tag}"))]
        }
        "standard" => {
            let tag = sha256(secret, &[b"msg_1.", now.as_bytes(), b".", body]);
            vec![
                ("webhook-id", "msg_1".into()),
                ("webhook-timestamp", now),
                ("webhook-signature", format!("v1,{}", BASE64_STANDARD.encode(tag))),
            ]
        }
        _ => {
            let now = (NOW * 1000).to_string();
            let tag = mac(hmac::HMAC_SHA512, secret, &[now.as_bytes(), b"|7|", body]);
            vec![
                (
                    "x-acme-signature",
                    format!("sha512={}", base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(tag)),
                ),
                ("x-acme-time", now),
                ("x-acme-id", "7".into()),
            ]
        }
    }
}

/// The secret as it stands in the configuration.
fn configured(name: &str, secret: &str) -> String {
    if name == "standard" { format!("whsec_{}", BASE64_STANDARD.encode(secret)) } else { secret.to_owned() }
}

const SIGNING: [&str; 7] = ["github", "jira", "shopify", "slack", "standard", "stripe", "generic"];

fn of(name: &str) -> Scheme {
    if name == "generic" { generic() } else { scheme(name) }
}

#[test]
fn each_scheme_takes_what_its_senders_sign() {
    let body = br#"{"id":"evt_1","event_id":"Ev1"}"#;
    for name in SIGNING {
        let verified = verify(&of(name), &signed(name, SECRET, body), body, &[&configured(name, SECRET)]);
        let id = match name {
            "github" => "72d3162e",
            "jira" => "abc",
            "shopify" => "b54557e4",
            "slack" => "Ev1",
            "standard" => "msg_1",
            "stripe" => "evt_1",
            _ => "7",
        };
        assert_eq!(verified.unwrap().dedupe_key, Some(format!("id:{id}")), "{name}");
    }
}

#[test]
fn either_of_two_secrets_will_do_and_no_third() {
    let body = b"{}";
    for name in SIGNING {
        let (own, other) = (configured(name, SECRET), configured(name, "another secret"));
        let headers = signed(name, SECRET, body);
        assert!(verify(&of(name), &headers, body, &[&other, &own]).is_ok(), "{name}");
        assert_eq!(verify(&of(name), &headers, body, &[&other]), Err(Refused::Signature), "{name}");
        let three = [other.as_str(), other.as_str(), own.as_str()];
        assert_eq!(verify(&of(name), &headers, body, &three), Err(Refused::Signature), "{name}");
        assert_eq!(verify(&of(name), &headers, body, &[]), Err(Refused::NoSecret), "{name}");
        assert_eq!(verify(&of(name), &headers, body, &[""]), Err(Refused::NoSecret), "{name}");
    }
}

#[test]
fn late_and_early_ones_are_refused_where_the_time_is_signed() {
    let body = b"{}";
    for (name, tolerance) in [("slack", 300), ("standard", 300), ("stripe", 300), ("generic", 10)] {
        let (headers, secret) = (signed(name, SECRET, body), configured(name, SECRET));
        for (away, is_taken) in
            [(tolerance, true), (-tolerance, true), (tolerance + 1, false), (-tolerance - 1, false)]
        {
            let verified = verify_at(&of(name), &headers, body, (&[&secret], NOW + away));
            assert_eq!(verified.is_ok(), is_taken, "{name} {away}: {verified:?}");
        }
        // Who forges learns nothing of the clock.
        let forged = verify_at(&of(name), &headers, b"[]", (&[&secret], NOW + 9999));
        assert_eq!(forged, Err(Refused::Signature), "{name}");
    }
}

#[test]
fn one_right_signature_among_several_will_do() {
    let body = br#"{"id":"evt_1"}"#;
    let [(_, right)] = &signed("stripe", SECRET, body)[..] else { panic!() };
    let (time, tag) = right.split_once(',').unwrap();
    let wrong = format!("v1={}", "0".repeat(64));
    for value in [
        format!("{time},{wrong},{tag}"),
        format!("{time},{tag},{wrong},v0=6ffb"),
        format!("{tag},{time}"),
        format!("{time}, {tag}"),
    ] {
        assert!(verify(&scheme("stripe"), &[("stripe-signature", value)], body, &[SECRET]).is_ok());
    }
    let mut headers = signed("standard", SECRET, body);
    headers[2].1 = format!("v1,{} {} v2,xyz", BASE64_STANDARD.encode([0; 32]), headers[2].1);
    assert!(verify(&scheme("standard"), &headers, body, &[&configured("standard", SECRET)]).is_ok());
}

#[test]
fn headers_that_can_be_read_in_two_ways_are_refused() {
    let body = br#"{"id":"evt_1"}"#;
    let [(_, right)] = &signed("stripe", SECRET, body)[..] else { panic!() };
    for value in [format!("t=1,{right}"), right.replace("t=", "t=+"), right.replace("t=", "t= ")] {
        let verified = verify(&scheme("stripe"), &[("stripe-signature", value.clone())], body, &[SECRET]);
        assert!(
            matches!(verified, Err(Refused::Malformed(..) | Refused::Signature)),
            "{value}: {verified:?}"
        );
    }
    let mut twice = signed("github", SECRET, body);
    twice.push(twice[0].clone());
    assert!(matches!(verify(&scheme("github"), &twice, body, &[SECRET]), Err(Refused::Malformed(..))));
    // The id must not reach into the timestamp.
    let mut headers = signed("standard", SECRET, body);
    let tag = sha256(SECRET.as_bytes(), &[b"msg.1.", NOW.to_string().as_bytes(), b".", body]);
    headers[0].1 = "msg.1".into();
    headers[2].1 = format!("v1,{}", BASE64_STANDARD.encode(tag));
    let secret = configured("standard", SECRET);
    assert_eq!(verify(&scheme("standard"), &headers, body, &[&secret]), Err(Refused::Id));
}

#[test]
fn the_headers_of_svix_are_those_of_standard_webhooks() {
    let body = b"{}";
    let headers: Headers = signed("standard", SECRET, body)
        .into_iter()
        .zip(["svix-id", "svix-timestamp", "svix-signature"])
        .map(|((_, value), name)| (name, value))
        .collect();
    let verified = verify(&scheme("standard"), &headers, body, &[&configured("standard", SECRET)]);
    assert_eq!(verified.unwrap().id.as_deref(), Some("msg_1"));
}

#[test]
fn an_asymmetric_signature_is_checked_with_the_public_key() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let key = format!("whpk_{}", BASE64_STANDARD.encode(pair.public_key().as_ref()));
    let (body, now) = (b"{\"a\":1}", NOW.to_string());
    let tag = pair.sign(&[b"msg_2.", now.as_bytes(), b".", body.as_slice()].concat());
    let headers = vec![
        ("webhook-id", "msg_2".to_owned()),
        ("webhook-timestamp", now),
        ("webhook-signature", format!("v1a,{}", BASE64_STANDARD.encode(tag.as_ref()))),
    ];
    assert!(verify(&scheme("standard"), &headers, body, &[&key]).is_ok());
    assert_eq!(verify(&scheme("standard"), &headers, b"{\"a\":2}", &[&key]), Err(Refused::Signature));
    // The public key is known to all: it makes no symmetric signature.
    let forged = sha256(
        &BASE64_STANDARD.decode(&key[5..]).unwrap(),
        &[b"msg_2.", headers[1].1.as_bytes(), b".", b"{}"],
    );
    let mut headers = headers;
    headers[2].1 = format!("v1,{}", BASE64_STANDARD.encode(forged));
    assert_eq!(verify(&scheme("standard"), &headers, b"{}", &[&key]), Err(Refused::Signature));
}

#[test]
fn a_secret_that_is_not_as_the_scheme_writes_it_is_told() {
    let body = b"{}";
    let headers = signed("standard", SECRET, body);
    for secret in ["whsec_no base64", "whpk_AAAA", "whpk_"] {
        let verified = verify(&scheme("standard"), &headers, body, &[secret]);
        assert!(matches!(verified, Err(Refused::Secret(_))), "{secret}: {verified:?}");
        // One that is wrong does not spoil the other.
        let own = configured("standard", SECRET);
        assert!(verify(&scheme("standard"), &headers, body, &[secret, &own]).is_ok(), "{secret}");
    }
}

#[test]
fn a_header_that_is_the_secret_is_compared_whole() {
    let webhook = json!({"scheme": "generic", "secret": "s", "generic": {"header": "X-Gitlab-Token", "algorithm": "token"}});
    let scheme = Manifest::from_json(&webhook).unwrap().scheme;
    let header = |value: &str| vec![("x-gitlab-token", value.to_owned())];
    assert!(verify(&scheme, &header(SECRET), b"{}", &["other", SECRET]).is_ok());
    for wrong in ["", "a secret", "a secret of the tests "] {
        let verified = verify(&scheme, &header(wrong), b"{}", &[SECRET]);
        // Space around a header's value is no part of it (RFC 9110, section 5.5).
        assert_eq!(verified.is_ok(), wrong.trim() == SECRET, "{wrong:?}");
    }
    assert_eq!(verify(&scheme, &[], b"{}", &[SECRET]), Err(Refused::Missing("x-gitlab-token".into())));
}

#[test]
fn a_challenge_is_known_once_it_is_proven() {
    let body = br#"{"token":"x","challenge":"3eZbrw1aB10FEMAGAZd4FyFQ","type":"url_verification"}"#;
    let verified = verify(&scheme("slack"), &signed("slack", SECRET, body), body, &[SECRET]).unwrap();
    assert_eq!(verified.challenge.as_deref(), Some("3eZbrw1aB10FEMAGAZd4FyFQ"));
    assert!(verify(&scheme("slack"), &signed("slack", "other", body), body, &[SECRET]).is_err());
}

#[test]
fn without_an_id_what_was_signed_tells_webhooks_apart() {
    let key = |name: &str, body: &[u8], headers: &[(&'static str, String)]| {
        verify(&of(name), headers, body, &[&configured(name, SECRET)]).unwrap().dedupe_key.unwrap()
    };
    let command = b"token=x&command=%2Fweather";
    let first = key("slack", command, &signed("slack", SECRET, command));
    assert!(first.starts_with("sha256:"), "{first}");
    assert_eq!(first, key("slack", command, &signed("slack", SECRET, command)));
    let other = b"token=x&command=%2Fwhether";
    assert_ne!(first, key("slack", other, &signed("slack", SECRET, other)));
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(1000));
    let key = key("stripe", long.as_bytes(), &signed("stripe", SECRET, long.as_bytes()));
    assert!(key.starts_with("id-sha256:") && key.len() < 100, "{key}");
}

#[test]
fn without_an_id_webhooks_are_told_apart_by_what_they_were_sent_for() {
    let hmac = json!({"scheme": "generic", "secret": "s", "generic": {"header": "x-signature"}});
    let scheme = Manifest::from_json(&hmac).unwrap().scheme;
    let headers = [("x-signature", hex::encode(sha256(SECRET.as_bytes(), &[b"{}"])))];
    let key = |sent_for: (&str, &str, &str)| {
        verify_for(&scheme, &headers, b"{}", (&[SECRET], NOW), sent_for).unwrap().dedupe_key.unwrap()
    };
    let sent_for = [
        ("POST", "/", ""),
        ("PUT", "/", ""),
        ("POST", "/a", ""),
        ("POST", "/", "a"),
        ("POST", "/a", "=1"),
        ("POST", "/a=", "1"),
    ];
    let keys: std::collections::BTreeSet<_> = sent_for.iter().map(|sent_for| key(*sent_for)).collect();
    assert_eq!(keys.len(), sent_for.len());
    assert_eq!(key(sent_for[0]), key(sent_for[0]));
}

#[test]
fn what_is_neither_signed_nor_has_an_id_is_never_a_repetition() {
    let token =
        json!({"scheme": "generic", "secret": "s", "generic": {"header": "x-token", "algorithm": "token"}});
    let token = Manifest::from_json(&token).unwrap().scheme;
    let headers = [("x-token", SECRET.to_owned())];
    assert_eq!(verify(&token, &headers, b"{}", &[SECRET]).unwrap().dedupe_key, None);
    assert_eq!(verify(&scheme("none"), &[], b"{}", &[]).unwrap().dedupe_key, None);
}

/// Slack's own example: <https://docs.slack.dev/authentication/verifying-requests-from-slack#step-by-step>
#[test]
fn the_example_in_slacks_documentation_passes() {
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let headers = vec![
        (
            "x-slack-signature",
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503".to_owned(),
        ),
        ("x-slack-request-timestamp", "1531420618".to_owned()),
    ];
    let secrets = ["8f742231b10e8888abcd99yyyzzz85a5"];
    assert!(verify_at(&scheme("slack"), &headers, body, (&secrets, 1_531_420_618)).is_ok());
    assert!(verify_at(&scheme("slack"), &headers, body, (&secrets, 1_531_421_618)).is_err());
}

/// GitHub's own example: <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation>
#[test]
fn the_example_in_githubs_documentation_passes() {
    let headers = vec![(
        "x-hub-signature-256",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".to_owned(),
    )];
    assert!(verify(&scheme("github"), &headers, b"Hello, World!", &["It's a Secret to Everybody"]).is_ok());
}

/// As SQLPage's documentation of `hmac` has it: <https://sql-page.com/functions.sql?function=hmac>
#[test]
fn a_published_example_of_shopify_passes() {
    let body = br#"{"id":1234567890,"email":"customer@example.com","total_price":"123.45"}"#;
    let headers = vec![("x-shopify-hmac-sha256", "QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw=".to_owned())];
    assert!(verify(&scheme("shopify"), &headers, body, &["test-webhook-secret"]).is_ok());
    assert!(verify(&scheme("shopify"), &headers, body, &["another"]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A body that is not the signed one, byte for byte, never passes.
    #[test]
    fn an_altered_body_never_passes(
        body in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        change in 1u8..,
        extra in prop::collection::vec(any::<u8>(), 1..8),
    ) {
        let mut altered = body.clone();
        altered[at.index(body.len())] ^= change;
        let truncated = &body[..at.index(body.len())];
        let extended = [body.as_slice(), &extra].concat();
        for name in SIGNING {
            let (headers, secret) = (signed(name, SECRET, &body), configured(name, SECRET));
            prop_assert!(verify(&of(name), &headers, &body, &[&secret]).is_ok());
            for other in [&altered[..], truncated, &extended] {
                prop_assert_eq!(verify(&of(name), &headers, other, &[&secret]), Err(Refused::Signature));
            }
        }
    }

    /// JSON that means the same and is written otherwise does not pass.
    #[test]
    fn a_body_written_anew_never_passes(number in any::<i32>(), text in "[a-z€\"/ ]{0,20}") {
        let value = json!({"id": "evt_1", "amount": number, "text": text});
        let body = serde_json::to_vec(&value).unwrap();
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        let escaped = String::from_utf8(body.clone()).unwrap().replace("amount", "\\u0061mount").into_bytes();
        for name in SIGNING {
            let (headers, secret) = (signed(name, SECRET, &body), configured(name, SECRET));
            for other in [&pretty, &escaped] {
                prop_assert!(verify(&of(name), &headers, other, &[&secret]).is_err());
            }
        }
    }

    /// Whatever stands in the headers, nothing passes that was not signed, and nothing panics.
    #[test]
    fn invented_headers_never_pass(value in "[ -~]{0,120}", time in "[0-9]{0,20}", id in "[ -~]{0,40}") {
        for name in SIGNING {
            let secret = configured(name, SECRET);
            let headers: Headers = signed(name, SECRET, b"{}")
                .into_iter()
                .enumerate()
                .map(|(place, (name, _))| (name, [&value, &time, &id][place % 3].clone()))
                .collect();
            prop_assert!(verify(&of(name), &headers, b"[]", &[&secret]).is_err());
        }
    }
}
