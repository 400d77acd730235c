//! Lists and where they go on.

use model::ErrorCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::connector::VENDOR;
use crate::answer::Whole;
use crate::{Error, Page};

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Listed<T> {
    #[serde(default = "Vec::new")]
    pub(super) results: Vec<Whole<T>>,
    #[serde(default, rename = "_links")]
    links: ListLinks,
}

#[derive(Debug, Default, Deserialize)]
struct ListLinks {
    next: Option<String>,
}

impl<T> Listed<T> {
    /// The page with each result as `each` makes it.
    ///
    /// # Errors
    /// As [`cursor`](Self::cursor).
    pub(super) fn page<I>(self, each: impl FnMut(Whole<T>) -> I) -> Result<Page<I>, Error> {
        let next = self.cursor()?;
        Ok(Page::of(self.results.into_iter().map(each), next))
    }

    /// The cursor of the page after this one. Pages may be short or empty: the last is the one without it.
    ///
    /// The address of the next page itself is of no use: its path is that of the site, which lacks the gateway's beginning,
    /// and in version 1 even `/wiki`. So the cursor alone is taken out of it and sent to where the list came from.
    ///
    /// # Errors
    /// [`Error::Upstream`] for an address without one: it must not pass for the end.
    pub(super) fn cursor(&self) -> Result<Option<String>, Error> {
        let Some(next) = self.links.next.as_deref().filter(|next| !next.is_empty()) else { return Ok(None) };
        let unusable = || {
            Error::upstream(
                VENDOR.name,
                ErrorCode::UpstreamUnavailable,
                "the address of its next page has no cursor",
            )
        };
        parameter(next, "cursor").map(Some).ok_or_else(unusable)
    }
}

/// A parameter of an address, whole or relative; none where it is empty.
fn parameter(address: &str, name: &str) -> Option<String> {
    let query = address.split('#').next()?.split_once('?')?.1;
    // A plus in a cursor is one of base64, not a blank.
    let query = query.replace('+', "%2B");
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cursor(links: &Value) -> Result<Option<String>, Error> {
        serde_json::from_value::<Listed<Value>>(json!({"results": [], "_links": links})).unwrap().cursor()
    }

    #[test]
    fn cursors_are_taken_out_of_addresses_of_all_kinds() {
        for (next, expected) in [
            ("/wiki/api/v2/pages?limit=1&cursor=eyJpZCI6IjEifQ==", "eyJpZCI6IjEifQ=="),
            ("/wiki/api/v2/pages?cursor=eyJ%3D%3D&limit=1", "eyJ=="),
            ("/wiki/api/v2/pages?cursor=a+b/c&limit=1#x", "a+b/c"),
            ("/wiki/api/v2/pages?cursor=a%2Bb", "a+b"),
            ("/rest/api/search?next=true&cursor=_f_NTA%3D_sa_WyJ0&limit=25&cql=type=page", "_f_NTA=_sa_WyJ0"),
            // Where it points to does not matter: nothing is asked there.
            ("https://elsewhere.example/x?cursor=c", "c"),
        ] {
            assert_eq!(cursor(&json!({"next": next})).unwrap().as_deref(), Some(expected), "{next}");
        }
    }

    #[test]
    fn the_end_is_where_nothing_is_next() {
        assert_eq!(cursor(&json!({"base": "https://acme.atlassian.net/wiki"})).unwrap(), None);
        assert_eq!(cursor(&json!({"next": ""})).unwrap(), None);
        for none in ["/rest/api/search?start=25", "/wiki/api/v2/pages", "/x?cursor="] {
            assert!(cursor(&json!({"next": none})).is_err(), "{none}");
        }
    }
}
