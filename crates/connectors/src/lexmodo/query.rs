//! What may be asked for.

use model::Violation;

use super::customer::Query;
use crate::Error;

/// The page size where none is asked for.
const PAGE_SIZE: u32 = 100;
/// The largest page.
const MAX_PAGE_SIZE: u32 = 1_000;
/// The longest id, in characters.
const MAX_ID: usize = 256;
/// The longest rule in the platform's words, in characters.
const MAX_RULE: usize = 4_096;

/// Refuses an id that no customer can have.
pub(super) fn check_id(id: &str) -> Result<(), Error> {
    invalid(wrong_text("/id", id, MAX_ID, is_visible).into_iter().collect())
}

/// How many customers to a page, if the whole request is one that can be made.
pub(super) fn check(query: &Query) -> Result<u32, Error> {
    let size = query.page_size.unwrap_or(PAGE_SIZE);
    let violations = [
        query.rule_id.as_deref().and_then(|id| wrong_text("/rule_id", id, MAX_ID, is_visible)),
        query.rule.as_deref().and_then(|rule| wrong_text("/rule_query", rule, MAX_RULE, is_written)),
        (!(1..=MAX_PAGE_SIZE).contains(&size))
            .then(|| Violation::new("/display_result", format!("must be from 1 to {MAX_PAGE_SIZE}"))),
    ];
    invalid(violations.into_iter().flatten().collect())?;
    Ok(size)
}

fn invalid(violations: Vec<Violation>) -> Result<(), Error> {
    if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) }
}

fn is_visible(letter: char) -> bool {
    !letter.is_control() && !letter.is_whitespace()
}

fn is_written(letter: char) -> bool {
    !letter.is_control() || matches!(letter, '\n' | '\r' | '\t')
}

fn wrong_text(pointer: &str, text: &str, most: usize, allowed: fn(char) -> bool) -> Option<Violation> {
    let fits = !text.is_empty() && text.chars().nth(most).is_none() && text.chars().all(allowed);
    (!fits).then(|| Violation::new(pointer, format!("must have from 1 to {most} visible characters")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(query: &Query) -> Vec<String> {
        match check(query) {
            Err(Error::Invalid(violations)) => violations.into_iter().map(|wrong| wrong.pointer).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_page_has_from_1_to_1000_customers() {
        let size = |page_size| check(&Query { page_size, ..Query::default() }).ok();
        assert_eq!(size(None), Some(100));
        assert_eq!(size(Some(1)), Some(1));
        assert_eq!(size(Some(1_000)), Some(1_000));
        assert_eq!(size(Some(0)), None);
        assert_eq!(size(Some(1_001)), None);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let query =
            Query { rule_id: Some("a b".to_owned()), rule: Some("nul \0".to_owned()), page_size: Some(0) };
        assert_eq!(pointers(&query), ["/rule_id", "/rule_query", "/display_result"]);
    }

    #[test]
    fn an_id_is_visible_and_short() {
        assert!(check_id("7-000001").is_ok() && check_id("Ä").is_ok() && check_id(&"x".repeat(256)).is_ok());
        for wrong in ["", " ", "a\n", "a\u{7f}", "a b", &"x".repeat(257)] {
            assert!(matches!(check_id(wrong), Err(Error::Invalid(_))), "{wrong:?}");
        }
    }
}
