//! `webhook.generic`: a scheme that a manifest describes.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderName;
use serde_json::{Map, Value};

use super::Reader;
use crate::webhook::scheme::{
    Algorithm, At, Encoding, Form, KeyForm, Kind, List, Names, Piece, Proof, Scheme, Signature, Text, Unit,
    builtin,
};

/// The longest tolerance of a timestamp, in seconds: a day.
const MAX_TOLERANCE: u64 = 86_400;

/// Its fields.
const GENERIC_FIELDS: [&str; 10] =
    ["header", "template", "algorithm", "encoding", "prefix", "pairs", "key", "timestamp", "tolerance", "id"];

/// Where the pairs of a signature's header are described.
const PAIRS: &str = "/generic/pairs";

impl Reader {
    /// The scheme that a manifest describes.
    pub(super) fn generic(&mut self, value: &Value) -> Option<Scheme> {
        const AT: &str = "/generic";
        let object = self.object(value, AT, &GENERIC_FIELDS)?;
        let header = self.header(object, "header");
        if !object.contains_key("header") {
            self.wrong("/generic/header", "must name the header of the signature");
        }
        let id = self.id(object);
        let name = Cow::Borrowed("generic");
        if object.get("algorithm").and_then(Value::as_str) == Some("token") {
            for field in ["template", "encoding", "prefix", "pairs", "key", "timestamp", "tolerance"] {
                if object.contains_key(field) {
                    self.wrong(
                        format!("{AT}/{field}"),
                        "means nothing with the algorithm token: leave it out",
                    );
                }
            }
            return Some(Scheme { name, proof: Proof::Token { header: header? }, id, challenge: None });
        }
        let algorithm = self.word(object, "algorithm", "hmac-sha256", &ALGORITHMS);
        let encoding = self.word(object, "encoding", "hex", &ENCODINGS);
        let (form, label) = self.form(object);
        let (timestamp, unit) = self.timestamp(object);
        let message = self.template(object);
        let tolerance = self.tolerance(object, &message);
        let signed_id = match id.as_ref() {
            [At::Header(name)] if message.contains(&Piece::Id) => Some(name.clone()),
            _ if message.contains(&Piece::Id) => {
                self.wrong("/generic/id", "must be a header, because the template has {id}");
                None
            }
            _ => None,
        };
        let has_timestamp = timestamp.is_some() || matches!(form, Form::Pairs { timestamp: Some(_), .. });
        if has_timestamp != message.contains(&Piece::Timestamp) {
            self.wrong(
                "/generic/template",
                "must have {timestamp} exactly where a timestamp is named: one that is not signed guards nothing",
            );
        }
        if timestamp.is_some() && matches!(form, Form::Pairs { timestamp: Some(_), .. }) {
            self.wrong("/generic/timestamp", "must be a header or a pair, not both");
        }
        let kind = Kind { label, algorithm: algorithm?, key: self.key(object, algorithm?) };
        let names = Names { signature: header?, timestamp, id: signed_id };
        let proof = Proof::Signature(Signature {
            names: vec![names].into(),
            form,
            kinds: vec![kind].into(),
            encoding: encoding?,
            message,
            tolerance,
            unit,
        });
        Some(Scheme { name, proof, id, challenge: None })
    }

    /// The name of a header, in lower case.
    fn header(&mut self, object: &Map<String, Value>, name: &str) -> Option<Text> {
        let text = self.text(object, "/generic", name)?;
        self.header_name(&format!("/generic/{name}"), text)
    }

    fn header_name(&mut self, pointer: &str, text: &str) -> Option<Text> {
        let name = text.parse::<HeaderName>().ok();
        if name.is_none() {
            self.wrong(pointer, "must be the name of a header");
        }
        name.map(|name| Cow::Owned(name.as_str().to_owned()))
    }

    /// What a word out of a list stands for.
    fn word<T: Copy>(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        default: &str,
        known: &[(&str, T)],
    ) -> Option<T> {
        let word = object.get(name).map_or(Some(default), Value::as_str);
        let found = known.iter().find(|(known, _)| word == Some(known)).map(|(_, meant)| *meant);
        if found.is_none() {
            let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
            self.wrong(format!("/generic/{name}"), format!("must be one of {}", words.join(", ")));
        }
        found
    }

