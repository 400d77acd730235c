//! What a plugin's manifest says of webhooks: `webhook`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderName;
use model::Violation;
use serde_json::{Map, Value};

use super::scheme::{
    Algorithm, At, Encoding, Form, KeyForm, Kind, List, Names, Piece, Proof, Scheme, Signature, Text, Unit,
    builtin,
};

/// The handler that is called where the manifest names none.
pub const HANDLER: &str = "webhook";

/// The longest text of the manifest's `webhook`, in bytes.
const MAX_TEXT: usize = 256;

/// The longest tolerance of a timestamp, in seconds: a day.
const MAX_TOLERANCE: u64 = 86_400;

/// The fields of `webhook`, and those of `webhook.generic`.
const FIELDS: [&str; 6] = ["scheme", "secret", "mode", "handler", "audience", "generic"];
const GENERIC_FIELDS: [&str; 10] =
    ["header", "template", "algorithm", "encoding", "prefix", "pairs", "key", "timestamp", "tolerance", "id"];

/// Where the pairs of a signature's header are described.
const PAIRS: &str = "/generic/pairs";

/// How a webhook is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The sender is told that it is kept; the handler is called after that.
    Queue,
    /// The sender gets the handler's answer, if it comes in time.
    Reply,
}

/// A plugin's `webhook`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// How senders prove themselves.
    pub scheme: Scheme,
    /// The field of the plugin's configuration that holds the secret; `None` where the scheme has none.
    pub secret: Option<String>,
    /// How webhooks are answered.
    pub mode: Mode,
    /// The handler that takes them.
    pub handler: String,
    /// Whom bearer tokens must be made for besides the addresses themselves.
    pub audience: Option<String>,
}

/// The violations of one document, gathered.
#[derive(Default)]
struct Reader {
    violations: Vec<Violation>,
}

impl Manifest {
    /// Reads the value of a manifest's `webhook`.
    ///
    /// # Errors
    /// All that is wrong with it, by JSON Pointers into `webhook`.
    pub fn from_json(webhook: &Value) -> Result<Self, Vec<Violation>> {
        let mut reader = Reader::default();
        let manifest = reader.manifest(webhook);
        match manifest {
            Some(manifest) if reader.violations.is_empty() => Ok(manifest),
            _ => Err(reader.violations),
        }
    }
}

impl Reader {
    fn wrong(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.violations.push(Violation::new(pointer, detail));
    }

