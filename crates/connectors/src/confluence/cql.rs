//! Queries for pages, in CQL: <https://developer.atlassian.com/cloud/confluence/advanced-searching-using-cql/>

use crate::Error;
use crate::enclosed::{NOT_ENCLOSED, is_enclosed};

/// The fields of CQL that pages can be sought by. What compares one of them with something is CQL; all else is words.
const FIELDS: [&str; 24] = [
    "ancestor",
    "container",
    "content",
    "contributor",
    "created",
    "creator",
    "favorite",
    "favourite",
    "id",
    "label",
    "lastmodified",
    "macro",
    "mention",
    "parent",
    "sitesearch",
    "space",
    "space.key",
    "space.title",
    "space.type",
    "status",
    "text",
    "title",
    "type",
    "watcher",
];

/// The CQL that finds pages: those that `query` describes, where it is CQL itself, else those that have its words.
///
/// # Errors
/// [`Error::Invalid`] where there is nothing to be sought, and for CQL that would leave its brackets.
pub(super) fn cql(query: &str) -> Result<String, Error> {
    let query = query.trim();
    if is_cql(query) {
        let (condition, order) = split_order(query);
        // Else it would find what is no page.
        if ![condition, order].into_iter().all(|part| is_enclosed(part, &['"', '\''])) {
            return Err(Error::invalid("", NOT_ENCLOSED));
        }
        let cql = format!("type = page and ({}) {}", condition.trim(), order.trim());
        return Ok(cql.trim_end().to_owned());
    }
    let words = words(query);
    if !words.chars().any(char::is_alphanumeric) {
        let detail = "query must be words to be found, or CQL, as in space = \"KEY\" and title ~ \"word\"";
        return Err(Error::invalid("", detail));
    }
    Ok(format!("type = page and text ~ \"{words}\""))
}

/// Words as they stand between the quotes of a text search, which they cannot leave, and where none of them is an operator
/// of its language, Lucene's: <https://developer.atlassian.com/cloud/confluence/performing-text-searches-using-cql/>. Of
/// that, pairs of quotes make phrases, and wildcards stand for letters. Other signs are not in the index: they part words.
fn words(text: &str) -> String {
    let has_phrases = text.matches('"').count().is_multiple_of(2);
    let mut parted = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_within =
            before.is_alphanumeric() && letters.peek().is_some_and(|after| after.is_alphanumeric());
        match letter {
            '"' if has_phrases => parted.push_str("\\\""),
            '*' | '?' if before.is_alphanumeric() => parted.push(letter),
            '-' | '.' | '_' | '\'' | '@' if is_within => parted.push(letter),
            letter if letter.is_alphanumeric() || !letter.is_ascii() && !letter.is_control() => {
                parted.push(letter);
            }
            _ => parted.push(' '),
        }
        before = letter;
    }
    let words = parted.split_whitespace().map(|word| match word {
        "AND" | "OR" | "NOT" => word.to_lowercase(),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether it compares a field with something.
fn is_cql(query: &str) -> bool {
    let plain = unquoted(query);
    let words = plain.split_inclusive(|letter: char| !is_of_name(letter));
    let mut end = 0;
    for word in words {
        end += word.len();
        let name = word.trim_end_matches(|letter: char| !is_of_name(letter));
        let after = end - (word.len() - name.len());
        let is_field = FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name));
        if is_field && plain.get(after..).is_some_and(compares) {
            return true;
        }
    }
    false
}

fn is_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

/// Whether an operator of CQL comes next.
fn compares(rest: &str) -> bool {
    let rest = rest.trim_start();
    if rest.starts_with(['=', '~', '<', '>']) || rest.starts_with("!=") || rest.starts_with("!~") {
        return true;
    }
    let lower: String = rest.chars().take(64).collect::<String>().to_ascii_lowercase();
    let lower = lower.strip_prefix("not").map_or(lower.as_str(), str::trim_start);
    lower.strip_prefix("in").is_some_and(|rest| rest.trim_start().starts_with('('))
}

/// The condition, and the order that it is to be in.
fn split_order(query: &str) -> (&str, &str) {
    let plain = unquoted(query).to_ascii_lowercase();
    let is_order = |at: &usize| {
        let before = plain.get(..*at).and_then(|before| before.chars().next_back());
        let after = plain.get(at + "order".len()..).unwrap_or_default();
        let by = after.trim_start();
        let is_word = before.is_none_or(|letter| letter.is_whitespace() || letter == ')' || letter == '"');
        is_word
            && by.len() < after.len()
            && by.strip_prefix("by").is_some_and(|rest| rest.starts_with(char::is_whitespace))
    };
    let at = plain.rmatch_indices("order").map(|(at, _)| at).find(is_order);
    at.and_then(|at| query.split_at_checked(at)).unwrap_or((query, ""))
}

