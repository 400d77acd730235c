//! What somebody searches for: words, or a query of Jira's own.
//!
//! It is a query if it begins as one does: with `order by`, or with a field and an operator, after any brackets and `not`. A field
//! is a word, a text in quotes, or `cf[10010]`; an operator is one of `= != ~ !~ < <= > >=`, `in (`, `in` and a function, `is` or
//! `is not` with `empty` or `null`, and, for the fields that have a history, `was` and `changed`. All else is words.

/// What a search is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading<'a> {
    /// Nothing in particular.
    Nothing,
    /// Words that are in an issue.
    Words(String),
    /// A query, without its order.
    Query {
        /// Without brackets around it; may be empty.
        restriction: &'a str,
        /// By what it wants to be ordered.
        order: Option<&'a str>,
    },
}

/// The fields that have a history:
/// <https://support.atlassian.com/jira-software-cloud/docs/jql-operators/#WAS>.
const WITH_HISTORY: [&str; 6] = ["assignee", "fixversion", "priority", "reporter", "resolution", "status"];

/// The signs of Jira's language for texts. They are no part of the words that it finds.
const SIGNS: &str = "+-&|!(){}[]^~*?\\/:\"";

/// Reads what is searched for.
///
/// # Errors
/// What would be right.
pub(super) fn read(text: &str) -> Result<Reading<'_>, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Reading::Nothing);
    }
    let tokens = tokens(text);
    if !is_query(&tokens) {
        return words(text);
    }
    if !is_balanced(&tokens) {
        return Err("query must close the quotes and brackets that it opens");
    }
    let order = tokens.windows(2).find(|pair| pair.iter().map(Token::lower).eq(["order", "by"]));
    let Some([order, by]) = order else { return Ok(Reading::Query { restriction: text, order: None }) };
    let restriction = text.get(..order.at).unwrap_or_default().trim();
    let wanted = text.get(by.at + by.text.len()..).unwrap_or_default().trim();
    Ok(Reading::Query { restriction, order: Some(wanted).filter(|wanted| !wanted.is_empty()) })
}

fn words(text: &str) -> Result<Reading<'_>, &'static str> {
    let is_phrase = text.len() > 2 && text.starts_with('"') && text.ends_with('"');
    let plain: String =
        text.chars().map(|letter| if SIGNS.contains(letter) { ' ' } else { letter }).collect();
    // In capitals they would be operators of that language.
    let word =
        |word: &str| if matches!(word, "AND" | "OR" | "NOT") { word.to_lowercase() } else { word.to_owned() };
    let words = plain.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    match (words.is_empty(), is_phrase) {
        (true, _) => Err("query must have words to be found, or be a query like status = Done"),
        (false, true) => Ok(Reading::Words(format!("\"{words}\""))),
        (false, false) => Ok(Reading::Words(words)),
    }
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    at: usize,
    text: &'a str,
    is_whole: bool,
}

impl Token<'_> {
    /// In small letters; a text in quotes stands for itself.
    fn lower(&self) -> String {
        self.text.to_lowercase()
    }

    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    fn is_field(&self) -> bool {
        let is_name =
            |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '[' | ']' | '.' | '-');
        self.text.starts_with(['"', '\'']) || self.text.chars().all(is_name)
    }
}

/// Texts in quotes, signs of comparison, brackets and commas, and the words between them.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_whole) = match first {
            blank if blank.is_whitespace() => {
                rest = rest.get(blank.len_utf8()..).unwrap_or_default();
                continue;
            }
            quote @ ('"' | '\'') => in_quotes(rest, quote),
            '(' | ')' | ',' => (1, true),
            '=' | '!' | '~' | '<' | '>' => (run(rest, |letter| "=!~<>".contains(letter)), true),
            _ => (run(rest, |letter| !letter.is_whitespace() && !"()=!~<>,\"'".contains(letter)), true),
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        tokens.push(Token { at: text.len() - rest.len(), text: token, is_whole });
        rest = after;
    }
    tokens
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.chars().take_while(|letter| belongs(*letter)).map(char::len_utf8).sum()
}

