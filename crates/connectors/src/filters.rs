//! The filters that callers narrow lists with, read as what they are to be. Those that no list of the connector takes have been
//! refused before: `parameters.rs`.

use crate::Error;
use crate::connector::Listing;

/// Refuses the filters that say nothing for this list: nothing is left out in silence.
///
/// # Errors
/// [`Error::Invalid`] where one is given that is none of `names`; `instead` says what would be right.
pub(crate) fn only(listing: &Listing, names: &[&str], instead: &str) -> Result<(), Error> {
    match listing.filters.keys().find(|name| !names.contains(name)) {
        Some(name) => Err(Error::invalid("", format!("{name} narrows other lists than this one: {instead}"))),
        None => Ok(()),
    }
}

/// A filter that is true or false.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn flag(listing: &Listing, name: &str) -> Result<Option<bool>, Error> {
    one_of(listing, name, &["true", "false"]).map(|flag| flag.map(|flag| flag == "true"))
}

/// A filter that is one of a few words.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn one_of<'a>(listing: &'a Listing, name: &str, words: &[&str]) -> Result<Option<&'a str>, Error> {
    match listing.filter(name) {
        Some(word) if !words.contains(&word) => {
            Err(Error::invalid("", format!("{name} must be {}", words.join(" or "))))
        }
        other => Ok(other),
    }
}

/// A filter that is a moment of RFC 3339. A `+` that was not escaped in the query has become a blank.
///
/// # Errors
/// [`Error::Invalid`].
pub(crate) fn moment(listing: &Listing, name: &str) -> Result<Option<jiff::Timestamp>, Error> {
    let Some(given) = listing.filter(name) else { return Ok(None) };
    let moment = given.replace(' ', "+").parse();
    moment.map(Some).map_err(|_| Error::invalid("", format!("{name} must be like 2026-11-21T15:00:00Z")))
}

/// A filter that is a list, separated by commas. Blanks around what is in it are none of it.
pub(crate) fn list<'a>(listing: &'a Listing, name: &str) -> impl Iterator<Item = &'a str> {
    let each = listing.filter(name).unwrap_or_default().split(',').map(str::trim);
    each.filter(|each| !each.is_empty())
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    fn listing(value: &str) -> Listing {
        let filters = [("since", value.to_owned())].into();
        Listing { filters, ..Listing::default() }
    }

    fn refused<T: std::fmt::Debug>(read: Result<T, Error>) -> String {
        let told = read.unwrap_err().violations().remove(0);
        assert_eq!(told.pointer, "", "a filter is nothing of the body");
        told.detail
    }

    #[test]
    fn moments_may_have_lost_their_plus() {
        let read = |text: &str| moment(&listing(text), "since").unwrap().unwrap().as_second();
        assert_eq!(read("1970-01-01T01:00:01+01:00"), 1);
        assert_eq!(read("1970-01-01T01:00:01 01:00"), 1);
        assert_eq!(moment(&Listing::default(), "since").unwrap(), None);
        for wrong in ["yesterday", "2026-11-21", "2026-11-21T15:00:00"] {
            assert_eq!(refused(moment(&listing(wrong), "since")), "since must be like 2026-11-21T15:00:00Z");
        }
    }

    #[test]
    fn words_are_those_there_are() {
        assert_eq!(flag(&listing("true"), "since").unwrap(), Some(true));
        assert_eq!(flag(&Listing::default(), "since").unwrap(), None);
        assert_eq!(refused(flag(&listing("1"), "since")), "since must be true or false");
    }

    #[test]
    fn what_narrows_another_list_is_refused() {
        assert!(only(&listing("x"), &["since"], "leave it out").is_ok());
        let told = refused(only(&listing("x"), &["until"], "leave it out"));
        assert_eq!(told, "since narrows other lists than this one: leave it out");
    }

    #[test]
    fn lists_are_separated_by_commas() {
        assert_eq!(list(&listing(" a, b,,c d "), "since").collect::<Vec<_>>(), ["a", "b", "c d"]);
        assert_eq!(list(&Listing::default(), "since").count(), 0);
    }
}
