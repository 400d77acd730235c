//! The sample people.

use serde::Serialize;

/// Somebody who can consent here.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Person {
    /// The id, `sub` in answers.
    pub(crate) sub: &'static str,
    pub(crate) name: &'static str,
    /// At a domain that can never be anybody's (RFC 2606).
    pub(crate) email: &'static str,
    pub(crate) email_verified: bool,
}

/// Everybody there is.
pub(crate) static PEOPLE: [Person; 3] = [
    person("ann", "Ann Archer", "ann@sandbox.example"),
    person("ben", "Ben Baker", "ben@sandbox.example"),
    person("cleo", "Cleo Cooper", "cleo@sandbox.example"),
];

const fn person(sub: &'static str, name: &'static str, email: &'static str) -> Person {
    Person { sub, name, email, email_verified: true }
}

/// The person with this id or email address.
pub(crate) fn find(hint: &str) -> Option<&'static Person> {
    PEOPLE.iter().find(|person| person.sub == hint || person.email == hint)
}
