//! How GitHub says no: <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api>,
//! <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.

use std::time::Duration;

use serde_json::Value;

use crate::http::{Refusal, Trouble, Vendor};

pub(super) static VENDOR: Vendor = Vendor {
    id: "github",
    name: "GitHub",
    base_url: "https://api.github.com",
    // What is read and sent here is the same in the version after this one, which GitHub Enterprise Server may not know.
    headers: &[("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")],
    refuses_with_200: false,
    trouble,
};

/// How long to wait where a secondary limit does not tell: the least that GitHub asks for.
const SECONDARY_WAIT: Duration = Duration::from_mins(1);

fn trouble(refusal: &Refusal<'_>) -> Option<Trouble> {
    let said = refusal.text("/message");
    match refusal.status.as_u16() {
        403 | 429 if let Some(limit) = limit(refusal) => Some(limit),
        403 if let Some(scopes) = missing_scopes(refusal, &[]) => Some(Trouble::MissingScope(scopes)),
        403 if said.contains("not accessible by") => Some(Trouble::Rejected(lacks_permission(refusal))),
        // What an account may not see is not there. One that may see repositories by its scopes is believed.
        404 if let Some(scopes) = missing_scopes(refusal, &["public_repo"]) => {
            Some(Trouble::MissingScope(scopes))
        }
        // A repository without issues says that they are gone.
        410 if said.contains("disabled") => Some(Trouble::Rejected(said.to_owned())),
        422 => {
            let said = with_fields(refusal);
            let is_there = said.contains("already exists") || said.contains("already_exists");
            Some(if is_there { Trouble::Conflict(said) } else { Trouble::Rejected(said) })
        }
        _ => None,
    }
}

/// A limit, if it is one: of an hour or a minute, whose end a header tells, or a secondary one, of too much at once.
fn limit(refusal: &Refusal<'_>) -> Option<Trouble> {
    let tells = !refusal.header("retry-after").is_empty() || refusal.header("x-ratelimit-remaining") == "0";
    if tells {
        return Some(Trouble::RateLimited(None));
    }
    // The header with the end of the hour is there, too, but this is not what it is about.
    let is_secondary = refusal.text("/message").contains("secondary rate limit");
    is_secondary.then_some(Trouble::RateLimited(Some(SECONDARY_WAIT)))
}

/// The scopes of which one is needed, if the token has none of those nor of `enough`. Tokens of GitHub Apps have no scopes,
/// and answers to them do not tell of any.
fn missing_scopes(refusal: &Refusal<'_>, enough: &[&str]) -> Option<Vec<String>> {
    refusal.headers.get("x-oauth-scopes")?;
    let list = |name: &str| refusal.header(name).split(',').map(str::trim).filter(|scope| !scope.is_empty());
    let wanted: Vec<&str> = list("x-accepted-oauth-scopes").collect();
    let suffices = |granted: &str| {
        wanted.iter().chain(enough).any(|scope| *scope == granted)
            || implied(granted).iter().any(|each| wanted.contains(each))
    };
    let is_missing = !wanted.is_empty() && !list("x-oauth-scopes").any(suffices);
    is_missing.then(|| wanted.into_iter().map(str::to_owned).collect())
}

/// What a scope includes, of those that matter here:
/// <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps>.
fn implied(scope: &str) -> &'static [&'static str] {
    match scope {
        "repo" => &["public_repo", "repo:status", "repo_deployment", "repo:invite", "security_events"],
        "user" => &["read:user", "user:email", "user:follow"],
        _ => &[],
    }
}

/// What a GitHub App lacks. Its permissions are its operator's to choose and its installation's to accept, so that nothing
/// is won by connecting again.
fn lacks_permission(refusal: &Refusal<'_>) -> String {
    let (said, permissions) = (refusal.text("/message"), refusal.header("x-accepted-github-permissions"));
    if permissions.is_empty() {
        return said.to_owned();
    }
    format!("{said}: the GitHub App must be installed there with the permissions {permissions}")
}

