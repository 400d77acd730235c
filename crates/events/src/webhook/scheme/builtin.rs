//! The schemes of well-known senders.

use std::borrow::Cow;
use std::time::Duration;

use super::{
    Algorithm, At, Bearer, Challenge, Encoding, Form, KeyForm, Kind, Names, Piece, Proof, Scheme, Signature,
    Text, Unit,
};

/// How old a signed webhook may be, and how far ahead its sender's clock: what Stripe, Slack and Standard Webhooks recommend.
pub const TOLERANCE: Duration = Duration::from_mins(5);

const fn text(text: &'static str) -> Text {
    Cow::Borrowed(text)
}

const fn signed(signature: &'static str) -> Names {
    Names { signature: text(signature), timestamp: None, id: None }
}

const fn kind(label: &'static str, algorithm: Algorithm, key: KeyForm) -> Kind {
    Kind { label: text(label), algorithm, key }
}

const fn whole(prefix: &'static str) -> Form {
    Form::Whole { prefix: text(prefix) }
}

const HMAC_SHA256: &[Kind] = &[kind("", Algorithm::HmacSha256, KeyForm::Text)];
const DOT: Piece = Piece::Literal(text("."));

/// A signature over the body alone.
const fn over_body(names: &'static [Names], prefix: &'static str, encoding: Encoding) -> Proof {
    Proof::Signature(Signature {
        names: Cow::Borrowed(names),
        form: whole(prefix),
        kinds: Cow::Borrowed(HMAC_SHA256),
        encoding,
        message: Cow::Borrowed(&[Piece::Body]),
        tolerance: TOLERANCE,
        unit: Unit::Seconds,
    })
}

/// Every scheme that has a name of its own, in alphabetical order.
pub const BUILTIN: &[Scheme] = &[GITHUB, GOOGLE, JIRA, NONE, SHOPIFY, SLACK, STANDARD, STRIPE];

/// The scheme of this name.
pub fn find(name: &str) -> Option<&'static Scheme> {
    BUILTIN.iter().find(|scheme| scheme.name == name)
}

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
const GITHUB: Scheme = Scheme {
    name: text("github"),
    proof: over_body(const { &[signed("x-hub-signature-256")] }, "sha256=", Encoding::Hex),
    id: Cow::Borrowed(&[At::Header(text("x-github-delivery"))]),
    challenge: None,
};

/// Push subscriptions of Pub/Sub: <https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions>
const GOOGLE: Scheme = Scheme {
    name: text("google"),
    proof: Proof::Bearer(Bearer {
        issuers: Cow::Borrowed(&[text("https://accounts.google.com"), text("accounts.google.com")]),
        issuer: text("https://accounts.google.com"),
    }),
    id: Cow::Borrowed(&[At::Body(text("/message/messageId")), At::Header(text("x-goog-pubsub-message-id"))]),
    challenge: None,
};

/// <https://developer.atlassian.com/cloud/jira/platform/webhooks/#secure-admin-webhooks>
const JIRA: Scheme = Scheme {
    name: text("jira"),
    proof: over_body(const { &[signed("x-hub-signature")] }, "sha256=", Encoding::Hex),
    id: Cow::Borrowed(&[At::Header(text("x-atlassian-webhook-identifier"))]),
    challenge: None,
};

/// Senders that sign nothing: only the secret address takes their webhooks.
const NONE: Scheme =
    Scheme { name: text("none"), proof: Proof::Address, id: Cow::Borrowed(&[]), challenge: None };

/// <https://shopify.dev/docs/apps/build/webhooks/subscribe/https>
const SHOPIFY: Scheme = Scheme {
    name: text("shopify"),
    proof: over_body(const { &[signed("x-shopify-hmac-sha256")] }, "", Encoding::Base64),
    id: Cow::Borrowed(&[At::Header(text("x-shopify-webhook-id"))]),
    challenge: None,
};

/// <https://docs.slack.dev/authentication/verifying-requests-from-slack>; what is no event has no id.
const SLACK: Scheme = Scheme {
    name: text("slack"),
    proof: Proof::Signature(Signature {
        names: Cow::Borrowed(&[Names {
            signature: text("x-slack-signature"),
            timestamp: Some(text("x-slack-request-timestamp")),
            id: None,
        }]),
        form: whole("v0="),
        kinds: Cow::Borrowed(HMAC_SHA256),
        encoding: Encoding::Hex,
        message: Cow::Borrowed(&[
            Piece::Literal(text("v0:")),
            Piece::Timestamp,
            Piece::Literal(text(":")),
            Piece::Body,
        ]),
        tolerance: TOLERANCE,
        unit: Unit::Seconds,
    }),
    id: Cow::Borrowed(&[At::Body(text("/event_id"))]),
    challenge: Some(Challenge {
        known_by: (text("/type"), text("url_verification")),
        answer: text("/challenge"),
    }),
};

/// Standard Webhooks, also by the names that Svix gave the headers:
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
const STANDARD: Scheme = Scheme {
    name: text("standard"),
    proof: Proof::Signature(Signature {
        names: Cow::Borrowed(&[
            Names {
                signature: text("webhook-signature"),
                timestamp: Some(text("webhook-timestamp")),
                id: Some(text("webhook-id")),
            },
            Names {
                signature: text("svix-signature"),
                timestamp: Some(text("svix-timestamp")),
                id: Some(text("svix-id")),
            },
        ]),
        form: Form::List,
        kinds: Cow::Borrowed(&[
            kind("v1a", Algorithm::Ed25519, KeyForm::Base64 { prefix: text("whpk_"), optional: false }),
            kind("v1", Algorithm::HmacSha256, KeyForm::Base64 { prefix: text("whsec_"), optional: true }),
        ]),
        encoding: Encoding::Base64,
        message: Cow::Borrowed(&[Piece::Id, DOT, Piece::Timestamp, DOT, Piece::Body]),
        tolerance: TOLERANCE,
        unit: Unit::Seconds,
    }),
    id: Cow::Borrowed(&[At::Header(text("webhook-id")), At::Header(text("svix-id"))]),
    challenge: None,
};

/// <https://docs.stripe.com/webhooks/signature>; the key is the whole text, `whsec_` included.
const STRIPE: Scheme = Scheme {
    name: text("stripe"),
    proof: Proof::Signature(Signature {
        names: Cow::Borrowed(&[signed("stripe-signature")]),
        form: Form::Pairs { separator: ',', timestamp: Some(text("t")) },
        kinds: Cow::Borrowed(&[kind("v1", Algorithm::HmacSha256, KeyForm::Text)]),
        encoding: Encoding::Hex,
        message: Cow::Borrowed(&[Piece::Timestamp, DOT, Piece::Body]),
        tolerance: TOLERANCE,
        unit: Unit::Seconds,
    }),
    id: Cow::Borrowed(&[At::Body(text("/id"))]),
    challenge: None,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_finds_its_own() {
        let names: Vec<_> = BUILTIN.iter().map(|scheme| scheme.name.clone()).collect();
        assert!(names.is_sorted(), "{names:?}");
        for scheme in BUILTIN {
            assert_eq!(find(&scheme.name), Some(scheme));
        }
        assert_eq!(find("generic"), None);
    }
}
