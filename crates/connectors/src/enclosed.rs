//! Queries in vendors' own languages that callers give, and that are put in brackets beside what narrows a list.

/// Whether `query` closes just the brackets and quotes that it opens, so that in brackets it stays there: else it could widen
/// what a filter narrows. `quotes` are those of the language, in which a backslash stands before what is no end.
pub(crate) fn is_enclosed(query: &str, quotes: &[char]) -> bool {
    let (mut depth, mut quote, mut is_escaped) = (0_usize, None, false);
    for letter in query.chars() {
        match (quote, letter) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), letter) if open == letter => quote = None,
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => return false,
            (None, ')') => depth -= 1,
            (None, letter) if quotes.contains(&letter) => quote = Some(letter),
            _ => {}
        }
    }
    depth == 0 && quote.is_none()
}

/// What is told where it does not.
pub(crate) const NOT_ENCLOSED: &str = "query must close the quotes and brackets that it opens, and no others";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_stays_in_its_brackets() {
        for query in ["", "a = 'b'", "(a = 'b' or (c = 'd'))", "a = ')('", "a = 'b\\') or ('", "a = '\"'"] {
            assert!(is_enclosed(query, &['\'']), "{query}");
        }
        for query in [")", "a) or (b", "(a", "a = 'b", "a = 'b\\'", "a = 'b\\\\') or ('c'", "a = '('  )"] {
            assert!(!is_enclosed(query, &['\'']), "{query}");
        }
        assert!(!is_enclosed("a = \"'\") or (b = \"'\"", &['\'', '"']));
    }
}
