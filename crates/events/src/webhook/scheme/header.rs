//! Reading what senders put into headers.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;

use super::{Encoding, Form, Names, Refused, Signature, Text};

/// The most signatures of one header that are looked at. Senders send one for each live secret.
const MAX_SIGNATURES: usize = 8;

/// The most bytes of an id that a sender gives.
pub(super) const MAX_ID: usize = 256;

const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the headers say of a signature.
#[derive(Debug)]
pub(super) struct Said<'a> {
    /// The signatures with the labels of their kinds.
    pub(super) signatures: Vec<(Cow<'a, str>, Vec<u8>)>,
    /// The timestamp, digits alone.
    pub(super) timestamp: Option<&'a str>,
    /// The id, where it is signed.
    pub(super) id: Option<&'a str>,
}

/// The one value of a header; `None` where there is none.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refused::Malformed(name.to_owned(), "must come once"));
    }
    let text = value.to_str().map_err(|_| Refused::Malformed(name.to_owned(), "must be plain ASCII"))?;
    Ok(Some(text.trim()))
}

fn needed<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refused> {
    one(headers, name)?.filter(|text| !text.is_empty()).ok_or_else(|| Refused::Missing(name.to_owned()))
}

/// Reads the headers of the first spelling whose signature is there.
pub(super) fn read<'a>(signature: &'a Signature, headers: &'a HeaderMap) -> Result<Said<'a>, Refused> {
    let names = signature.names.iter().find(|names| headers.contains_key(names.signature.as_ref()));
    let Some(names) = names.or(signature.names.first()) else {
        return Err(Refused::Missing("signature".into()));
    };
    let text = needed(headers, &names.signature)?;
    let mut said = Said {
        signatures: Vec::new(),
        timestamp: names.timestamp.as_deref().map(|name| needed(headers, name)).transpose()?,
        id: names.id.as_deref().map(|name| needed(headers, name)).transpose()?,
    };
    match &signature.form {
        Form::Whole { prefix } => {
            let written = text.strip_prefix(prefix.as_ref());
            let written =
                written.ok_or_else(|| malformed(names, "must begin with the prefix of the scheme"))?;
            said.signatures
                .extend(decode(signature.encoding, written).map(|bytes| (Cow::Borrowed(""), bytes)));
        }
        Form::Pairs { separator, timestamp } => {
            let pairs = text.split(*separator).filter_map(|pair| pair.trim().split_once('='));
            read_pairs(signature, names, (pairs, timestamp.as_ref()), &mut said)?;
        }
        Form::List => {
            let listed = text.split(' ').filter_map(|each| each.split_once(','));
            said.signatures.extend(labelled(signature, listed));
        }
    }
    if said.signatures.is_empty() {
        return Err(malformed(names, "must have a signature as the scheme writes it"));
    }
    if said.timestamp.is_some_and(|text| !is_number(text)) {
        return Err(malformed(names, "must be of a timestamp that is a number"));
    }
    if said.id.is_some_and(|id| id.len() > MAX_ID) {
        return Err(malformed(names, "must be of an id of at most 256 bytes"));
    }
    Ok(said)
}

fn read_pairs<'a>(
    signature: &'a Signature,
    names: &Names,
    (pairs, timestamp): (impl Iterator<Item = (&'a str, &'a str)> + Clone, Option<&Text>),
    said: &mut Said<'a>,
) -> Result<(), Refused> {
    if let Some(name) = timestamp {
        let mut found = pairs.clone().filter(|(key, _)| key == name).map(|(_, value)| value);
        said.timestamp = Some(found.next().ok_or_else(|| malformed(names, "must have a timestamp"))?);
        if found.next().is_some() {
            return Err(malformed(names, "must have one timestamp"));
        }
    }
    said.signatures.extend(labelled(signature, pairs));
    Ok(())
}

/// The signatures of known kinds among what stands in a header.
fn labelled<'a>(
    signature: &'a Signature,
    said: impl Iterator<Item = (&'a str, &'a str)>,
) -> impl Iterator<Item = (Cow<'a, str>, Vec<u8>)> {
    said.filter(|(label, _)| signature.kinds.iter().any(|kind| kind.label == *label))
        .filter_map(|(label, text)| Some((Cow::Borrowed(label), decode(signature.encoding, text)?)))
        .take(MAX_SIGNATURES)
}

fn malformed(names: &Names, what: &'static str) -> Refused {
    Refused::Malformed(names.signature.clone().into_owned(), what)
}

/// Digits alone, few enough for the number to fit: a text that can be read in one way.
fn is_number(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The bytes of a signature; `None` where it is not written so.
fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => hex::decode(text).ok(),
        Encoding::Base64 => BASE64_STANDARD.decode(text).ok(),
        Encoding::Base64Url => URL_SAFE.decode(text).ok(),
    }
    .filter(|bytes| !bytes.is_empty())
}
