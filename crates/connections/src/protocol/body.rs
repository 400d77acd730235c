//! Reading the body of an answer, whatever its content type says.

use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroize;

/// JSON that may hold tokens: wiped when it goes, and never shown.
pub(super) struct SecretJson(Value);

impl SecretJson {
    /// The object or list in `body`: JSON, or a form as some providers answer (then an object of strings).
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        match serde_json::from_slice::<Value>(body) {
            Ok(json) => {
                let json = Self(json);
                (json.0.is_object() || json.0.is_array()).then_some(json)
            }
            Err(_) => form(body).map(Self),
        }
    }

    /// No answer.
    pub(super) fn empty() -> Self {
        Self(Value::Null)
    }

    /// What stands at a JSON Pointer (RFC 6901), unless it is null.
    pub(super) fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer).filter(|value| !value.is_null())
    }

    /// The whole.
    pub(super) fn value(&self) -> &Value {
        &self.0
    }
}

impl From<Value> for SecretJson {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl Drop for SecretJson {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// The depth is bounded by serde_json, which refuses more than 128 levels.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A form of what may stand in one unescaped: anything else (HTML, prose, cut JSON) is not taken for one.
fn form(body: &[u8]) -> Option<Value> {
    let body = body.trim_ascii();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"*-._+%=&~:/,".contains(byte);
    if !body.contains(&b'=') || !body.iter().all(plain) {
        return None;
    }
    let members = form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into()));
    Some(Value::Object(members.collect::<Map<_, _>>()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(body: &str) -> Option<Value> {
        SecretJson::parse(body.as_bytes()).map(|json| json.value().clone())
    }

    #[test]
    fn json_and_forms_are_read_and_nothing_else() {
        assert_eq!(parsed(r#"{"a":1}"#), Some(json!({"a": 1})));
        assert_eq!(parsed(" [1]\n"), Some(json!([1])));
        assert_eq!(parsed("\u{feff}{}"), Some(json!({})));
        assert_eq!(
            parsed("access_token=gho_1&scope=repo%2Cgist&token_type=bearer\n"),
            Some(json!({"access_token": "gho_1", "scope": "repo,gist", "token_type": "bearer"})),
        );
        for other in [
            "",
            " ",
            "null",
            "true",
            "7",
            "\"access_token=1\"",
            "{\"access_token\":\"1",
            "{}{}",
            "<html><a href=\"?a=b\">",
            "Sorry, a = b",
            "nothing",
        ] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert_eq!(parsed(&"[".repeat(100_000)), None);
        assert_eq!(parsed(&format!("{}{}", "[".repeat(1000), "]".repeat(1000))), None);
    }

    #[test]
    fn wiping_leaves_no_text() {
        let mut value = json!({"a": "secret", "b": [{"c": "secret"}], "d": 1});
        wipe(&mut value);
        assert_eq!(value, json!({"a": "", "b": [{"c": ""}], "d": 1}));
    }
}
