//! What Jira and Confluence have in common: where a site's API is, and how Atlassian refuses:
//! <https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/#3-1-get-the-cloudid-for-your-site>,
//! <https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>.

use serde_json::Value;

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

/// The most sentences of a refusal that are passed on.
const MAX_SENTENCES: usize = 8;

/// What a refusal means where its status alone does not tell: the gateway before the products has words of its own, and the
/// products say what is wrong in several sentences, and by field.
pub(crate) fn trouble(refusal: &Refusal<'_>) -> Option<Trouble> {
    let says_scope = refusal.text("/message").to_ascii_lowercase().contains("scope does not match");
    match refusal.status.as_u16() {
        // The gateway says so with 401 and 403; the token is good all the same.
        401 | 403 if says_scope => Some(Trouble::MissingScope(Vec::new())),
        // What was taken out of the API, and no thing that is not there.
        410 => Some(Trouble::Rejected("it has taken this out of its API".to_owned())),
        // A challenge that names scopes is read as any other.
        403 if !refusal.header("www-authenticate").is_empty() => None,
        400 | 403 | 413 | 422 => sentences(refusal.body).map(Trouble::Rejected),
        409 => sentences(refusal.body).map(Trouble::Conflict),
        _ => None,
    }
}

/// What is wrong: `errorMessages` of the whole, `errors` by the name of each field, or as a list with titles and details.
fn sentences(body: &Value) -> Option<String> {
    let whole =
        body.get("errorMessages").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let errors = body.get("errors");
    let by_field = errors.and_then(Value::as_object).into_iter().flatten();
    let by_field = by_field.filter_map(|(name, text)| Some(format!("{name}: {}", text.as_str()?)));
    let text = |each: &Value, name: &str| {
        each.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let listed = errors.and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter_map(|each| text(each, "detail").or_else(|| text(each, "title")));
    let all = whole.map(str::to_owned).chain(by_field).chain(listed);
    let all: Vec<String> = all.filter(|text| !text.trim().is_empty()).take(MAX_SENTENCES).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    fn of(status: u16, body: &Value) -> Option<Trouble> {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        trouble(&Refusal { status, headers: &headers, body })
    }

    #[test]
    fn a_scope_that_is_missing_is_no_bad_token() {
        let says = |message: &str| json!({"code": 401, "message": message});
        for status in [401, 403] {
            let told = of(status, &says("Unauthorized; scope does not match"));
            assert_eq!(told, Some(Trouble::MissingScope(Vec::new())));
            assert_eq!(of(status, &says("Unauthorized")), None, "as its status says");
        }
    }

    #[test]
    fn all_sentences_are_passed_on() {
        let rejected = |words: &str| Some(Trouble::Rejected(words.to_owned()));
        let body = json!({"errorMessages": ["One.", "Two."], "errors": {"summary": "is required", "n": 7}});
        assert_eq!(of(400, &body), rejected("One.; Two.; summary: is required"));
        assert_eq!(
            of(403, &json!({"errorMessages": ["No permission."], "errors": {}})),
            rejected("No permission.")
        );
        let body = json!({"errors": [{"status": 400, "title": "Bad", "detail": "Body is wrong"}, {"title": "Worse"}]});
        assert_eq!(of(400, &body), rejected("Body is wrong; Worse"));
        let conflict = json!({"errorMessages": ["Conflicting update"]});
        assert_eq!(of(409, &conflict), Some(Trouble::Conflict("Conflicting update".into())));
    }

    #[test]
    fn what_tells_nothing_means_what_its_status_means() {
        for status in [400, 401, 403, 404, 409, 429, 503] {
            for body in
                [json!(null), json!({}), json!({"errorMessages": [], "errors": {}}), json!({"errors": "x"})]
            {
                assert_eq!(of(status, &body), None, "{status} {body}");
            }
        }
        assert!(
            matches!(of(410, &json!({})), Some(Trouble::Rejected(_))),
            "it is no thing that is not there"
        );
    }
}
