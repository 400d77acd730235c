//! Bounds on what holding a configuration against a schema may cost.
//!
//! References can make a small schema double its work with each level (`allOf: [a, a]`, `a: allOf: [b, b]`, …), and
//! nothing interrupts a validation. So references must not lead in a circle, and the schema must stay small with all of
//! them followed. Then validating takes time in proportion to the configuration.

use std::collections::HashMap;

use model::Violation;
use serde_json::{Map, Value};

/// The most subschemas, those behind a reference counted each time it is followed.
const MAX_SUBSCHEMAS: u64 = 1_000;
/// The most patterns: compiling one takes up to milliseconds, and up to a megabyte to keep.
const MAX_PATTERNS: usize = 100;
/// How deep subschemas may lie in each other, references followed.
const MAX_DEPTH: usize = 64;
/// The most violations told at once.
const MAX_VIOLATIONS: usize = 50;

/// Keywords whose value is a subschema, or a list of them.
const APPLICATORS: [&str; 16] = [
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is an object of subschemas.
const NAMED_APPLICATORS: [&str; 4] = ["dependencies", "dependentSchemas", "patternProperties", "properties"];

/// What of `schema` is out of bounds; the pointers lead into the schema.
pub(crate) fn check(schema: &Value) -> Vec<Violation> {
    let mut walk = Walk { root: schema, weights: HashMap::new(), patterns: 0, problems: Vec::new() };
    walk.look_at(schema, "", true);
    if walk.patterns > MAX_PATTERNS {
        walk.refuse("", format!("must have at most {MAX_PATTERNS} patterns"));
    }
    if walk.problems.is_empty() {
        // A reference to the root is a circle, whatever stands there.
        walk.weights.insert("", None);
        if walk.weigh(schema, "", 0) > MAX_SUBSCHEMAS {
            let detail = format!(
                "must have at most {MAX_SUBSCHEMAS} subschemas, counted each time one is referred to"
            );
            walk.refuse("", detail);
        }
    }
    walk.problems
}

struct Walk<'s> {
    root: &'s Value,
    /// How much a reference's target weighs; `None` while it is being weighed.
    weights: HashMap<&'s str, Option<u64>>,
    patterns: usize,
    problems: Vec<Violation>,
}

impl<'s> Walk<'s> {
    fn refuse(&mut self, pointer: &str, detail: impl Into<String>) {
        if self.problems.len() < MAX_VIOLATIONS {
            self.problems.push(Violation::new(pointer, detail));
        }
    }

    /// Counts patterns, and refuses what changes where a reference leads, wherever it stands: circles could go through
    /// it unseen.
    fn look_at(&mut self, value: &Value, pointer: &str, is_root: bool) {
        let is_text = |object: &Map<String, Value>, key: &str| object.get(key).is_some_and(Value::is_string);
        if let Value::Object(object) = value {
            for keyword in ["$dynamicRef", "$recursiveRef"] {
                if is_text(object, keyword) {
                    self.refuse(
                        &child(pointer, keyword),
                        "is not supported; refer by \"$ref\": \"#/$defs/…\"",
                    );
                }
            }
            if !is_root && is_text(object, "$id") {
                self.refuse(&child(pointer, "$id"), "only the schema as a whole may have an $id");
            }
            self.patterns += usize::from(is_text(object, "pattern"));
            self.patterns += object.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
            for (key, each) in object {
                self.look_at(each, &child(pointer, key), false);
            }
        } else if let Value::Array(several) = value {
            for (index, each) in several.iter().enumerate() {
                self.look_at(each, &child(pointer, &index.to_string()), false);
            }
        }
    }

