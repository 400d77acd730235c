//! Queries: <https://developer.atlassian.com/cloud/bitbucket/rest/intro/#filtering>

/// The operators of Bitbucket's query language, those first that begin as another does.
const OPERATORS: [&str; 8] = ["!=", "!~", ">=", "<=", "=", "~", ">", "<"];

/// What is sought in a list: `words` as they are where they are a query, else as words that stand in `field`.
pub(super) fn query(words: &str, field: &str) -> Option<String> {
    let words = words.trim();
    if words.is_empty() {
        None
    } else if is_query(words) {
        Some(words.to_owned())
    } else {
        Some(format!("{field} ~ {}", quoted(words)))
    }
}

/// Whether it begins as queries do: with a field, an operator and a value of the language.
fn is_query(words: &str) -> bool {
    let words = words.trim_start_matches(|letter: char| letter == '(' || letter.is_whitespace());
    let is_field = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
    let rest = words.trim_start_matches(is_field);
    if rest.len() == words.len() {
        return false;
    }
    let rest = rest.trim_start();
    match OPERATORS.iter().find_map(|operator| rest.strip_prefix(operator)) {
        Some(value) => is_value(value.trim_start()),
        None => is_list(rest),
    }
}

/// A text in quotes, a number or moment, or one of the words that are values.
fn is_value(text: &str) -> bool {
    let word: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.starts_with('"')
        || digits.starts_with(|letter: char| letter.is_ascii_digit())
        || matches!(word.to_ascii_lowercase().as_str(), "true" | "false" | "null")
}

/// `IN (…)`, `NOT IN (…)`.
fn is_list(text: &str) -> bool {
    text.split_once('(').is_some_and(|(before, values)| {
        let before = before.to_ascii_lowercase();
        let words: Vec<&str> = before.split_whitespace().collect();
        matches!(words.as_slice(), ["in"] | ["not", "in"]) && is_value(values.trim_start())
    })
}

/// A text as the language writes it. What is no character of a line would end it or be lost, and is a blank.
fn quoted(text: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("\"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_stay_as_they_are() {
        for words in [
            "name = \"site\"",
            "name~\"si te\"",
            "(name ~ \"a\" OR language = \"rust\") AND is_private = true",
            "updated_on > 2026-11-01T00:00:00+00:00",
            "size >= 10",
            "size>-1",
            "parent = null",
            "parent != NULL",
            "source.branch.name = \"x\"",
            "state IN (\"OPEN\", \"MERGED\")",
            "state not in (\"OPEN\")",
        ] {
            assert_eq!(query(&format!(" {words}\n"), "name").as_deref(), Some(words));
        }
    }

    #[test]
    fn anything_else_is_words() {
        for (words, expected) in [
            ("site", "name ~ \"site\""),
            ("fix = later", "name ~ \"fix = later\""),
            ("a > b", "name ~ \"a > b\""),
            ("in (brackets)", "name ~ \"in (brackets)\""),
            ("footer in (main)", "name ~ \"footer in (main)\""),
            ("= \"x\"", "name ~ \"= \\\"x\\\"\""),
            ("~", "name ~ \"~\""),
            ("näme = \"x\"", "name ~ \"näme = \\\"x\\\"\""),
        ] {
            assert_eq!(query(words, "name").as_deref(), Some(expected));
        }
        assert_eq!((query("", "name"), query(" \n", "name")), (None, None));
    }

    /// What a reader of the language makes of a text in quotes, and what follows it.
    fn read(text: &str) -> (String, &str) {
        let (mut told, mut is_escaped) = (String::new(), false);
        let inner = text.strip_prefix('"').unwrap();
        for (at, letter) in inner.char_indices() {
            match letter {
                _ if is_escaped => {
                    told.push(letter);
                    is_escaped = false;
                }
                '\\' => is_escaped = true,
                '"' => return (told, &inner[at + 1..]),
                _ => told.push(letter),
            }
        }
        panic!("no end: {text}");
    }

    #[test]
    fn words_cannot_leave_their_quotes() {
        for words in [
            "x\" OR is_private = true OR name ~ \"",
            "x\\\" OR name ~ \"",
            "\\",
            "\\\\",
            "\"",
            "\\\"\\",
            "a\\nb",
            "ends with \\",
            "\u{201c}curly\u{201d}",
        ] {
            let written = query(words, "title").unwrap();
            let text = written.strip_prefix("title ~ ").unwrap();
            assert_eq!(read(text), (words.to_owned(), ""), "{written}");
        }
        assert_eq!(query("a\n\"b\0c", "title").unwrap(), "title ~ \"a \\\"b c\"");
    }
}
