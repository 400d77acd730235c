//! Where an account is connected again, for errors that only that puts right.

use std::collections::BTreeSet;

use connections::connection::Connection;
use url::form_urlencoded;

/// The path on this server that begins connecting the account again, asking for what it was granted and for `missing`.
pub(crate) fn address(connection: &Connection, missing: &[String]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !connection.user_email.is_empty() {
        query.append_pair("user_email", &connection.user_email);
    }
    if !missing.is_empty() {
        // Asking for some leaves out the defaults, so what there is must be asked for, too.
        let granted = connection.credentials.first().map_or(&[][..], |credential| &credential.scopes);
        let scopes: BTreeSet<&String> = granted.iter().chain(missing).collect();
        for scope in scopes {
            query.append_pair("scopes", scope);
        }
    }
    let query = query.finish();
    let separator = if query.is_empty() { "" } else { "?" };
    format!("/api/v1/unified/auth/{}/url{separator}{query}", connection.provider)
}
