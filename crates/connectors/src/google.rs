//! How Google says no: <https://developers.google.com/workspace/gmail/api/guides/handle-errors>,
//! <https://developers.google.com/workspace/drive/api/guides/handle-errors>, <https://google.aip.dev/193>.

use serde_json::Value;

use crate::http::{Refusal, Trouble};

/// What a refusal means where its status alone does not tell. A 403 is a limit, a scope that is missing, or a permission
/// that the account has not.
pub(crate) fn trouble(refusal: &Refusal<'_>) -> Option<Trouble> {
    let says = |words: &[&str]| reasons(refusal).any(|reason| words.contains(&reason));
    match refusal.status.as_u16() {
        403 if says(&["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"]) => {
            Some(Trouble::RateLimited(None))
        }
        // Where the challenge names the scopes, they are read from there.
        403 if refusal.header("www-authenticate").contains("insufficient_scope") => None,
        403 if says(&["insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"]) => {
            Some(Trouble::MissingScope(Vec::new()))
        }
        // Gmail's word for an id that it cannot have given out.
        400 if refusal.text("/error/message").starts_with("Invalid id value") => Some(Trouble::NotFound),
        _ => None,
    }
}

/// The machine-readable reasons, of the older shape and of the newer.
fn reasons<'a>(refusal: &Refusal<'a>) -> impl Iterator<Item = &'a str> {
    let body: &'a Value = refusal.body;
    let lists =
        ["/error/errors", "/error/details"].into_iter().filter_map(move |at| body.pointer(at)?.as_array());
    lists.flatten().filter_map(|each| each.get("reason")?.as_str())
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
    fn a_403_is_told_apart_by_its_reason() {
        let old =
            |reason: &str| json!({"error": {"code": 403, "errors": [{"domain": "x", "reason": reason}]}});
        let new =
            |reason: &str| json!({"error": {"code": 403, "details": [{"@type": "y"}, {"reason": reason}]}});
        for limit in [old("rateLimitExceeded"), old("userRateLimitExceeded"), new("RATE_LIMIT_EXCEEDED")] {
            assert_eq!(of(403, &limit), Some(Trouble::RateLimited(None)));
        }
        for scope in [old("insufficientPermissions"), new("ACCESS_TOKEN_SCOPE_INSUFFICIENT")] {
            assert_eq!(of(403, &scope), Some(Trouble::MissingScope(Vec::new())));
        }
        for other in [old("forbidden"), old("insufficientFilePermissions"), json!("text"), json!(null)] {
            assert_eq!(of(403, &other), None);
        }
        assert_eq!(of(429, &old("rateLimitExceeded")), None, "as its status says");
    }

    #[test]
    fn an_id_that_is_none_is_not_there() {
        assert_eq!(of(400, &json!({"error": {"message": "Invalid id value"}})), Some(Trouble::NotFound));
        assert_eq!(of(400, &json!({"error": {"message": "Invalid label"}})), None);
    }
}
