//! Pages by their offset: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/#pagination>.

use serde_json::Value;

use crate::Error;
use crate::connector::Listing;

/// The cursor as the number of what comes before the page.
///
/// # Errors
/// [`Error::PageToken`] for one that is none of [`next`].
pub(super) fn start(listing: &Listing) -> Result<u64, Error> {
    let Some(cursor) = listing.cursor.as_deref() else { return Ok(0) };
    cursor.parse().map_err(|_| Error::PageToken { parameter: "page_token" })
}

/// Where the next page begins: as far on as Jira says that its pages are, which may be fewer than were asked for, and fewer may
/// be on one than there is room for.
pub(super) fn next(answer: &Value, on_page: usize) -> Option<String> {
    let number = |name: &str| answer.get(name).and_then(Value::as_u64);
    let on_page = u64::try_from(on_page).unwrap_or(u64::MAX);
    let begin = number("startAt").unwrap_or_default();
    let next = begin.saturating_add(number("maxResults").unwrap_or(on_page).max(on_page));
    let is_last = match (answer.get("isLast").and_then(Value::as_bool), number("total")) {
        (Some(is_last), _) => is_last,
        (None, Some(total)) => next >= total,
        (None, None) => on_page == 0,
    };
    (!is_last && next > begin).then(|| next.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_next_page_begins_where_the_vendor_says() {
        for (answer, on_page, expected) in [
            (json!({"startAt": 0, "maxResults": 2, "isLast": false, "total": 7}), 2, Some("2")),
            (json!({"startAt": 2, "maxResults": 2, "isLast": false}), 1, Some("4")),
            (json!({"startAt": 4, "maxResults": 2, "isLast": true}), 2, None),
            (json!({"startAt": 0, "maxResults": 50, "total": 51}), 50, Some("50")),
            (json!({"startAt": 50, "maxResults": 50, "total": 51}), 1, None),
            (json!({"startAt": 0, "maxResults": 0, "isLast": false}), 0, None),
            (json!({}), 3, Some("3")),
            (json!({}), 0, None),
        ] {
            assert_eq!(next(&answer, on_page).as_deref(), expected, "{answer}");
        }
    }
}
