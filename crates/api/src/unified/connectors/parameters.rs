//! The parameters of lists: those that all connectors share, and the connector's own.

use ::connectors::Wanted;
use model::{ErrorCode, Violation};

use super::WhoseQuery;
use crate::extract::SESSION_TOKEN;
use crate::problem::Problem;

/// How many items where the caller does not say.
const DEFAULT_PAGE: u32 = 50;
/// The most that may be asked for.
const MAX_PAGE: u32 = 1000;

/// What a list is asked for with.
#[derive(Debug)]
pub(in crate::unified) struct Parameters {
    pub(in crate::unified) whose: WhoseQuery,
    pub(in crate::unified) wanted: Wanted,
    pub(in crate::unified) query: Option<String>,
}

impl Parameters {
    /// Takes the shared ones out of `pairs`; the others are the connector's. `query` belongs to searches alone.
    pub(in crate::unified) fn take(pairs: Vec<(String, String)>, is_search: bool) -> Result<Self, Problem> {
        let mut whose = WhoseQuery::default();
        let mut wanted = Wanted { max_results: DEFAULT_PAGE, ..Wanted::default() };
        let (mut max_results, mut raw, mut query) = (None, None, None);
        for (name, value) in pairs {
            let place = match name.as_str() {
                "user_email" => &mut whose.user_email,
                "connection_id" => &mut whose.connection_id,
                "max_results" => &mut max_results,
                "page_token" => &mut wanted.page_token,
                "raw" => &mut raw,
                "query" if is_search => &mut query,
                // The credential, which has been looked at.
                SESSION_TOKEN => continue,
                _ => {
                    wanted.parameters.push((name, value));
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Err(invalid(format!("{name} must be given once")));
            }
        }
        if let Some(text) = max_results {
            wanted.max_results = count("max_results", &text)?;
        }
        wanted.raw = flag("raw", raw.as_deref())?;
        Ok(Self { whose, wanted, query })
    }
}

/// Takes `stream` out of `pairs`, for lists that can be had as lines: whether this one is to be.
pub(super) fn take_stream(pairs: &mut Vec<(String, String)>) -> Result<bool, Problem> {
    flag("stream", take("stream", pairs)?.as_deref())
}

fn flag(name: &str, text: Option<&str>) -> Result<bool, Problem> {
    match text {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(invalid(format!("{name} must be true or false"))),
    }
}

/// Takes the parameter `name` out of `pairs`, for a list that has one of its own; nothing where it is empty.
pub(super) fn take(name: &str, pairs: &mut Vec<(String, String)>) -> Result<Option<String>, Problem> {
    let mut given = pairs.extract_if(.., |(other, _)| other == name);
    let (first, again) = (given.next(), given.next());
    drop(given);
    if again.is_some() {
        return Err(invalid(format!("{name} must be given once")));
    }
    Ok(first.map(|(_, value)| value).filter(|value| !value.is_empty()))
}

fn count(name: &str, text: &str) -> Result<u32, Problem> {
    let number = text.parse().ok().filter(|number| (1..=MAX_PAGE).contains(number));
    number.ok_or_else(|| invalid(format!("{name} must be a number from 1 to {MAX_PAGE}")))
}

/// Refuses a text that says nothing.
pub(super) fn said(pointer: &str, text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() { Err(unfit(pointer, "must not be empty")) } else { Ok(()) }
}

/// What is wrong with a body, where.
pub(super) fn unfit(pointer: &str, detail: &str) -> Problem {
    let violations = vec![Violation::new(pointer, detail)];
    Problem::new(ErrorCode::ValidationFailed, "the body is not what this route takes")
        .with_violations(violations)
}

/// That something is both in the query and in the body.
pub(in crate::unified) fn twice(name: &str) -> Problem {
    invalid(format!("{name} must be given once: in the query or in the body"))
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(pairs: &[(&str, &str)], is_search: bool) -> Result<Parameters, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Parameters::take(pairs, is_search).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn what_is_shared_is_told_from_what_is_the_connectors() {
        let pairs =
            [("rule_id", "r"), ("max_results", "7"), ("session_token", "t"), ("raw", "true"), ("query", "q")];
        let taken = take(&pairs, true).unwrap();
        assert_eq!((taken.wanted.max_results, taken.wanted.raw), (7, true));
        assert_eq!(taken.wanted.parameters, [("rule_id".to_owned(), "r".to_owned())]);
        assert_eq!(taken.query.as_deref(), Some("q"));
        let listed = take(&pairs, false).unwrap();
        assert_eq!((listed.query, listed.wanted.parameters.len()), (None, 2));
        assert_eq!(take(&[], false).unwrap().wanted.max_results, DEFAULT_PAGE);
    }

    #[test]
    fn stream_is_taken_out_and_is_true_or_false() {
        let stream = |values: &[&str]| {
            let mut pairs: Vec<_> = values.iter().map(|value| ("stream".into(), (*value).into())).collect();
            pairs.insert(0, ("raw".to_owned(), "true".to_owned()));
            let taken = take_stream(&mut pairs).map_err(|problem| problem.detail().to_owned());
            taken.inspect(|_| assert_eq!(pairs.len(), 1))
        };
        assert_eq!([stream(&[]), stream(&[""]), stream(&["false"])], [const { Ok(false) }; 3]);
        assert_eq!(stream(&["true"]), Ok(true));
        for wrong in [&["1"][..], &["TRUE"], &["yes"]] {
            assert_eq!(stream(wrong).unwrap_err(), "stream must be true or false");
        }
        assert_eq!(stream(&["true", "true"]).unwrap_err(), "stream must be given once");
    }

    #[test]
    fn a_lists_own_parameter_is_taken_out() {
        let of = |values: &[&str]| {
            let mut pairs: Vec<_> = values.iter().map(|value| ("thread".into(), (*value).into())).collect();
            pairs.insert(0, ("raw".to_owned(), "true".to_owned()));
            let taken = super::take("thread", &mut pairs).map_err(|problem| problem.detail().to_owned());
            taken.inspect(|_| assert_eq!(pairs.len(), 1))
        };
        assert_eq!((of(&[]), of(&[""]), of(&["t"])), (Ok(None), Ok(None), Ok(Some("t".into()))));
        assert_eq!(of(&["t", "t"]).unwrap_err(), "thread must be given once");
    }

    #[test]
    fn wrong_values_are_named() {
        for (pairs, named) in [
            (&[("max_results", "0")][..], "max_results"),
            (&[("max_results", "1001")], "max_results"),
            (&[("max_results", "ten")], "max_results"),
            (&[("raw", "1")], "raw"),
            (&[("page_token", "a"), ("page_token", "b")], "page_token"),
        ] {
            let detail = take(pairs, false).unwrap_err();
            assert!(detail.starts_with(named), "{detail}");
        }
    }
}
