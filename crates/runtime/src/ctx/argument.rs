//! Reading the argument of an operation.

use serde::Deserialize;

/// The argument, which has all that it must have and nothing else.
///
/// # Errors
/// A sentence that says what is wrong, without the place in a JSON text that the author never wrote.
pub(super) fn read<'a, T: Deserialize<'a>>(operation: &str, argument: &'a str) -> Result<T, String> {
    serde_json::from_str(argument).map_err(|error| {
        let told = error.to_string();
        let told = told.split(" at line ").next().unwrap_or_default();
        format!("{operation}: {told}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Argument {
        #[expect(dead_code, reason = "only whether it is there matters")]
        key: String,
    }

    #[test]
    fn what_is_wrong_is_told_without_a_place() {
        for (argument, told) in [
            ("{}", "storage.get: missing field `key`"),
            (r#"{"key": 1}"#, "storage.get: invalid type: integer `1`, expected a string"),
            (r#"{"key": "a", "k": 1}"#, "storage.get: unknown field `k`, expected `key`"),
            ("", "storage.get: EOF while parsing a value"),
        ] {
            assert_eq!(read::<Argument>("storage.get", argument).unwrap_err(), told);
        }
    }
}
