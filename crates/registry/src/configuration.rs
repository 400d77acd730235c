//! An installation's configuration: held against the plugin's JSON Schema, its secrets kept apart.

use std::collections::BTreeSet;

use jsonschema::{Draft, PatternOptions, Validator};
use model::Violation;
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Map, Value};

use crate::{Error, schema_bounds};

/// What stands for a secret in every answer. Sent back, it means "as it was".
pub const MASK: &str = "********";

/// The most bytes of JSON that a configuration may have.
const MAX_CONFIGURATION: usize = 64 * 1024;
/// The most bytes of JSON that a schema may have.
const MAX_SCHEMA: usize = 64 * 1024;
/// The most violations told at once.
const MAX_VIOLATIONS: usize = 50;
/// Bounds what a schema's patterns may grow to in memory, in bytes.
const MAX_PATTERN: usize = 1024 * 1024;

/// The key beside `properties` that names the secret ones.
const SENSITIVE_FIELDS: &str = "sensitiveFields";

/// Checks that `schema` is a JSON Schema, and one that this server can use.
pub(crate) fn check_schema(schema: &Value) -> Vec<Violation> {
    let at = |pointer: &str| format!("/configSchema{pointer}");
    if !schema.is_object() {
        return vec![Violation::new(at(""), "must be a JSON Schema object")];
    }
    if schema.to_string().len() > MAX_SCHEMA {
        return vec![Violation::new(at(""), format!("must have at most {MAX_SCHEMA} bytes of JSON"))];
    }
    let fields = schema.get(SENSITIVE_FIELDS);
    if fields.is_some_and(|fields| !fields.as_array().is_some_and(|names| names.iter().all(Value::is_string)))
    {
        return vec![Violation::new(at("/sensitiveFields"), "must be an array of property names")];
    }
    let unknown: Vec<Violation> = sensitive_fields(schema)
        .iter()
        .filter(|name| schema.pointer("/properties").is_some_and(|known| known.get(name.as_str()).is_none()))
        .map(|name| Violation::new(at("/sensitiveFields"), format!("{name} is not one of the properties")))
        .collect();
    if !unknown.is_empty() {
        return unknown;
    }
    if let Err(error) = compile(schema) {
        return vec![Violation::new(at(error.instance_path().as_str()), error.to_string())];
    }
    let out_of_bounds = schema_bounds::check(schema).into_iter();
    let found = out_of_bounds.chain(hidden_secrets(schema));
    found.map(|found| Violation::new(at(&found.pointer), found.detail)).collect()
}

/// Draft 2020-12 unless the schema says otherwise. References lead nowhere outside the schema, and patterns run in
/// time linear to the text (no look-around).
fn compile(schema: &Value) -> Result<Validator, jsonschema::ValidationError<'static>> {
    jsonschema::options()
        .with_draft(draft(schema))
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN))
        .should_validate_formats(true)
        .build(schema)
}

fn draft(schema: &Value) -> Draft {
    let named = schema.get("$schema").and_then(Value::as_str).unwrap_or_default();
    if named.contains("draft-07") {
        Draft::Draft7
    } else if named.contains("draft-06") {
        Draft::Draft6
    } else if named.contains("draft-04") {
        Draft::Draft4
    } else if named.contains("2019-09") {
        Draft::Draft201909
    } else {
        Draft::Draft202012
    }
}

/// The properties that are secrets: those in `sensitiveFields`, and those marked `writeOnly` (JSON Schema validation,
/// section 9.4).
pub(crate) fn sensitive_fields(schema: &Value) -> BTreeSet<String> {
    let listed = schema.get(SENSITIVE_FIELDS).and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter_map(Value::as_str).map(str::to_owned);
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let marked = properties.filter(|(_, property)| property.get("writeOnly") == Some(&Value::Bool(true)));
    listed.chain(marked.map(|(name, _)| name.clone())).collect()
}

/// `writeOnly` where it makes nothing secret. Who writes it means a secret, which would be told to everybody.
fn hidden_secrets(schema: &Value) -> Vec<Violation> {
    fn search(value: &Value, pointer: &str, found: &mut Vec<Violation>) {
        let Value::Object(object) = value else {
            for (index, each) in value.as_array().into_iter().flatten().enumerate() {
                search(each, &format!("{pointer}/{index}"), found);
            }
            return;
        };
        for (key, each) in object {
            let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            let is_heeded =
                matches!(pointer.split('/').collect::<Vec<_>>()[..], ["", "properties", _, "writeOnly"]);
            if key == "writeOnly" && *each == Value::Bool(true) && !is_heeded && found.len() < MAX_VIOLATIONS
            {
                let detail =
                    "only a property of the configuration itself can be secret: mark that one as a whole";
                found.push(Violation::new(&pointer, detail));
            }
            search(each, &pointer, found);
        }
    }
    let mut found = Vec::new();
    search(schema, "", &mut found);
    found
}

