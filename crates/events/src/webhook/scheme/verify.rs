//! Holding a webhook against its scheme: on the bytes as they came, in constant time, with any of the live secrets.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, header};
use model::{Coded, ErrorCode, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

use super::bearer::Expected;
use super::header::{MAX_ID, Said, one, read};
use super::{
    Algorithm, At, Bearer, BearerError, KeyForm, Kind, Piece, Proof, Scheme, Signature, Unit, VerifyBearer,
};

/// The most secrets that a signature may be made with: during a rotation two.
pub const MAX_SECRETS: usize = 2;

/// The longest text that a challenge has sent back, in bytes.
const MAX_CHALLENGE: usize = 1024;

/// A webhook as it came in, before it is known whose it is.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// What follows the address.
    pub path: &'a str,
    /// The query without its question mark.
    pub query: &'a str,
    /// The headers, with those that prove something.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The URLs that it may have been sent to, for tokens that name one: at least one.
    pub audiences: &'a [String],
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// A webhook that is its sender's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Tells it from all others of the installation; when the sender repeats it, it has the same. At most 300 bytes. `None` where
    /// nothing tells a repetition from another that says the same: it has no id, and nothing of it is signed.
    pub dedupe_key: Option<String>,
    /// The sender's own id of it, where it has one.
    pub id: Option<String>,
    /// What to answer to a challenge, in place of taking the webhook.
    pub challenge: Option<String>,
}

/// Why a webhook is not taken. Nothing here tells more of a secret than whether it fits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A header that the scheme needs is not there.
    #[error("the header {0} is missing: this address takes webhooks that are signed")]
    Missing(String),
    /// A header is not as the scheme writes it.
    #[error("the header {0} {1}")]
    Malformed(String, &'static str),
    /// No signature fits.
    #[error(
        "the signature does not fit: sign the body byte for byte as it is sent, with the secret in the plugin's configuration"
    )]
    Signature,
    /// The signature is right, and too far from now.
    #[error("the timestamp must be within {} s of this server's time: send it again, signed anew", .0.as_secs())]
    Timestamp(Duration),
    /// A signed id with which what is signed could be read in two ways.
    #[error("the id must be of visible ASCII, without what separates it from the rest of what is signed")]
    Id,
    /// A claim of a bearer token is not as it must be.
    #[error("of the bearer token {0}")]
    Claim(&'static str),
    /// A bearer token that cannot be found right.
    #[error(transparent)]
    Bearer(#[from] BearerError),
    /// The tenant has not set the secret.
    #[error(
        "no secret is set, so nothing can be verified: an admin sets the field that the plugin's manifest names in `webhook.secret`"
    )]
    NoSecret,
    /// The secret is not written as the scheme has it.
    #[error("the secret in the plugin's configuration is not written as the scheme has it: {0}")]
    Secret(&'static str),
}

impl Coded for Refused {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Missing(_)
            | Self::Malformed(..)
            | Self::Signature
            | Self::Timestamp(_)
            | Self::Id
            | Self::Claim(_)
            | Self::Bearer(BearerError::Signature) => ErrorCode::InvalidCredential,
            Self::Bearer(BearerError::Unavailable) => ErrorCode::Unavailable,
            Self::NoSecret | Self::Secret(_) => ErrorCode::Conflict,
        }
    }
}

impl Scheme {
    /// Finds out whether `incoming` is of a sender that knows one of `secrets`, of which the first [`MAX_SECRETS`] count, and
    /// what tells it from others.
    ///
    /// # Errors
    /// [`Refused`]: every reason not to take it.
    pub async fn verify(
        &self,
        incoming: &Incoming<'_>,
        secrets: &[SecretString],
        (now, tokens): (Timestamp, &dyn VerifyBearer),
    ) -> Result<Verified, Refused> {
        let secrets = secrets.get(..MAX_SECRETS).unwrap_or(secrets);
        if self.needs_secret() && secrets.iter().all(|secret| secret.expose_secret().is_empty()) {
            return Err(Refused::NoSecret);
        }
        let signed = match &self.proof {
            Proof::Signature(signature) => Some(signature.check(incoming, secrets, now)?),
            Proof::Token { header } => {
                check_token(incoming.headers, header, secrets)?;
                None
            }
            Proof::Bearer(bearer) => {
                check_bearer(bearer, incoming, secrets, (now, tokens)).await?;
                None
            }
            Proof::Address => None,
        };
        self.known(incoming, signed)
    }