/// The message, and what it says of single fields.
fn with_fields(refusal: &Refusal<'_>) -> String {
    let errors = refusal.body.get("errors").and_then(Value::as_array).into_iter().flatten();
    let errors = errors.filter_map(|error| {
        let text = |name| error.get(name).and_then(Value::as_str);
        text("message")
            .or(error.as_str())
            .map(str::to_owned)
            .or_else(|| Some(format!("{} {}", text("field")?, text("code")?)))
    });
    let said = Some(refusal.text("/message").to_owned()).filter(|said| !said.is_empty());
    said.into_iter().chain(errors.take(5)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
    use serde_json::json;

    use super::*;

    fn of(status: u16, headers: &[(&'static str, &str)], body: &Value) -> Option<Trouble> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let headers: HeaderMap = headers.collect();
        trouble(&Refusal { status: StatusCode::from_u16(status).unwrap(), headers: &headers, body })
    }

    #[test]
    fn limits_are_told_from_permissions() {
        let (reset, body) = (("x-ratelimit-reset", "1795284000"), json!({"message": "Forbidden"}));
        let secondary = json!({"message": "You have exceeded a secondary rate limit. Please wait."});
        for status in [403, 429] {
            let spent = of(status, &[("x-ratelimit-remaining", "0"), reset], &body);
            assert_eq!(spent, Some(Trouble::RateLimited(None)));
            let told =
                of(status, &[("retry-after", "30"), ("x-ratelimit-remaining", "4999"), reset], &secondary);
            assert_eq!(told, Some(Trouble::RateLimited(None)));
            let untold = of(status, &[("x-ratelimit-remaining", "4999"), reset], &secondary);
            assert_eq!(untold, Some(Trouble::RateLimited(Some(SECONDARY_WAIT))));
        }
        assert_eq!(of(403, &[("x-ratelimit-remaining", "4999"), reset], &body), None);
    }

    #[test]
    fn scopes_are_missing_only_where_they_are_what_counts() {
        let body = json!({"message": "Not Found"});
        let scopes = |status, granted, wanted| {
            of(status, &[("x-oauth-scopes", granted), ("x-accepted-oauth-scopes", wanted)], &body)
        };
        let missing = |scopes: &[&str]| {
            Some(Trouble::MissingScope(scopes.iter().map(|scope| (*scope).to_owned()).collect()))
        };
        assert_eq!(scopes(403, "repo, read:user", "delete_repo"), missing(&["delete_repo"]));
        assert_eq!(scopes(404, "", "public_repo, repo"), missing(&["public_repo", "repo"]));
        assert_eq!(scopes(404, "read:user", "repo"), missing(&["repo"]));
        for (granted, wanted) in
            [("repo", "repo"), ("repo", "public_repo"), ("read:user", ""), ("public_repo", "repo")]
        {
            assert_eq!(scopes(404, granted, wanted), None, "{granted}");
        }
        assert_eq!(of(404, &[("x-accepted-oauth-scopes", "repo")], &body), None, "a GitHub App");
    }

    #[test]
    fn what_an_app_lacks_is_named() {
        let body = json!({"message": "Resource not accessible by integration"});
        let Some(Trouble::Rejected(said)) =
            of(403, &[("x-accepted-github-permissions", "issues=write")], &body)
        else {
            panic!("a refusal")
        };
        assert!(
            said.starts_with("Resource not accessible by integration: ") && said.ends_with("issues=write")
        );
    }

    #[test]
    fn what_is_not_valid_is_told_by_field() {
        let body = json!({"message": "Validation Failed", "errors": [
            {"resource": "Issue", "field": "title", "code": "missing_field"}, {"code": "custom", "message": "no"}, "text",
        ]});
        let told = "Validation Failed; title missing_field; no; text".to_owned();
        assert_eq!(of(422, &[], &body), Some(Trouble::Rejected(told)));
        let body = json!({"message": "Repository creation failed.", "errors": [
            {"resource": "Repository", "code": "custom", "field": "name", "message": "name already exists on this account"},
        ]});
        assert!(matches!(of(422, &[], &body), Some(Trouble::Conflict(_))));
        let disabled = json!({"message": "Issues has been disabled in this repository."});
        assert!(matches!(of(410, &[], &disabled), Some(Trouble::Rejected(_))));
        assert_eq!(of(410, &[], &json!({"message": "This issue was deleted"})), None);
    }
}
