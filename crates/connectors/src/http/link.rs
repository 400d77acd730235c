//! `Link` headers (RFC 8288), by which some vendors tell where the next page is.

use http::HeaderMap;
use http::header::LINK;

/// The address whose relation is `relation`, of all the links in the headers.
pub(super) fn related<'a>(headers: &'a HeaderMap, relation: &str) -> Option<&'a str> {
    let values = headers.get_all(LINK).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(Links)
        .find(|(_, parameters)| has_relation(parameters, relation))
        .map(|(target, _)| target)
}

/// The links of one header: each target with its parameters.
struct Links<'a>(&'a str);

impl<'a> Iterator for Links<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (_, rest) = self.0.split_once('<')?;
        let (target, rest) = rest.split_once('>')?;
        let end = end_of_link(rest);
        let (parameters, rest) = rest.split_at_checked(end)?;
        self.0 = rest;
        Some((target.trim(), parameters))
    }
}

/// Where the first comma is that stands in no quotes.
fn end_of_link(text: &str) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let comma = text.find(|letter| {
        let is_end = letter == ',' && !is_quoted;
        if letter == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = letter == '\\' && !is_escaped;
        is_end
    });
    comma.unwrap_or(text.len())
}

/// Whether the first `rel` names this relation, maybe among others (section 3.3).
fn has_relation(parameters: &str, relation: &str) -> bool {
    let pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
    let mut relations =
        pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("rel")).map(|(_, value)| value);
    let relations = relations.next().unwrap_or_default().trim().trim_matches('"');
    relations.split_ascii_whitespace().any(|each| each.eq_ignore_ascii_case(relation))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn next(values: &[&str]) -> Option<String> {
        let pairs = values.iter().map(|value| (LINK, HeaderValue::from_str(value).unwrap()));
        related(&pairs.collect(), "next").map(str::to_owned)
    }

    #[test]
    fn the_next_page_is_found_among_others() {
        let github = "<https://a.example/x?page=1>; rel=\"prev\", <https://a.example/x?page=3>; rel=\"next\"";
        assert_eq!(next(&[github]).as_deref(), Some("https://a.example/x?page=3"));
        assert_eq!(next(&["<a,b>; title=\"c, <d>; rel=next\"; REL=\"last next\""]).as_deref(), Some("a,b"));
        assert_eq!(next(&["<a>;rel=self", "<b>;rel=next"]).as_deref(), Some("b"));
        assert_eq!(next(&["< /x?p=2 > ; rel = next"]).as_deref(), Some("/x?p=2"));
    }

    #[test]
    fn there_may_be_none() {
        for values in [
            &[][..],
            &["<https://a.example/x>; rel=\"prev\""],
            &["<a>; rel=prev; rel=next"],
            &["<a>; title=\"rel=next\""],
            &["<a; rel=next"],
            &["a; rel=next"],
            &["<a>"],
            &["<a>; rel=\"nextpage\""],
        ] {
            assert_eq!(next(values), None, "{values:?}");
        }
    }
}