    /// What tells a webhook that was found right from others.
    fn known(&self, incoming: &Incoming<'_>, signed: Option<Vec<&[u8]>>) -> Result<Verified, Refused> {
        let wants_body = self.challenge.is_some() || self.id.iter().any(|at| matches!(at, At::Body(_)));
        let body: Option<Value> = wants_body.then(|| serde_json::from_slice(incoming.body).ok()).flatten();
        let at = |pointer: &str| body.as_ref().and_then(|body| body.pointer(pointer));
        let challenge = self.challenge.as_ref().and_then(|challenge| {
            let (pointer, word) = &challenge.known_by;
            let is_one = at(pointer).and_then(Value::as_str) == Some(word);
            is_one.then(|| at(&challenge.answer).and_then(Value::as_str).unwrap_or_default().to_owned())
        });
        let mut id = None;
        for place in self.id.iter() {
            id = match place {
                At::Header(name) => one(incoming.headers, name)?.map(str::to_owned),
                At::Body(pointer) => at(pointer).and_then(plain),
            }
            .filter(|id| !id.is_empty());
            if id.is_some() {
                break;
            }
        }
        let dedupe_key = match &id {
            Some(id) if id.len() <= MAX_ID => Some(format!("id:{id}")),
            Some(id) => Some(format!("id-sha256:{}", hex::encode(digest::digest(&SHA256, id.as_bytes())))),
            None => signed.map(|message| format!("sha256:{}", fingerprint(incoming, &message))),
        };
        let id = id.map(|id| id.chars().take(MAX_ID).collect());
        let challenge = challenge.filter(|text| text.len() <= MAX_CHALLENGE);
        Ok(Verified { dedupe_key, id, challenge })
    }
}

/// The SHA-256 of what was signed and of what it was sent for, each piece with its length before it.
fn fingerprint(incoming: &Incoming<'_>, message: &[&[u8]]) -> String {
    let mut digest = digest::Context::new(&SHA256);
    let sent_for = [incoming.method, incoming.path, incoming.query].map(str::as_bytes);
    for piece in sent_for.iter().chain(message) {
        digest.update(&(piece.len() as u64).to_be_bytes());
        digest.update(piece);
    }
    hex::encode(digest.finish())
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn check_token(headers: &HeaderMap, name: &str, secrets: &[SecretString]) -> Result<(), Refused> {
    let said = one(headers, name)?.ok_or_else(|| Refused::Missing(name.to_owned()))?;
    let mut fits = false;
    for secret in secrets.iter().filter(|secret| !secret.expose_secret().is_empty()) {
        fits |= verify_slices_are_equal(said.as_bytes(), secret.expose_secret().as_bytes()).is_ok();
    }
    if fits { Ok(()) } else { Err(Refused::Signature) }
}

async fn check_bearer(
    bearer: &Bearer,
    incoming: &Incoming<'_>,
    senders: &[SecretString],
    (now, tokens): (Timestamp, &dyn VerifyBearer),
) -> Result<(), Refused> {
    let name = header::AUTHORIZATION.as_str();
    let said = one(incoming.headers, name)?.ok_or_else(|| Refused::Missing(name.to_owned()))?;
    let token = said.split_once(' ').filter(|(word, _)| word.eq_ignore_ascii_case("bearer"));
    let (_, token) = token.ok_or(Refused::Malformed(name.to_owned(), "must be `Bearer` and a token"))?;
    let claims = tokens.claims(&SecretString::from(token.trim()), &bearer.issuer).await?;
    Expected { bearer, audiences: incoming.audiences, senders, now }.check(&claims)
}

impl Signature {
    /// What was signed, piece by piece, if one of the signatures is made with one of the secrets, lately.
    fn check<'a>(
        &'a self,
        incoming: &Incoming<'a>,
        secrets: &[SecretString],
        now: Timestamp,
    ) -> Result<Vec<&'a [u8]>, Refused> {
        let said = read(self, incoming.headers)?;
        self.check_id(&said)?;
        let message = self.message(&said, incoming.body);
        let mut fits = false;
        let mut usable = Err(Refused::NoSecret);
        for secret in secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty()) {
            match self.key(secret) {
                Ok((kind, key)) => {
                    usable = Ok(());
                    fits |= kind.fits(&key, &message, &said);
                }
                Err(unusable) if usable.is_err() => usable = Err(unusable),
                Err(_) => {}
            }
        }
        usable?;
        if !fits {
            return Err(Refused::Signature);
        }
        // Only who has signed is told that it comes too late.
        if said.timestamp.is_some_and(|text| !self.is_timely(text, now)) {
            return Err(Refused::Timestamp(self.tolerance));
        }
        Ok(message)
    }

    /// What is signed, piece by piece.
    pub(super) fn message<'a>(&'a self, said: &Said<'a>, body: &'a [u8]) -> Vec<&'a [u8]> {
        let bytes = |piece: &'a Piece| match piece {
            Piece::Literal(text) => text.as_bytes(),
            Piece::Timestamp => said.timestamp.unwrap_or_default().as_bytes(),
            Piece::Id => said.id.unwrap_or_default().as_bytes(),
            Piece::Body => body,
        };
        self.message.iter().map(bytes).collect()
    }

    /// A signed id must end where it seems to end.
    fn check_id(&self, said: &Said<'_>) -> Result<(), Refused> {
        let Some(id) = said.id else { return Ok(()) };
        let separators = self.message.windows(2).filter_map(|pieces| match pieces {
            [Piece::Id, Piece::Literal(text)] => Some(text),
            _ => None,
        });
        let is_plain = id.bytes().all(|byte| byte.is_ascii_graphic());
        let mut separators = separators;
        if is_plain && !separators.any(|text| id.contains(text.as_ref())) { Ok(()) } else { Err(Refused::Id) }
    }

    fn is_timely(&self, text: &str, now: Timestamp) -> bool {
        let unit = match self.unit {
            Unit::Seconds => 1000,
            Unit::Milliseconds => 1,
        };
        let said = text.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
        let tolerance = u64::try_from(self.tolerance.as_millis()).unwrap_or(u64::MAX);
        said.is_some_and(|said| said.abs_diff(now.as_millisecond()) <= tolerance)
    }

    /// The kind of signature that a secret is for, and its key.
    pub(super) fn key(&self, secret: &str) -> Result<(&Kind, Zeroizing<Vec<u8>>), Refused> {
        let mut wrong = Refused::Secret("it must be the secret of this scheme");
        for kind in self.kinds.iter() {
            match kind.read_key(secret) {
                Ok(Some(key)) => return Ok((kind, key)),
                Ok(None) => {}
                Err(error) => wrong = error,
            }
        }
        Err(wrong)
    }
}

