//! The parameters that narrow a list: only those that a connector declares.

use std::collections::BTreeMap;

use crate::Error;
use crate::connector::{Description, Operation};

/// The parameters that every list has.
const COMMON: [&str; 5] = ["user_email", "connection_id", "max_results", "page_token", "raw"];

/// The filters that are given, by name. Empty ones are as if left out.
///
/// # Errors
/// [`Error::UnknownParameter`], [`Error::RepeatedParameter`].
pub(crate) fn filters(
    description: &Description,
    operation: Operation,
    given: &[(String, String)],
) -> Result<BTreeMap<&'static str, String>, Error> {
    if let (Some((name, _)), false) = (given.first(), is_narrowed(operation)) {
        let advice = format!("this list takes {}", COMMON.join(", "));
        return Err(Error::UnknownParameter { name: name.chars().take(64).collect(), advice });
    }
    let mut filters = BTreeMap::new();
    for (name, value) in given {
        let Some(filter) = description.filters.iter().find(|filter| filter.name == name) else {
            return Err(unknown(description, operation, name));
        };
        if filters.insert(filter.name, value.clone()).is_some() {
            return Err(Error::RepeatedParameter(filter.name));
        }
    }
    filters.retain(|_, value| !value.is_empty());
    Ok(filters)
}

/// Whether what a connector declares narrows the lists of this operation. Nothing is narrowed by being ignored.
fn is_narrowed(operation: Operation) -> bool {
    matches!(operation, Operation::List | Operation::Search | Operation::Issues | Operation::MyIssues)
}

fn unknown(description: &Description, operation: Operation, name: &str) -> Error {
    let query = (operation == Operation::Search).then_some("query");
    let stream = matches!(operation, Operation::List | Operation::Search).then_some("stream");
    let known = COMMON
        .into_iter()
        .chain(query)
        .chain(stream)
        .chain(description.filters.iter().map(|filter| filter.name));
    let likeness = |candidate: &&str| strsim::jaro_winkler(&name.to_lowercase(), candidate);
    let nearest = known.max_by(|left, right| likeness(left).total_cmp(&likeness(right))).unwrap_or_default();
    let advice = if likeness(&nearest) > 0.8 {
        format!("did you mean {nearest}?")
    } else {
        format!("the nearest that there is is {nearest}")
    };
    Error::UnknownParameter { name: name.chars().take(64).collect(), advice }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Filter;

    const DESCRIPTION: Description = Description {
        id: "notes",
        aliases: &[],
        provider: "sandbox",
        name: "Notes",
        items: "notes",
        operations: &[],
        filters: &[
            Filter { name: "folder", meaning: "in this folder" },
            Filter { name: "label", meaning: "with this label" },
        ],
        max_page: 100,
        bound_scopes: &[],
    };

    fn of(given: &[(&str, &str)]) -> Result<Vec<(&'static str, String)>, String> {
        let given: Vec<(String, String)> =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let filters = filters(&DESCRIPTION, Operation::List, &given);
        filters.map(|filters| filters.into_iter().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn declared_filters_are_taken_and_empty_ones_left_out() {
        assert_eq!(of(&[("label", ""), ("folder", "a b")]), Ok(vec![("folder", "a b".to_owned())]));
    }

    #[test]
    fn what_is_not_declared_is_refused_with_the_nearest() {
        for (name, advice) in [
            ("lable", "did you mean label?"),
            ("maxResults", "did you mean max_results?"),
            ("zzz", "the nearest that there is is"),
        ] {
            let error = of(&[(name, "1")]).unwrap_err();
            assert!(error.contains(name) && error.contains(advice), "{error}");
        }
        assert_eq!(of(&[("label", "1"), ("label", "")]).unwrap_err(), "label must be given once");
    }

    #[test]
    fn what_narrows_items_does_not_narrow_other_lists() {
        let given = [("label".to_owned(), "1".to_owned())];
        let of = |operation| filters(&DESCRIPTION, operation, &given).map_err(|error| error.to_string());
        assert!(of(Operation::Search).is_ok() && of(Operation::Issues).is_ok());
        for operation in
            [Operation::Containers, Operation::Channels, Operation::Messages, Operation::Comments]
        {
            let error = of(operation).unwrap_err();
            assert!(
                error.starts_with("there is no parameter label here") && error.contains("raw"),
                "{error}"
            );
        }
        assert_eq!(filters(&DESCRIPTION, Operation::Users, &[]).unwrap(), BTreeMap::new());
    }
}
