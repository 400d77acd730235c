//! What is made of providers' words for no.

use http::StatusCode;
use serde_json::json;
use zeroize::Zeroizing;

use super::*;

fn judged(place: Place, status: u16, body: &Value) -> Option<CallError> {
    let reply = Reply {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: None,
        body: Zeroizing::default(),
    };
    let json = (!body.is_null()).then(|| SecretJson::from(body.clone()));
    refusal(place, &reply, json.as_ref(), &[&SecretString::from("xoxe-1-AbCdEfGh")])
}

fn refused(code: &str) -> CallError {
    CallError::Refused { code: code.to_owned() }
}

#[test]
fn what_the_token_endpoint_says() {
    let unavailable = |status| Some(CallError::Unavailable { status, retry_after: None });
    for (status, body, expected) in [
        (200, json!({"access_token": "a"}), None),
        (200, json!({"error": null, "access_token": "a"}), None),
        (200, json!({"error": "", "ok": true}), None),
        (200, json!({"error": 0, "code": "a", "status": "b"}), None),
        (400, json!({"error": "invalid_grant"}), Some(CallError::InvalidGrant)),
        (200, json!({"error": "bad_refresh_token"}), Some(CallError::InvalidGrant)),
        (200, json!({"ok": false, "error": "invalid_refresh_token"}), Some(CallError::InvalidGrant)),
        (400, json!({"status": "BAD_REFRESH_TOKEN", "message": "x"}), Some(CallError::InvalidGrant)),
        (401, json!({"errors": [{"errorType": "invalid_grant"}]}), Some(CallError::InvalidGrant)),
        (401, json!({"error": "invalid_client"}), Some(CallError::InvalidClient)),
        (200, json!({"ok": false, "error": "bad_client_secret"}), Some(CallError::InvalidClient)),
        (403, json!({"error": "unauthorized_client"}), Some(CallError::InvalidClient)),
        (
            403,
            json!({"error": "unauthorized_client", "error_description": "refresh_token is invalid"}),
            Some(CallError::InvalidGrant),
        ),
        (400, json!({"error": "unsupported_grant_type"}), Some(refused("unsupported_grant_type"))),
        (400, json!({"error": {"type": "OAuthException", "code": 190}}), Some(refused("oauthexception"))),
        (200, json!({"ok": false}), Some(refused("unnamed"))),
        (200, json!({"success": false}), Some(refused("unnamed"))),
        (
            200,
            json!({"ok": false, "error": "ratelimited"}),
            Some(CallError::RateLimited { retry_after: None }),
        ),
        (400, json!({"error": "temporarily_unavailable"}), unavailable(400)),
        (200, json!({"ok": false, "error": "fatal_error"}), unavailable(200)),
        (400, json!({"error": {"code": 190}}), Some(refused("unnamed"))),
        (400, json!({"error": 190}), Some(refused("190"))),
        (400, json!({}), Some(refused("http_400"))),
        (404, json!(null), Some(refused("http_404"))),
        (400, json!([]), Some(refused("http_400"))),
        (401, json!(null), Some(CallError::InvalidClient)),
    ] {
        assert_eq!(judged(Place::Token, status, &body), expected, "{status} {body}");
    }
}

#[test]
fn what_a_resource_says() {
    for (status, body, expected) in [
        (200, json!({"id": 1}), None),
        (200, json!([{"id": 1}]), None),
        (401, json!(null), Some(CallError::TokenRejected)),
        (401, json!({"error": "anything"}), Some(CallError::TokenRejected)),
        (200, json!({"ok": false, "error": "invalid_auth"}), Some(CallError::TokenRejected)),
        (403, json!({"error": {"code": "InvalidAuthenticationToken"}}), Some(CallError::TokenRejected)),
        (400, json!({"error": "invalid_token"}), Some(CallError::TokenRejected)),
        (
            403,
            json!({"error": {"code": 403, "status": "PERMISSION_DENIED"}}),
            Some(refused("permission_denied")),
        ),
        (200, json!({"ok": false, "error": "missing_scope"}), Some(refused("missing_scope"))),
        (403, json!(null), Some(refused("http_403"))),
    ] {
        assert_eq!(judged(Place::Resource, status, &body), expected, "{status} {body}");
    }
}

#[test]
fn a_word_that_repeats_a_secret_or_prose_is_not_repeated() {
    for word in [
        "xoxe-1-AbCdEfGh",
        "token_xoxe-1-abcd",
        "bad.CDEFGH",
        "invalid token sk_live",
        "sk_live_51H",
        "1234567",
        "qwertzuiopasdfghjklyxcvbnm",
        "<script>",
        "a\u{202e}b",
        &"a".repeat(65),
    ] {
        assert_eq!(judged(Place::Token, 400, &json!({"error": word})), Some(refused("unnamed")), "{word}");
    }
}
