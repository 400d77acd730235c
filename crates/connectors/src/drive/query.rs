//! Queries for files: <https://developers.google.com/workspace/drive/api/guides/ref-search-terms>

use crate::Error;
use crate::connector::Listing;
use crate::enclosed::{NOT_ENCLOSED, is_enclosed};
use crate::filters::flag;

/// The operators of Drive's query language. Words without any of them are words to be found.
const OPERATORS: [&str; 10] = [" contains ", " in ", " has ", " not ", "!=", "<=", ">=", "=", "<", ">"];

/// What a list is narrowed to.
///
/// # Errors
/// [`Error::Invalid`] for a filter that is not understood, and for a query that would leave its brackets.
pub(super) fn query(words: Option<&str>, listing: &Listing) -> Result<String, Error> {
    let mut terms = Vec::new();
    if let Some(words) = words.filter(|words| !words.trim().is_empty()) {
        terms.push(if is_query(words) {
            // Drive takes double quotes as well, though its documents do not say so.
            if !is_enclosed(words, &['\'']) || !is_enclosed(words, &['\'', '"']) {
                return Err(Error::invalid("", NOT_ENCLOSED));
            }
            format!("({words})")
        } else {
            format!("fullText contains {}", quoted(words))
        });
    }
    if let Some(folder) = listing.filter("folder_id") {
        terms.push(format!("{} in parents", quoted(folder)));
    }
    if let Some(mime_type) = listing.filter("mime_type") {
        terms.push(format!("mimeType = {}", quoted(mime_type)));
    }
    if !flag(listing, "include_trashed")?.unwrap_or(false) {
        terms.push("trashed = false".to_owned());
    }
    Ok(terms.join(" and "))
}

/// Values of the language are in quotes, or are true or false; so its queries have an operator beside one of these.
fn is_query(words: &str) -> bool {
    let is_value = |word: &str| word.starts_with('\'') || matches!(word, "true" | "false");
    let has_value = words.split([' ', '=', '(', '<', '>', '\n', '\t']).any(is_value);
    has_value && OPERATORS.iter().any(|operator| words.contains(operator))
}

/// A text as the query language writes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: Option<&str>, filters: &[(&'static str, &str)]) -> String {
        let filters = filters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        query(words, &Listing { max_results: 1, cursor: None, filters }).unwrap()
    }

    #[test]
    fn a_query_widens_no_filter() {
        for words in [
            "name contains 'a') or (name contains 'b'",
            "name = 'a\\\\') or (name = 'b'",
            "name = \"'\") or (name = \"'\" and trashed = true",
            "name = 'a",
            "(name = 'a'",
        ] {
            let filters = [("folder_id", "f1".to_owned())].into();
            let error = query(Some(words), &Listing { max_results: 1, cursor: None, filters }).unwrap_err();
            assert!(matches!(error, Error::Invalid(_)), "{words}");
        }
        let within = "name = 'a) or (b' and (starred = true or name = 'it\\'s')";
        assert!(of(Some(within), &[]).starts_with(&format!("({within}) and ")));
    }

    #[test]
    fn words_are_found_and_queries_stay_as_they_are() {
        assert_eq!(of(None, &[]), "trashed = false");
        let all = &[("include_trashed", "true")];
        assert_eq!(of(Some("Ben's = plan"), all), "fullText contains 'Ben\\'s = plan'");
        assert_eq!(of(Some("what is in 2026"), all), "fullText contains 'what is in 2026'");
        assert_eq!(of(Some("'f1' in parents"), all), "('f1' in parents)");
        assert_eq!(of(Some("name='a'"), all), "(name='a')");
        assert_eq!(
            of(Some("name contains 'a' or starred = true"), &[("folder_id", "f'1\\")]),
            "(name contains 'a' or starred = true) and 'f\\'1\\\\' in parents and trashed = false"
        );
        assert_eq!(of(Some("starred = true"), all), "(starred = true)");
        assert_eq!(of(Some("  "), &[("mime_type", "text/csv")]), "mimeType = 'text/csv' and trashed = false");
    }
}
