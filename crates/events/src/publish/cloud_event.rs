//! An event of CloudEvents 1.0 as somebody has sent it, once it has been held against the rules.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{EventType, Published, Sender, TenantId, Violation};
use serde_json::{Map, Value};

use super::attributes::{self, ID, MEDIA_TYPE, Rule, SOURCE, SUBJECT, TIME, URI};

/// The largest event, in bytes of its JSON: what every intermediary forwards (CloudEvents 1.0.2, section 5.2).
pub const MAX_EVENT_BYTES: usize = 64 * 1024;
/// The attribute that says of the log's data that it is a text of Base64. No extension can have this name.
pub(super) const IS_BASE64: &str = "data_base64";
/// The extensions that this server sets itself. What is sent is not heeded.
const SET_HERE: [&str; 3] = ["sender", "tenant", "recordedtime"];

/// An event of CloudEvents 1.0 that keeps to its rules and to this server's.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudEvent {
    id: String,
    source: String,
    kind: EventType,
    subject: Option<String>,
    key: Option<String>,
    hops: u32,
    attributes: Map<String, Value>,
    data: Value,
}

/// What an event carries.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    /// Nothing.
    None,
    /// A value, or a text of a media type that is not JSON.
    Json(Value),
    /// Bytes, in Base64.
    Base64(String),
}

impl Data {
    /// These bytes.
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        Self::Base64(STANDARD.encode(bytes))
    }

    /// What a text of Base64 stands for.
    pub(super) fn base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok().map(|bytes| Self::bytes(&bytes))
    }
}

impl CloudEvent {
    /// The event of these attributes, all as the wire has them.
    ///
    /// # Errors
    /// All that is wrong, by the names of the attributes.
    pub(super) fn checked(attributes: Map<String, Value>, data: Data) -> Result<Self, Vec<Violation>> {
        let mut draft = Draft { attributes, wrong: Vec::new() };
        let version = draft.required("specversion", (|text| text == "1.0", "must be 1.0"));
        let (id, source) = (draft.required("id", ID), draft.required("source", SOURCE));
        if source.as_deref().is_some_and(attributes::is_own_source) {
            draft.refuse(
                "source",
                "must not begin with jackfield, which is this server's own: name your system",
            );
        }
        let kind = draft.kind();
        let subject = draft.optional("subject", SUBJECT);
        let key = draft.optional("partitionkey", ID);
        let hops = draft.hops();
        for (name, rule) in [("time", TIME), ("dataschema", URI), ("datacontenttype", MEDIA_TYPE)] {
            draft.check(name, rule);
        }
        for name in SET_HERE {
            draft.attributes.shift_remove(name);
        }
        draft.check_extensions();
        let Draft { mut attributes, wrong } = draft;
        let (Some(_), Some(id), Some(source), Some(kind), true) =
            (version, id, source, kind, wrong.is_empty())
        else {
            return Err(wrong);
        };
        let data = match data {
            Data::None => Value::Null,
            Data::Json(value) => value,
            Data::Base64(text) => {
                attributes.insert(IS_BASE64.into(), Value::Bool(true));
                Value::String(text)
            }
        };
        Ok(Self { id, source, kind, subject, key, hops, attributes, data })
    }

    /// Tells it from all others of its source.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it happened.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The event as `sender` publishes it in `tenant`.
    pub(super) fn published(self, tenant: TenantId, sender: Sender) -> Published {
        let Self { id, source, kind, subject, key, hops, attributes, data } = self;
        let attributes = Value::Object(attributes);
        Published { tenant, kind, source, id, subject, key, sender, hops, attributes, data }
    }
}

/// How many hops an event has that one of `hops` has led to; `None` where it would be too many.
pub fn after_hops(hops: u32) -> Option<u32> {
    hops.checked_add(1).filter(|hops| *hops <= Published::MAX_HOPS)
}

/// Attributes that are being looked at, and what is wrong with them.
struct Draft {
    attributes: Map<String, Value>,
    wrong: Vec<Violation>,
}

impl Draft {
    fn refuse(&mut self, name: &str, detail: &str) {
        let pointer = name.replace('~', "~0").replace('/', "~1");
        self.wrong.push(Violation::new(format!("/{pointer}"), detail));
    }

    /// Takes out a text that must be there.
    fn required(&mut self, name: &str, rule: Rule) -> Option<String> {
        if self.attributes.get(name).is_none_or(Value::is_null) {
            self.refuse(name, &format!("must be given: it {}", rule.1));
            return None;
        }
        self.optional(name, rule)
    }

    /// Takes out a text that may be there.
    fn optional(&mut self, name: &str, rule: Rule) -> Option<String> {
        match self.attributes.shift_remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if rule.0(&text) => Some(text),
            Some(_) => {
                self.refuse(name, rule.1);
                None
            }
        }
    }

    /// Looks at a text that may be there, and stays there.
    fn check(&mut self, name: &str, rule: Rule) {
        if let Some(text) = self.optional(name, rule) {
            self.attributes.insert(name.into(), Value::String(text));
        }
    }

    fn kind(&mut self) -> Option<EventType> {
        let text = self.required("type", (|_| true, "must be a text"))?;
        match text.parse() {
            Ok(kind) => Some(kind),
            Err(error) => {
                self.refuse("type", &error.to_string());
                None
            }
        }
    }

    /// One more than the event had that led to this one; none where none did.
    fn hops(&mut self) -> u32 {
        let told = match self.attributes.shift_remove("hops") {
            None | Some(Value::Null) => return 0,
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64().and_then(|hops| u32::try_from(hops).ok()),
        };
        let Some(told) = told else {
            self.refuse(
                "hops",
                "must be the hops of the event that has led to this one: a whole number from 0",
            );
            return 0;
        };
        after_hops(told).unwrap_or_else(|| {
            self.refuse(
                "hops",
                "must be less than 8: events that lead to one another as often go in a circle",
            );
            0
        })
    }

    fn check_extensions(&mut self) {
        let names: Vec<_> = self.attributes.keys().cloned().collect();
        for name in names {
            if !attributes::is_name(&name) {
                self.refuse(&name, "must be the name of an extension: 1 to 64 lower-case letters and digits");
                continue;
            }
            let is_allowed = match self.attributes.get(&name) {
                Some(Value::String(text)) => text.is_empty() || attributes::is_text(text, MAX_EVENT_BYTES),
                Some(Value::Number(number)) => {
                    number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
                }
                Some(Value::Bool(_)) => true,
                // As good as not there.
                Some(Value::Null) | None => {
                    self.attributes.shift_remove(&name);
                    true
                }
                Some(Value::Array(_) | Value::Object(_)) => false,
            };
            if !is_allowed {
                self.refuse(
                    &name,
                    "must be a text without control characters, a whole number of 32 bits, true or false",
                );
            }
        }
    }
}
