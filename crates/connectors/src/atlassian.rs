//! What Jira and Confluence have in common: where a site's API is, and how Atlassian refuses:
//! <https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/#3-1-get-the-cloudid-for-your-site>,
//! <https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>.

use crate::http::{Api, Refusal, Trouble, Upstream};
use crate::{Context, Error};

/// The API of `product` at the site that the connection has chosen.
///
/// # Errors
/// [`Error::NeedsSite`] where none is chosen.
pub(crate) fn site<'a>(
    upstream: &'a Upstream,
    context: &'a Context,
    product: &str,
) -> Result<Api<'a>, Error> {
    let site = context.site()?;
    upstream.api(context).below(["ex", product, &site.id])
}

/// What a refusal means where its status alone does not tell.
pub(crate) fn trouble(refusal: &Refusal<'_>) -> Option<Trouble> {
    let says_scope = |text: &str| text.to_ascii_lowercase().contains("scope does not match");
    match refusal.status.as_u16() {
        // The gateway says so with 401 and 403; the token is good all the same.
        401 | 403 if says_scope(refusal.text("/message")) => Some(Trouble::MissingScope(Vec::new())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scope_that_is_missing_is_no_bad_token() {
        let of = |message: &str| {
            let body = json!({"code": 401, "message": message});
            let headers = HeaderMap::new();
            trouble(&Refusal { status: StatusCode::UNAUTHORIZED, headers: &headers, body: &body })
        };
        assert_eq!(of("Unauthorized; scope does not match"), Some(Trouble::MissingScope(Vec::new())));
        assert_eq!(of("Unauthorized"), None);
    }
}