    fn form(&mut self, object: &Map<String, Value>) -> (Form, Text) {
        let prefix = match object.get("prefix") {
            Some(Value::String(text)) if text.is_empty() => String::new(),
            _ => self.text(object, "/generic", "prefix").unwrap_or_default().to_owned(),
        };
        let whole = Form::Whole { prefix: prefix.clone().into() };
        let Some(pairs) = object.get("pairs") else { return (whole, Cow::Borrowed("")) };
        if !prefix.is_empty() {
            self.wrong("/generic/prefix", "means nothing beside pairs: leave it out");
        }
        let Some(pairs) = self.object(pairs, PAIRS, &["signature", "timestamp", "separator"]) else {
            return (whole, Cow::Borrowed(""));
        };
        let label = self.text(pairs, PAIRS, "signature").unwrap_or_default().to_owned();
        if !pairs.contains_key("signature") {
            self.wrong("/generic/pairs/signature", "must be the name of the signature's pair, such as v1");
        }
        let timestamp = self.text(pairs, PAIRS, "timestamp").map(|text| Cow::Owned(text.to_owned()));
        let separator = self.text(pairs, PAIRS, "separator").unwrap_or(",");
        let mut characters = separator.chars();
        let separator = match (characters.next(), characters.next()) {
            (Some(character), None) if character != '=' => character,
            _ => {
                self.wrong("/generic/pairs/separator", "must be one character, and not =");
                ','
            }
        };
        (Form::Pairs { separator, timestamp }, Cow::Owned(label))
    }

    /// The header of the timestamp and what it counts: a name, or an object of both.
    fn timestamp(&mut self, object: &Map<String, Value>) -> (Option<Text>, Unit) {
        const AT: &str = "/generic/timestamp";
        match object.get("timestamp") {
            Some(Value::Object(timestamp)) => {
                let unit = match timestamp.get("unit").map(Value::as_str) {
                    None | Some(Some("s")) => Unit::Seconds,
                    Some(Some("ms")) => Unit::Milliseconds,
                    Some(_) => {
                        self.wrong("/generic/timestamp/unit", "must be s or ms");
                        Unit::Seconds
                    }
                };
                for key in timestamp.keys().filter(|key| !["header", "unit"].contains(&key.as_str())).take(1)
                {
                    self.wrong(AT, format!("may have header and unit, not {key}"));
                }
                let name = self.text(timestamp, AT, "header");
                (name.and_then(|name| self.header_name("/generic/timestamp/header", name)), unit)
            }
            _ => (self.header(object, "timestamp"), Unit::Seconds),
        }
    }

    /// What is signed: a text in which `{timestamp}`, `{id}` and `{body}` stand for what the webhook has.
    fn template(&mut self, object: &Map<String, Value>) -> List<Piece> {
        let text = self.text(object, "/generic", "template").unwrap_or("{body}");
        let pieces = pieces(text);
        let count = |wanted: &Piece| pieces.iter().filter(|piece| *piece == wanted).count();
        let is_right = count(&Piece::Body) == 1 && count(&Piece::Timestamp) <= 1 && count(&Piece::Id) <= 1;
        if !is_right {
            self.wrong(
                "/generic/template",
                "must have {body} once, and {timestamp} and {id} at most once; everything else is taken as it stands",
            );
        }
        pieces.into()
    }

    fn tolerance(&mut self, object: &Map<String, Value>, message: &[Piece]) -> Duration {
        let Some(value) = object.get("tolerance") else { return builtin::TOLERANCE };
        if !message.contains(&Piece::Timestamp) {
            self.wrong(
                "/generic/tolerance",
                "means nothing without {timestamp} in the template: leave it out",
            );
        }
        let seconds = value.as_u64().filter(|seconds| (1..=MAX_TOLERANCE).contains(seconds));
        if seconds.is_none() {
            self.wrong(
                "/generic/tolerance",
                format!("must be a number of seconds from 1 to {MAX_TOLERANCE}"),
            );
        }
        seconds.map_or(builtin::TOLERANCE, Duration::from_secs)
    }

    fn key(&mut self, object: &Map<String, Value>, algorithm: Algorithm) -> KeyForm {
        let default = if algorithm == Algorithm::Ed25519 { "base64" } else { "text" };
        let base64 = || KeyForm::Base64 { prefix: Cow::Borrowed(""), optional: true };
        match object.get("key").map_or(Some(default), Value::as_str) {
            Some("text") if algorithm != Algorithm::Ed25519 => KeyForm::Text,
            Some("hex") => KeyForm::Hex,
            Some("base64") => base64(),
            _ => {
                self.wrong("/generic/key", "must be text, base64 or hex; a public key of ed25519 is no text");
                base64()
            }
        }
    }