/// A configuration in two halves: what may be shown, and what is sealed.
#[derive(Debug, Default)]
pub(crate) struct Split {
    /// Everything but the secrets.
    pub(crate) open: Map<String, Value>,
    /// The secrets as one JSON object, to be sealed; `None` where there are none.
    pub(crate) secret: Option<SecretSlice<u8>>,
    /// Names of the secrets that are set.
    pub(crate) secret_names: BTreeSet<String>,
}

/// Holds `wanted` against `schema` and splits it. Where a secret's value is the [`MASK`], its former value stays, from
/// the `former` halves: what is shown and what was sealed. What was sealed once stays so until it is given anew, though
/// a later version of the schema may not call it a secret.
///
/// # Errors
/// [`Error::Configuration`] with every violation; their texts never repeat a secret.
pub(crate) fn accept(
    schema: Option<&Value>,
    wanted: Map<String, Value>,
    (former_open, former): (&Map<String, Value>, Option<&SecretSlice<u8>>),
) -> Result<Split, Error> {
    let empty = Value::Object(Map::new());
    let schema = schema.unwrap_or(&empty);
    let mut sensitive = sensitive_fields(schema);
    let former: Map<String, Value> = match former {
        Some(former) => serde_json::from_slice(former.expose_secret()).map_err(Error::Corrupt)?,
        None => Map::new(),
    };
    let is_mask = |value: &Value| value.as_str() == Some(MASK);
    sensitive.extend(former.keys().filter(|name| wanted.get(*name).is_some_and(is_mask)).cloned());
    let merged: Map<String, Value> = wanted
        .into_iter()
        .filter_map(|(name, value)| {
            if sensitive.contains(&name) && is_mask(&value) {
                former.get(&name).or_else(|| former_open.get(&name)).map(|kept| (name, kept.clone()))
            } else {
                Some((name, value))
            }
        })
        .collect();
    validate(schema, &merged, &sensitive)?;
    let (secret, open): (Map<_, _>, Map<_, _>) =
        merged.into_iter().partition(|(name, _)| sensitive.contains(name));
    let secret_names = secret.keys().cloned().collect();
    let secret = if secret.is_empty() {
        None
    } else {
        Some(SecretSlice::from(serde_json::to_vec(&secret).map_err(Error::Corrupt)?))
    };
    Ok(Split { open, secret, secret_names })
}

fn validate(schema: &Value, wanted: &Map<String, Value>, sensitive: &BTreeSet<String>) -> Result<(), Error> {
    let instance = Value::Object(wanted.clone());
    if instance.to_string().len() > MAX_CONFIGURATION {
        let detail = format!("must have at most {MAX_CONFIGURATION} bytes of JSON");
        return Err(Error::Configuration(vec![Violation::new("", detail)]));
    }
    let validator = compile(schema).map_err(|_| {
        Error::Configuration(vec![Violation::new("", "the plugin's configSchema cannot be used")])
    })?;
    let violations: Vec<Violation> = validator
        .iter_errors(&instance)
        .take(MAX_VIOLATIONS)
        .map(|error| {
            let pointer = error.instance_path().as_str().to_owned();
            // Masked wherever a secret may be part of the value: a violation at the root shows the whole object.
            let may_show =
                pointer.split('/').nth(1).map_or(sensitive.is_empty(), |name| !sensitive.contains(name));
            let detail = if may_show { error.to_string() } else { error.masked().to_string() };
            Violation::new(pointer, detail)
        })
        .collect();
    if violations.is_empty() { Ok(()) } else { Err(Error::Configuration(violations)) }
}

