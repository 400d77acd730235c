//! Where an account is connected again, for errors that only that puts right.

use std::collections::{BTreeMap, BTreeSet};

use connections::connection::Connection;
use url::form_urlencoded;

use crate::Acting;

/// The path on this server that begins connecting an account of this user, or of the tenant's own where that is empty.
pub(crate) fn begin(provider: &str, user_email: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !user_email.is_empty() {
        query.append_pair("user_email", user_email);
    }
    path(provider, &query.finish())
}

/// The path on this server that begins connecting the account again, asking for what it was granted and, for the
/// credential that acts, for `missing`.
pub(crate) fn address(connection: &Connection, acting: &Acting, missing: &[String]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !connection.user_email.is_empty() {
        query.append_pair("user_email", &connection.user_email);
    }
    if !missing.is_empty() {
        // Asking for some leaves out the defaults, so what there is must be asked for, too.
        let granted = connection.credentials.iter().map(|each| (each.name.as_str(), &each.scopes[..]));
        let mut wanted: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
        for (name, scopes) in granted.chain([(acting.name.as_str(), missing)]) {
            wanted.entry(name).or_default().extend(scopes);
        }
        for (name, scopes) in wanted {
            let parameter =
                if name == acting.first { "scopes".to_owned() } else { format!("scopes[{name}]") };
            for scope in scopes {
                query.append_pair(&parameter, scope);
            }
        }
    }
    path(connection.provider.as_str(), &query.finish())
}

fn path(provider: &str, query: &str) -> String {
    let separator = if query.is_empty() { "" } else { "?" };
    format!("/api/v1/unified/auth/{provider}/url{separator}{query}")
}