/// How long a text in quotes is, and whether they are closed.
fn in_quotes(text: &str, quote: char) -> (usize, bool) {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            letter if letter == quote => return (at + letter.len_utf8(), true),
            _ => {}
        }
    }
    (text.len(), false)
}

fn is_query(tokens: &[Token<'_>]) -> bool {
    let is_before = |token: &&Token<'_>| token.is("(") || token.is("not") || token.is("!");
    let mut tokens = tokens.iter().skip_while(is_before);
    let (first, second, third, fourth) = (tokens.next(), tokens.next(), tokens.next(), tokens.next());
    let (Some(first), Some(second)) = (first, second) else { return false };
    if first.is("order") && second.is("by") {
        return true;
    }
    let is = |token: Option<&Token<'_>>, words: &[&str]| {
        token.is_some_and(|token| words.iter().any(|word| token.is(word)))
    };
    // A list, or a function.
    let is_list = |token: Option<&Token<'_>>, next: Option<&Token<'_>>| is(token, &["("]) || is(next, &["("]);
    first.is_field()
        && match second.lower().as_str() {
            "=" | "!=" | "~" | "!~" | "<" | "<=" | ">" | ">=" => third.is_some(),
            "in" => is_list(third, fourth),
            "not" => is(third, &["in"]) && is_list(fourth, tokens.next()),
            "is" => is(third, &["empty", "null"]) || (is(third, &["not"]) && is(fourth, &["empty", "null"])),
            "was" | "changed" => WITH_HISTORY.contains(&first.lower().as_str()),
            _ => false,
        }
}

fn is_balanced(tokens: &[Token<'_>]) -> bool {
    let mut depth = 0_usize;
    for token in tokens {
        match token.text {
            "(" => depth += 1,
            ")" if depth == 0 => return false,
            ")" => depth -= 1,
            _ if !token.is_whole => return false,
            _ => {}
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_query(text: &str) -> bool {
        matches!(read(text), Ok(Reading::Query { .. }))
    }

    #[test]
    fn queries_begin_with_a_field_and_an_operator() {
        for query in [
            "project = ACME",
            "project=ACME",
            "(status != Done)",
            "not (priority>High and a ~ b)",
            "\"Story Points\" >= 3",
            "cf[10010] ~ 'x'",
            "sprint in openSprints()",
            "labels in (a, b)",
            "labels not in (a, b)",
            "sprint not in closedSprints()",
            "assignee is EMPTY",
            "resolution IS NOT null",
            "status was Done",
            "status changed after -1d",
            "ORDER BY created",
        ] {
            assert!(is_query(query), "{query}");
        }
        for words in [
            "login fails",
            "what is in 2026",
            "is not empty",
            "it was changed",
            "not in order",
            "a",
            "the value = 3",
            "Ben's plan",
            "order pizza",
            "in progress",
            "=",
            "\"a = b\"",
        ] {
            assert!(!is_query(words), "{words}");
        }
    }

    #[test]
    fn words_are_without_signs() {
        let of = |text| match read(text) {
            Ok(Reading::Words(words)) => words,
            other => panic!("{other:?}"),
        };
        assert_eq!(of("  C++ (fast) AND foo-bar? \\ OR"), "C fast and foo bar or");
        assert_eq!(of("\"exact phrase\""), "\"exact phrase\"");
        assert_eq!(of("say \"hello"), "say hello");
        assert!(read("!!!").is_err() && read("\"\"").is_err());
        assert_eq!(read(" \n"), Ok(Reading::Nothing));
    }

    #[test]
    fn the_order_is_taken_apart_where_it_is_one() {
        let of = |text| match read(text) {
            Ok(Reading::Query { restriction, order }) => (restriction, order),
            other => panic!("{other:?}"),
        };
        assert_eq!(of("a = \"x order by y\" Order  By b desc"), ("a = \"x order by y\"", Some("b desc")));
        assert_eq!(of("a = 'it\\'s' "), ("a = 'it\\'s'", None));
        assert_eq!(of("order by b"), ("", Some("b")));
    }

    #[test]
    fn what_does_not_close_is_refused() {
        for text in ["a = 1) or (b = 2", "(a = 1", "a = \"1", "a = 'x\\'", "a in (1"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