/// The configuration as an admin sees it: secrets that are set show as [`MASK`].
pub(crate) fn masked(open: &Map<String, Value>, secret_names: &BTreeSet<String>) -> Map<String, Value> {
    let mut shown = open.clone();
    for name in secret_names {
        shown.insert(name.clone(), Value::from(MASK));
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
                "secretKey": {"type": "string", "minLength": 8},
                "webhookSecret": {"type": "string", "writeOnly": true},
            },
            "required": ["currency"],
            "additionalProperties": false,
            "sensitiveFields": ["secretKey"],
        })
    }

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("no object: {value}") };
        object
    }

    #[test]
    fn secrets_are_kept_apart() {
        let wanted = object(json!({"currency": "EUR", "secretKey": "sk_live_1", "webhookSecret": "w"}));
        let split = accept(Some(&schema()), wanted, (&Map::new(), None)).unwrap();
        assert_eq!(split.open, object(json!({"currency": "EUR"})));
        let secret: Value = serde_json::from_slice(split.secret.unwrap().expose_secret()).unwrap();
        assert_eq!(secret, json!({"secretKey": "sk_live_1", "webhookSecret": "w"}));
    }

    #[test]
    fn a_mask_that_comes_back_keeps_the_secret() {
        let former = SecretSlice::from(json!({"secretKey": "sk_live_1"}).to_string().into_bytes());
        let wanted = object(json!({"currency": "USD", "secretKey": MASK, "webhookSecret": MASK}));
        let split = accept(Some(&schema()), wanted, (&Map::new(), Some(&former))).unwrap();
        let secret: Value = serde_json::from_slice(split.secret.unwrap().expose_secret()).unwrap();
        assert_eq!(secret, json!({"secretKey": "sk_live_1"}), "a mask of what was never set sets nothing");
    }

    #[test]
    fn a_secret_stays_one_when_the_schema_changes() {
        let former = SecretSlice::from(json!({"pin": "1234"}).to_string().into_bytes());
        let open = object(json!({"secretKey": "sk_live_1"}));
        let wanted = object(json!({"currency": "EUR", "pin": MASK, "secretKey": MASK}));
        let mut later = schema();
        later["properties"]["pin"] = json!({"type": "string"});
        let split = accept(Some(&later), wanted, (&open, Some(&former))).unwrap();
        assert_eq!(split.open, object(json!({"currency": "EUR"})), "nothing becomes public by itself");
        let secret: Value = serde_json::from_slice(split.secret.unwrap().expose_secret()).unwrap();
        assert_eq!(secret, json!({"pin": "1234", "secretKey": "sk_live_1"}));
    }

    #[test]
    fn violations_are_all_told_and_never_tell_a_secret() {
        let wanted = object(json!({"currency": "euro", "secretKey": "short", "webhookSecret": 5, "more": 1}));
        let Err(Error::Configuration(violations)) = accept(Some(&schema()), wanted, (&Map::new(), None))
        else {
            panic!()
        };
        let text = format!("{violations:?}");
        assert!(violations.len() >= 4, "{text}");
        assert!(!text.contains("\"short\\\"") && !text.contains("short is"), "{text}");
        assert!(violations.iter().any(|violation| violation.pointer == "/currency"), "{text}");
    }

    #[test]
    fn a_wrong_schema_is_located() {
        let violations = check_schema(&json!({"type": "object", "properties": {"a": {"type": "strin"}}}));
        assert_eq!(violations[0].pointer, "/configSchema/properties/a/type");
        assert!(!check_schema(&json!({"$ref": "https://example.com/schema.json"})).is_empty());
        assert!(!check_schema(&json!({"$ref": "file:///etc/passwd"})).is_empty());
        assert!(!check_schema(&json!([])).is_empty());
        assert!(!check_schema(&json!({"properties": {"a": {}}, "sensitiveFields": ["b"]})).is_empty());
        assert!(check_schema(&schema()).is_empty());
    }

    #[test]
    fn a_secret_that_would_be_told_is_refused() {
        for schema in [
            json!({"properties": {"stripe": {"type": "object", "properties": {"key": {"writeOnly": true}}}}}),
            json!({"properties": {"key": {"$ref": "#/$defs/key"}}, "$defs": {"key": {"writeOnly": true}}}),
            json!({"allOf": [{"properties": {"key": {"writeOnly": true}}}]}),
        ] {
            assert_eq!(check_schema(&schema).len(), 1, "{schema}");
        }
        assert_eq!(check_schema(&json!({"properties": {"key": {"type": "string", "writeOnly": true}}})), []);
    }

    #[test]
    fn patterns_that_backtrack_are_linear_or_refused() {
        let schema = json!({"properties": {"a": {"pattern": "^(a+)+$"}}});
        let wanted = object(json!({"a": format!("{}!", "a".repeat(5000))}));
        assert!(matches!(accept(Some(&schema), wanted, (&Map::new(), None)), Err(Error::Configuration(_))));
    }
}
