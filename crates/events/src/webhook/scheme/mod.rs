//! Schemes by which senders prove that a webhook is theirs. What differs between them is data: a [`Scheme`], of which the
//! [`builtin`] ones stand in one table, and which a plugin's manifest fills for senders of its own.

pub mod bearer;
pub mod builtin;
mod header;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

use std::borrow::Cow;
use std::time::Duration;

pub use bearer::{Bearer, BearerError, VerifyBearer};
pub use sign::SignError;
pub use verify::{Incoming, MAX_SECRETS, Refused, Verified};

/// A text of the table, or of a manifest.
pub type Text = Cow<'static, str>;

/// A list of the table, or of a manifest.
pub type List<T> = Cow<'static, [T]>;

/// How a sender proves that a webhook is its own, and by what one webhook is told from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// The word in the manifest.
    pub name: Text,
    /// What proves where it comes from.
    pub proof: Proof,
    /// Where the sender's id of the webhook may be; the first that is there counts. Where there is none, what was signed tells
    /// webhooks apart.
    pub id: List<At>,
    /// A question by which the sender finds out whether the address is the plugin's.
    pub challenge: Option<Challenge>,
}

/// What proves where a webhook comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A signature made with a secret that the tenant has configured.
    Signature(Signature),
    /// A header that holds the secret itself.
    Token {
        /// The header.
        header: Text,
    },
    /// A token that an issuer has signed (RFC 7519) in `Authorization: Bearer`.
    Bearer(Bearer),
    /// Nothing but the knowledge of the installation's secret address.
    Address,
}

/// A signature over parts of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The headers it may come in; the first whose signature is there counts.
    pub names: List<Names>,
    /// How the header of the signature is written.
    pub form: Form,
    /// The algorithms, each with its label in the header.
    pub kinds: List<Kind>,
    /// How the bytes of the signature are written.
    pub encoding: Encoding,
    /// What is signed.
    pub message: List<Piece>,
    /// How far the signed timestamp may be from this server's clock, either way; only where there is a timestamp.
    pub tolerance: Duration,
    /// What the timestamp counts.
    pub unit: Unit,
}

/// The headers of one spelling of a scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// That of the signature.
    pub signature: Text,
    /// That of the timestamp, where it is a header of its own.
    pub timestamp: Option<Text>,
    /// That of the id, where it is signed.
    pub id: Option<Text>,
}

/// How the header of the signature is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// The signature alone, after a prefix that may be empty.
    Whole {
        /// The prefix, such as `sha256=`.
        prefix: Text,
    },
    /// `name=value` pairs, as `t=1700000000,v1=…`; a signature is named by the label of its kind, and may come several times.
    Pairs {
        /// What stands between pairs.
        separator: char,
        /// The name of the timestamp's pair.
        timestamp: Option<Text>,
    },
    /// `label,signature` several times with spaces between, as `v1,… v1,…`.
    List,
}

/// An algorithm, and how it is named in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The label of its signatures; empty where the form has none.
    pub label: Text,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// How the secret is written.
    pub key: KeyForm,
}

/// An algorithm of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-1 (RFC 2104): for senders that have nothing better.
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
    /// Ed25519 (RFC 8032); the secret is the sender's public key.
    Ed25519,
}

/// How a secret is written in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyForm {
    /// The bytes of the text are the key.
    Text,
    /// Base64 after a prefix. A secret without it is one of another kind, unless the prefix may be left out.
    Base64 {
        /// The prefix, such as `whsec_`.
        prefix: Text,
        /// Whether it may be left out.
        optional: bool,
    },
    /// Hexadecimal digits.
    Hex,
}

/// How bytes are written in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits of either case.
    Hex,
    /// Base64 with its padding (RFC 4648, section 4).
    Base64,
    /// Base64 for URLs (RFC 4648, section 5), with its padding or without.
    Base64Url,
}

/// What a timestamp counts since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// A piece of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These characters.
    Literal(Text),
    /// The timestamp as it stands in its header.
    Timestamp,
    /// The id as it stands in its header.
    Id,
    /// The body, byte for byte.
    Body,
}

/// Where something stands in a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// In a header.
    Header(Text),
    /// In the JSON of the body, by JSON Pointer (RFC 6901).
    Body(Text),
}

/// A webhook that asks whether the address is the plugin's, and is answered at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// By what it is known: a place in the body, and what stands there.
    pub known_by: (Text, Text),
    /// The place of the text that is sent back.
    pub answer: Text,
}

impl Scheme {
    /// Whether a webhook proves by itself where it comes from, so that its address need not be secret.
    pub fn is_proven(&self) -> bool {
        self.proof != Proof::Address
    }

    /// Whether the proof is made with a secret of the tenant's; for [`Proof::Bearer`] it is who the sender is.
    pub fn needs_secret(&self) -> bool {
        self.is_proven()
    }
}