impl Kind {
    /// The key in `secret`; `None` where it is one of another kind.
    fn read_key(&self, secret: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Refused> {
        let bytes = match &self.key {
            KeyForm::Text => return Ok(Some(Zeroizing::new(secret.as_bytes().to_vec()))),
            KeyForm::Hex => {
                hex::decode(secret).map_err(|_| Refused::Secret("it must be hexadecimal digits"))?
            }
            KeyForm::Base64 { prefix, optional } => {
                let text = match secret.strip_prefix(prefix.as_ref()) {
                    Some(text) => text,
                    None if *optional => secret,
                    None => return Ok(None),
                };
                BASE64_STANDARD
                    .decode(text)
                    .map_err(|_| Refused::Secret("it must be Base64 after its prefix"))?
            }
        };
        let bytes = Zeroizing::new(bytes);
        match self.algorithm {
            Algorithm::Ed25519 if bytes.len() != 32 => {
                Err(Refused::Secret("a public key of Ed25519 has 32 bytes"))
            }
            _ if bytes.is_empty() => Err(Refused::Secret("it must not be empty")),
            _ => Ok(Some(bytes)),
        }
    }

    /// Whether one of the signatures of this kind is of `message`. Each is compared, whether one has fitted or not.
    fn fits(&self, key: &[u8], message: &[&[u8]], said: &Said<'_>) -> bool {
        let own = said.signatures.iter().filter(|(label, _)| *label == self.label).map(|(_, bytes)| bytes);
        let algorithm = match self.algorithm {
            Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::HmacSha256 => hmac::HMAC_SHA256,
            Algorithm::HmacSha512 => hmac::HMAC_SHA512,
            Algorithm::Ed25519 => {
                let (key, message) = (UnparsedPublicKey::new(&ED25519, key), message.concat());
                return own.fold(false, |fits, bytes| fits | key.verify(&message, bytes).is_ok());
            }
        };
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
        for piece in message {
            context.update(piece);
        }
        let tag = context.sign();
        own.fold(false, |fits, bytes| fits | verify_slices_are_equal(tag.as_ref(), bytes).is_ok())
    }
}