/// The query with blanks, byte by byte, in place of what stands between quotes.
fn unquoted(query: &str) -> String {
    let (mut quote, mut is_escaped) = (None, false);
    let mut out = String::with_capacity(query.len());
    for letter in query.chars() {
        let is_within = quote.is_some();
        match (quote, letter) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            _ => {}
        }
        if is_within && quote.is_some() {
            out.extend(std::iter::repeat_n(' ', letter.len_utf8()));
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cql(query: &str) -> String {
        super::cql(query).unwrap()
    }

    #[test]
    fn cql_finds_pages_alone() {
        for query in [
            "title ~ \"a\") or (type = comment",
            "title ~ 'a' ) or ( type = attachment",
            "title ~ \"a\" order by created) or (type = comment",
            "title ~ \"a",
            "(title ~ \"a\"",
        ] {
            assert!(matches!(super::cql(query), Err(Error::Invalid(_))), "{query}");
        }
        assert_eq!(cql("title ~ \"a) or (b\""), "type = page and (title ~ \"a) or (b\")");
    }

    #[test]
    fn words_are_sought_in_what_pages_say() {
        for (query, found) in [
            ("release plan", "release plan"),
            ("  Ben's\n plan ", "Ben's plan"),
            ("title page", "title page"),
            ("what is in (2026)", "what is in 2026"),
            ("\"hello dolly\" win* w?n", "\\\"hello dolly\\\" win* w?n"),
            ("5\" disk", "5 disk"),
            ("*x ?y", "x y"),
            ("a AND NOT b OR \"c\"", "a and not b or \\\"c\\\""),
            ("C++ a:b -c pre-release ann@acme.example", "C a b c pre-release ann@acme.example"),
            ("C:\\temp {x} [y] ^2 ~z", "C temp x y 2 z"),
            ("zażółć 日本語", "zażółć 日本語"),
        ] {
            assert_eq!(cql(query), format!("type = page and text ~ \"{found}\""), "{query}");
        }
        for nothing in ["", "  ", "\"\"", "+-!", "\\"] {
            assert!(matches!(super::cql(nothing), Err(Error::Invalid(_))), "{nothing}");
        }
    }

    #[test]
    fn cql_stays_as_it_is_among_pages() {
        for (query, expected) in [
            ("space = DOCS", "type = page and (space = DOCS)"),
            ("title~\"a\" or label in (\"x\")", "type = page and (title~\"a\" or label in (\"x\"))"),
            ("Created >= now(\"-4w\")", "type = page and (Created >= now(\"-4w\"))"),
            ("label NOT IN (\"x\", \"y\")", "type = page and (label NOT IN (\"x\", \"y\"))"),
            (
                "text ~ \"in order by hand\" ORDER  BY created desc",
                "type = page and (text ~ \"in order by hand\") ORDER  BY created desc",
            ),
            ("(space = A)order by title", "type = page and ((space = A)) order by title"),
            (
                "space.key = \"ä\" order by lastmodified",
                "type = page and (space.key = \"ä\") order by lastmodified",
            ),
        ] {
            assert_eq!(cql(query), expected, "{query}");
        }
        // No field of CQL before an operator, or within quotes alone.
        for words in ["Ben = plan", "\"space = DOCS\"", "a spaceship = b", "title in progress"] {
            assert!(cql(words).starts_with("type = page and text ~ \""), "{words}");
        }
    }

    /// What a text of CQL holds, if it ends where the query ends.
    fn held(query: &str) -> Option<String> {
        let mut letters = query.strip_prefix("type = page and text ~ \"")?.chars();
        let mut held = String::new();
        loop {
            match letters.next()? {
                '"' => return letters.next().is_none().then_some(held),
                '\\' => held.push(letters.next()?),
                letter => held.push(letter),
            }
        }
    }

    #[test]
    fn no_words_leave_their_quotes() {
        let parts = ["\"", "\\", "x", "\" or y", "\\\"", "'", ")", "\n", "AND", "*"];
        for first in parts {
            for second in parts {
                for third in parts {
                    let text = format!("{first}{second}{third}");
                    let query = cql(&format!("{text} x"));
                    assert!(held(&query).is_some(), "{text:?} gives {query}");
                }
            }
        }
        assert_eq!(held(&cql("x\" or type = page or \"y")).as_deref(), Some("x\" or type page or \"y"));
    }
}