    /// The object at `pointer`, of which no other keys than `known` are expected.
    fn object<'a>(
        &mut self,
        value: &'a Value,
        pointer: &str,
        known: &[&str],
    ) -> Option<&'a Map<String, Value>> {
        let Some(object) = value.as_object() else {
            self.wrong(pointer, "must be an object");
            return None;
        };
        for key in object.keys().filter(|key| !known.contains(&key.as_str())).take(10) {
            let key = key.replace('~', "~0").replace('/', "~1");
            self.wrong(format!("{pointer}/{key}"), format!("is not known; known are {}", known.join(", ")));
        }
        Some(object)
    }

    /// A text, if there is one; one that is empty or too long is none.
    fn text<'a>(&mut self, object: &'a Map<String, Value>, pointer: &str, name: &str) -> Option<&'a str> {
        let value = object.get(name)?;
        let text = value.as_str().filter(|text| (1..=MAX_TEXT).contains(&text.len()));
        if text.is_none() {
            self.wrong(format!("{pointer}/{name}"), format!("must be a text of 1 to {MAX_TEXT} bytes"));
        }
        text
    }

    fn manifest(&mut self, webhook: &Value) -> Option<Manifest> {
        let object = self.object(webhook, "", &FIELDS)?;
        let secret = self.text(object, "", "secret").map(str::to_owned);
        let handler = self.text(object, "", "handler").unwrap_or(HANDLER).to_owned();
        let audience = self.text(object, "", "audience").map(str::to_owned);
        let mode = match object.get("mode").map(Value::as_str) {
            None | Some(Some("queue")) => Mode::Queue,
            Some(Some("reply")) => Mode::Reply,
            Some(_) => {
                self.wrong("/mode", "must be queue or reply");
                Mode::Queue
            }
        };
        let scheme = self.scheme(object)?;
        match (&secret, scheme.needs_secret()) {
            (None, true) if !object.contains_key("secret") => self.wrong(
                "/secret",
                "must name the sensitive field of the configuration that holds the secret (the sender's e-mail address with the scheme google)",
            ),
            (Some(_), false) => self.wrong("/secret", "means nothing with the scheme none: leave it out"),
            _ => {}
        }
        if audience.is_some() && !matches!(scheme.proof, Proof::Bearer(_)) {
            self.wrong("/audience", "means something with the scheme google alone: leave it out");
        }
        Some(Manifest { scheme, secret, mode, handler, audience })
    }

    fn scheme(&mut self, object: &Map<String, Value>) -> Option<Scheme> {
        let name = object.get("scheme").and_then(Value::as_str).unwrap_or_default();
        if name == "generic" {
            let Some(generic) = object.get("generic") else {
                self.wrong("/generic", "must say how senders sign");
                return None;
            };
            return self.generic(generic);
        }
        if object.contains_key("generic") {
            self.wrong("/generic", "means something with the scheme generic alone: leave it out");
        }
        let found = builtin::find(name).cloned();
        if found.is_none() {
            let known: Vec<_> = builtin::BUILTIN.iter().map(|scheme| scheme.name.as_ref()).collect();
            self.wrong("/scheme", format!("must be one of {}, generic", known.join(", ")));
        }
        found
    }

    /// The scheme that a manifest describes.
    fn generic(&mut self, value: &Value) -> Option<Scheme> {
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

/// What a scheme may be, for documentation: the built-in names and `generic`.
pub fn scheme_names() -> BTreeSet<&'static str> {
    builtin::BUILTIN.iter().map(|scheme| scheme.name.as_ref()).chain(["generic"]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(webhook: &Value) -> Vec<String> {
        let violations = Manifest::from_json(webhook).expect_err("it is wrong");
        violations.into_iter().map(|violation| violation.pointer).collect()
    }

    #[test]
    fn a_builtin_scheme_needs_a_secret_and_no_more() {
        let manifest = Manifest::from_json(&json!({"scheme": "stripe", "secret": "webhookSecret"})).unwrap();
        assert_eq!(manifest.secret.as_deref(), Some("webhookSecret"));
        assert_eq!((manifest.mode, manifest.handler.as_str()), (Mode::Queue, "webhook"));
        let none =
            Manifest::from_json(&json!({"scheme": "none", "mode": "reply", "handler": "take"})).unwrap();
        assert_eq!((none.mode, none.handler.as_str()), (Mode::Reply, "take"));
        assert!(!none.scheme.is_proven());
    }

    #[test]
    fn a_generic_scheme_says_what_stripe_says() {
        let generic = json!({"scheme": "generic", "secret": "s", "generic": {
            "header": "Stripe-Signature", "pairs": {"signature": "v1", "timestamp": "t"},
            "template": "{timestamp}.{body}", "id": "/id", "tolerance": 300,
        }});
        let generic = Manifest::from_json(&generic).unwrap().scheme;
        let stripe = builtin::find("stripe").unwrap();
        assert_eq!((&generic.proof, &generic.id), (&stripe.proof, &stripe.id));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        assert_eq!(pointers(&json!("stripe")), [""]);
        assert_eq!(pointers(&json!({})), ["/scheme"]);
        assert_eq!(pointers(&json!({"scheme": "Stripe", "secret": "s"})), ["/scheme"]);
        assert_eq!(pointers(&json!({"scheme": "stripe"})), ["/secret"]);
        assert_eq!(pointers(&json!({"scheme": "stripe", "secret": 1})), ["/secret"]);
        assert_eq!(pointers(&json!({"scheme": "none", "secret": "s"})), ["/secret"]);
        assert_eq!(
            pointers(&json!({"scheme": "slack", "secret": "s", "mode": "both", "x": 1})),
            ["/x", "/mode"]
        );
        assert_eq!(pointers(&json!({"scheme": "slack", "secret": "s", "audience": "a"})), ["/audience"]);
        assert_eq!(pointers(&json!({"scheme": "slack", "secret": "s", "generic": {}})), ["/generic"]);
        assert_eq!(pointers(&json!({"scheme": "generic", "secret": "s"})), ["/generic"]);
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