    /// Where the sender's id is: `/a/pointer` into the body, or the name of a header.
    fn id(&mut self, object: &Map<String, Value>) -> List<At> {
        let Some(text) = self.text(object, "/generic", "id") else { return Cow::Borrowed(&[]) };
        let at = if text.starts_with('/') {
            Some(At::Body(Cow::Owned(text.to_owned())))
        } else {
            self.header_name("/generic/id", text).map(At::Header)
        };
        at.into_iter().collect::<Vec<_>>().into()
    }
}

const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("hmac-sha256", Algorithm::HmacSha256),
    ("hmac-sha512", Algorithm::HmacSha512),
    ("hmac-sha1", Algorithm::HmacSha1),
    ("ed25519", Algorithm::Ed25519),
];

const ENCODINGS: [(&str, Encoding); 3] =
    [("hex", Encoding::Hex), ("base64", Encoding::Base64), ("base64url", Encoding::Base64Url)];

/// The pieces of a template.
fn pieces(template: &str) -> Vec<Piece> {
    let words = [("{timestamp}", Piece::Timestamp), ("{id}", Piece::Id), ("{body}", Piece::Body)];
    let mut pieces = Vec::new();
    let mut rest = template;
    loop {
        let found = words.iter().filter_map(|(word, piece)| Some((rest.find(word)?, word, piece)));
        let Some((at, word, piece)) = found.min_by_key(|(at, ..)| *at) else { break };
        let (before, after) = rest.split_at(at);
        if !before.is_empty() {
            pieces.push(Piece::Literal(before.to_owned().into()));
        }
        pieces.push(piece.clone());
        rest = after.strip_prefix(*word).unwrap_or_default();
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned().into()));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::webhook::Manifest;

    /// Where something is wrong.
    fn pointers(webhook: &Value) -> Vec<String> {
        let wrong = Manifest::from_json(webhook).unwrap_err();
        wrong.into_iter().map(|violation| violation.pointer).collect()
    }

    #[test]
    fn what_is_wrong_with_a_generic_scheme_is_told_by_its_place() {
        for (generic, pointer) in [
            (json!({}), "/generic/header"),
            (json!({"header": "no header"}), "/generic/header"),
            (json!({"header": "x", "template": "{timestamp}.{body}"}), "/generic/template"),
            (json!({"header": "x", "template": "{body}", "timestamp": "x-t"}), "/generic/template"),
            (json!({"header": "x", "template": "{body}{body}"}), "/generic/template"),
            (json!({"header": "x", "template": "{id}.{body}"}), "/generic/id"),
            (json!({"header": "x", "template": "{id}.{body}", "id": "/id"}), "/generic/id"),
            (json!({"header": "x", "algorithm": "md5"}), "/generic/algorithm"),
            (json!({"header": "x", "encoding": "rot13"}), "/generic/encoding"),
            (json!({"header": "x", "tolerance": 300}), "/generic/tolerance"),
            (
                json!({"header": "x", "template": "{timestamp}{body}", "timestamp": "t", "tolerance": 0}),
                "/generic/tolerance",
            ),
            (
                json!({"header": "x", "timestamp": {"header": "t", "unit": "h"}, "template": "{timestamp}{body}"}),
                "/generic/timestamp/unit",
            ),
            (json!({"header": "x", "algorithm": "ed25519", "key": "text"}), "/generic/key"),
            (json!({"header": "x", "pairs": {}}), "/generic/pairs/signature"),
            (
                json!({"header": "x", "pairs": {"signature": "v1", "separator": "="}}),
                "/generic/pairs/separator",
            ),
            (json!({"header": "x", "algorithm": "token", "template": "{body}"}), "/generic/template"),
            (json!({"header": "x", "secret": "y"}), "/generic/secret"),
        ] {
            let webhook = json!({"scheme": "generic", "secret": "s", "generic": generic});
            assert_eq!(pointers(&webhook), [pointer], "{generic}");
        }
    }

    #[test]
    fn a_template_is_taken_apart_at_its_words() {
        let literal = |text: &'static str| Piece::Literal(text.into());
        assert_eq!(
            pieces("v0:{timestamp}:{body}"),
            [literal("v0:"), Piece::Timestamp, literal(":"), Piece::Body]
        );
        assert_eq!(pieces("{body}"), [Piece::Body]);
        assert_eq!(pieces("{nobody}{id}"), [literal("{nobody}"), Piece::Id]);
        assert_eq!(pieces(""), []);
    }
}
