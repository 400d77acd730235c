//! What a plugin's manifest says of webhooks: `webhook`.

mod generic;

use std::collections::BTreeSet;

use model::Violation;
use serde_json::{Map, Value};

use super::scheme::{Proof, Scheme, builtin};

/// The handler that is called where the manifest names none.
pub const HANDLER: &str = "webhook";

/// The longest text of the manifest's `webhook`, in bytes.
const MAX_TEXT: usize = 256;

/// The fields of `webhook`.
const FIELDS: [&str; 6] = ["scheme", "secret", "mode", "handler", "audience", "generic"];

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
}
