//! Keys that nobody knows, with the one that was probably meant.

use model::Violation;
use serde_json::{Map, Value};

/// One violation for each key of `object` that is not in `known`.
pub(crate) fn violations(object: &Map<String, Value>, known: &[&str]) -> Vec<Violation> {
    object
        .keys()
        .filter(|key| !known.contains(&key.as_str()))
        .take(50)
        .map(|key| {
            let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
            Violation::new(pointer, advice(key, known))
        })
        .collect()
}

/// Says which of `known` was probably meant.
pub(crate) fn advice(key: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&key.to_lowercase(), &candidate.to_lowercase()), candidate))
        .max_by(|(left, _), (right, _)| left.total_cmp(right));
    match nearest {
        Some((likeness, candidate)) if likeness > 0.8 => format!("is not known; did you mean {candidate}?"),
        Some((_, candidate)) => format!("is not known; the nearest known one is {candidate}"),
        None => "is not known".to_owned(),
    }
}
