//! What callers write into the bodies of requests, read field by field; all that is wrong is told at once.

use model::Violation;
use serde_json::{Map, Value};

use crate::Error;

/// The fields of a body that are being read.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    given: &'a Map<String, Value>,
    violations: Vec<Violation>,
}

impl<'a> Fields<'a> {
    /// The fields of `given`, of which each must be one of `known`.
    pub(crate) fn new(given: &'a Map<String, Value>, known: &[&str]) -> Self {
        let unknown = given.keys().filter(|name| !known.contains(&name.as_str()));
        let violations = unknown.map(|name| {
            let nearest = nearest(name, known);
            Violation::new(pointer(name), format!("there is no such field here; did you mean {nearest}?"))
        });
        Self { given, violations: violations.collect() }
    }

    /// Notes what is wrong with a field.
    pub(crate) fn refuse(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.violations.push(Violation::new(pointer, detail));
    }

    /// What is given by this name; null is as if left out.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.given.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Option<&'a str> {
        let value = self.value(name)?;
        let text = value.as_str();
        if text.is_none() {
            self.refuse(pointer(name), "must be a text");
        }
        text
    }

    /// A text of one line, and not an empty one: control characters would be more than a text where it is put.
    pub(crate) fn line(&mut self, name: &str) -> Option<&'a str> {
        let text = self.text(name)?;
        if text.chars().any(char::is_control) {
            self.refuse(pointer(name), "must be one line without control characters");
            return None;
        }
        Some(text).filter(|text| !text.is_empty())
    }

    /// A truth value.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.value(name)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.refuse(pointer(name), "must be true or false");
        }
        flag
    }

    /// One of a few words.
    pub(crate) fn one_of(&mut self, name: &str, words: &[&str]) -> Option<&'a str> {
        let word = self.line(name)?;
        if !words.contains(&word) {
            self.refuse(pointer(name), format!("must be {}", words.join(" or ")));
            return None;
        }
        Some(word)
    }

    /// A list of texts.
    pub(crate) fn lines(&mut self, name: &str) -> Vec<&'a str> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let texts =
            value.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        match texts {
            Some(texts) if !texts.iter().any(|text| text.is_empty()) => texts,
            _ => {
                self.refuse(pointer(name), "must be a list of texts");
                Vec::new()
            }
        }
    }

    /// A list of anything.
    pub(crate) fn list(&mut self, name: &str) -> &'a [Value] {
        let Some(value) = self.value(name) else { return &[] };
        value.as_array().map_or_else(
            || {
                self.refuse(pointer(name), "must be a list");
                &[][..]
            },
            Vec::as_slice,
        )
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        let value = self.value(name)?;
        let object = value.as_object();
        if object.is_none() {
            self.refuse(pointer(name), "must be an object");
        }
        object
    }

    /// `read`, if nothing was wrong.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub(crate) fn finish<T>(self, read: T) -> Result<T, Error> {
        if self.violations.is_empty() { Ok(read) } else { Err(Error::Invalid(self.violations)) }
    }
}

/// A JSON Pointer to a field of the body (RFC 6901).
fn pointer(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> &'a str {
    let likeness = |candidate: &str| strsim::jaro_winkler(&name.to_lowercase(), candidate);
    let best = known.iter().max_by(|left, right| likeness(left).total_cmp(&likeness(right)));
    best.copied().unwrap_or_default()
}

/// The sentence for a field that must be there.
pub(crate) fn required(name: &str) -> Error {
    Error::invalid(pointer(name), "must be given")
}

#[cfg(test)]
mod tests {
    use model::Coded as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let body =
            json!({"subjekt": "a", "to": 7, "line": "a\nb", "flag": "x", "labels": ["a", 1], "none": null});
        let mut fields =
            Fields::new(body.as_object().unwrap(), &["subject", "to", "line", "flag", "labels", "none"]);
        assert_eq!((fields.text("to"), fields.line("line"), fields.flag("flag")), (None, None, None));
        assert!(fields.lines("labels").is_empty() && fields.text("none").is_none());
        let told = fields.finish(()).unwrap_err().violations();
        let told: Vec<(&str, &str)> =
            told.iter().map(|each| (each.pointer.as_str(), each.detail.as_str())).collect();
        assert_eq!(
            told,
            [
                ("/subjekt", "there is no such field here; did you mean subject?"),
                ("/to", "must be a text"),
                ("/line", "must be one line without control characters"),
                ("/flag", "must be true or false"),
                ("/labels", "must be a list of texts"),
            ]
        );
    }
}
