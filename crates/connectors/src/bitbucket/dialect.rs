//! How Bitbucket says no: `{"type": "error", "error": {"message", "detail", "fields"}}`.
//! <https://developer.atlassian.com/cloud/bitbucket/rest/intro/#standardized-error-responses>

use serde_json::Value;

use crate::http::{Refusal, Trouble, Vendor};

pub(super) static VENDOR: Vendor = Vendor {
    id: "bitbucket",
    name: "Bitbucket",
    base_url: "https://api.bitbucket.org/2.0",
    headers: &[],
    refuses_with_200: false,
    trouble,
};

fn trouble(refusal: &Refusal<'_>) -> Option<Trouble> {
    let message = refusal.text("/error/message");
    match refusal.status.as_u16() {
        403 => missing_scope(refusal.body).or_else(|| rejected(refusal)),
        // A repository of this name is no wrong request.
        400 if message.contains("already exists") => Some(Trouble::Conflict(message.to_owned())),
        // An endpoint that was taken away is no thing that is not there.
        410 if message.starts_with("CHANGE-") => Some(Trouble::Rejected(message.to_owned())),
        400 | 422 => rejected(refusal),
        _ => None,
    }
}

/// What the token lacks, of what was asked of it.
fn missing_scope(body: &Value) -> Option<Trouble> {
    let scopes = |pointer: &str| {
        let listed = body.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let (required, granted) = (scopes("/error/detail/required"), scopes("/error/detail/granted"));
    let missing: Vec<String> = required.iter().filter(|scope| !granted.contains(scope)).cloned().collect();
    let told = if missing.is_empty() { required } else { missing };
    (!told.is_empty()).then_some(Trouble::MissingScope(told))
}

/// A refusal with all that is told of it, where that is more than its message.
fn rejected(refusal: &Refusal<'_>) -> Option<Trouble> {
    let message = refusal.text("/error/message");
    let detail = refusal.text("/error/detail");
    let fields = refusal.body.pointer("/error/fields").and_then(Value::as_object).into_iter().flatten();
    let fields = fields.filter_map(|(name, why)| {
        let why = why.as_str().or_else(|| why.get(0)?.as_str())?;
        // The message may be made of just these.
        (!message.contains(why)).then(|| format!("{name}: {why}"))
    });
    let more: Vec<String> = Some(detail.to_owned())
        .filter(|detail| !detail.is_empty())
        .into_iter()
        .chain(fields.take(5))
        .collect();
    (!more.is_empty()).then(|| {
        let message = Some(message.to_owned()).filter(|message| !message.is_empty());
        Trouble::Rejected(message.into_iter().chain(more).collect::<Vec<_>>().join("; "))
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    fn of(status: u16, error: &Value) -> Option<Trouble> {
        let body = json!({"type": "error", "error": error});
        let status = StatusCode::from_u16(status).unwrap();
        trouble(&Refusal { status, headers: &HeaderMap::new(), body: &body })
    }

    #[test]
    fn the_scopes_that_are_missing_are_named() {
        let message = "Your credentials lack one or more required privilege scopes.";
        let lacks = |required: &[&str], granted: &[&str]| {
            of(403, &json!({"message": message, "detail": {"required": required, "granted": granted}}))
        };
        let told = |scopes: &[&str]| {
            Some(Trouble::MissingScope(scopes.iter().map(|scope| (*scope).to_owned()).collect()))
        };
        assert_eq!(lacks(&["account"], &["repository"]), told(&["account"]));
        assert_eq!(lacks(&["account", "project"], &["account"]), told(&["project"]));
        assert_eq!(lacks(&["account"], &["account"]), told(&["account"]));
        // Any other 403 is what its status says.
        assert_eq!(of(403, &json!({"message": "Forbidden"})), None);
        assert_eq!(lacks(&[], &[]), None);
    }

    #[test]
    fn all_that_is_told_is_passed_on() {
        let rejected = |words: &str| Some(Trouble::Rejected(words.to_owned()));
        let title =
            json!({"message": "Bad request", "fields": {"title": ["This field is required."], "x": 1}});
        assert_eq!(of(400, &title), rejected("Bad request; title: This field is required."));
        let told = json!({"message": "title: This field is required.", "fields": {"title": ["This field is required."]}});
        assert_eq!(of(400, &told), None, "the message says it all");
        let detail = json!({"message": "Access denied", "detail": "Ask an administrator."});
        assert_eq!(of(403, &detail), rejected("Access denied; Ask an administrator."));
        assert_eq!(of(400, &Value::Null), None);
        assert_eq!(of(429, &json!({"message": "Rate limit for this resource has been exceeded"})), None);
    }

    #[test]
    fn some_statuses_mean_something_else() {
        let exists = "Repository with this Slug and Owner already exists.";
        let conflict = of(400, &json!({"message": exists, "fields": {"slug": [exists]}}));
        assert_eq!(conflict, Some(Trouble::Conflict(exists.into())));
        let gone = "CHANGE-2770 - Functionality has been deprecated";
        assert_eq!(of(410, &json!({"message": gone})), Some(Trouble::Rejected(gone.into())));
        assert_eq!(of(410, &json!({"message": "This account has been marked as spam"})), None);
    }
}