    /// How many subschemas apply, with references followed.
    fn weigh(&mut self, schema: &'s Value, pointer: &str, depth: usize) -> u64 {
        let Some(object) = schema.as_object() else { return 1 };
        if depth > MAX_DEPTH {
            self.refuse(
                pointer,
                format!("must not lie deeper than {MAX_DEPTH} subschemas, references followed"),
            );
            return 1;
        }
        let mut weight: u64 = 1;
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            weight = weight.saturating_add(self.follow(reference, &child(pointer, "$ref"), depth));
        }
        for (place, subschema) in subschemas(object) {
            weight = weight.saturating_add(self.weigh(subschema, &format!("{pointer}{place}"), depth + 1));
        }
        weight
    }

    fn follow(&mut self, reference: &'s str, pointer: &str, depth: usize) -> u64 {
        let target = reference.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let found = target.and_then(|target| Some((target, self.root.pointer(target)?)));
        let Some((target, schema)) = found else {
            self.refuse(
                pointer,
                "must begin with # and lead to a part of this schema, such as #/$defs/address",
            );
            return 1;
        };
        match self.weights.get(target) {
            Some(Some(weight)) => return *weight,
            Some(None) => {
                self.refuse(pointer, "must not lead in a circle");
                return 1;
            }
            None => {}
        }
        self.weights.insert(target, None);
        let weight = self.weigh(schema, target, depth + 1);
        self.weights.insert(target, Some(weight));
        weight
    }
}

/// The subschemas of `object`, with their places in it.
fn subschemas(object: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for keyword in APPLICATORS {
        let place = child("", keyword);
        match object.get(keyword) {
            Some(Value::Array(several)) => found.extend(
                several.iter().enumerate().map(|(index, each)| (child(&place, &index.to_string()), each)),
            ),
            Some(one) => found.push((place, one)),
            None => {}
        }
    }
    for keyword in NAMED_APPLICATORS {
        let place = child("", keyword);
        let named = object.get(keyword).and_then(Value::as_object).into_iter().flatten();
        found.extend(named.map(|(name, each)| (child(&place, name), each)));
    }
    found
}

fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn doubling(levels: usize) -> Value {
        let mut definitions: Map<String, Value> = (0..levels)
            .map(|level| {
                let next = json!({"$ref": format!("#/$defs/a{}", level + 1)});
                (format!("a{level}"), json!({"allOf": [next, next]}))
            })
            .collect();
        definitions.insert(format!("a{levels}"), json!({"type": "object"}));
        json!({"$ref": "#/$defs/a0", "$defs": definitions})
    }

    #[test]
    fn work_that_doubles_with_each_level_is_refused() {
        assert!(check(&doubling(5)).is_empty());
        assert!(!check(&doubling(30)).is_empty());
        assert!(!check(&doubling(1000)).is_empty());
    }

    #[test]
    fn circles_are_refused() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"properties": {"a": {"items": {"$ref": "#"}}}}),
            json!({"properties": {"a": {"not": {"$ref": "#/properties/a"}}}}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
            json!({"$ref": "#/more/a", "more": {"a": {"allOf": [{"$ref": "#/more/a"}]}}}),
        ] {
            let problems = check(&schema);
            assert!(
                problems.iter().any(|problem| problem.detail.contains("circle")),
                "{schema}: {problems:?}"
            );
        }
    }

    #[test]
    fn references_that_a_pointer_does_not_show_are_refused() {
        for (schema, pointer) in [
            (json!({"$ref": "https://example.com/schema.json"}), "/$ref"),
            (json!({"$ref": "#address", "$defs": {"a": {"$anchor": "address"}}}), "/$ref"),
            (json!({"$ref": "#/$defs/absent"}), "/$ref"),
            (json!({"$dynamicRef": "#a"}), "/$dynamicRef"),
            (json!({"$defs": {"a": {"$id": "https://example.com/a"}}}), "/$defs/a/$id"),
        ] {
            assert_eq!(
                check(&schema).first().map(|problem| problem.pointer.as_str()),
                Some(pointer),
                "{schema}"
            );
        }
    }

    #[test]
    fn patterns_are_counted() {
        let with = |count: usize| {
            let property =
                |index: usize| (format!("p{index}"), json!({"pattern": format!("^a{{{index}}}$")}));
            json!({"properties": (0..count).map(property).collect::<Map<_, _>>()})
        };
        assert_eq!(check(&with(MAX_PATTERNS)), []);
        assert_eq!(check(&with(MAX_PATTERNS + 1)).len(), 1);
    }

    #[test]
    fn shared_definitions_are_fine() {
        let schema = json!({
            "$id": "https://example.com/card", "type": "object",
            "properties": {"billing": {"$ref": "#/$defs/address"}, "shipping": {"$ref": "#/$defs/address"}},
            "$defs": {"address": {"type": "object", "properties": {"city": {"type": "string"}}}},
        });
        assert_eq!(check(&schema), []);
    }
}
