//! How Slack says no: with status 200, `ok: false` and a word (<https://docs.slack.dev/apis/web-api>).

use crate::http::{Refusal, Trouble, Vendor};

pub(super) static VENDOR: Vendor = Vendor {
    id: "slack",
    name: "Slack",
    base_url: "https://slack.com/api",
    headers: &[],
    refuses_with_200: true,
    trouble,
};

fn trouble(refusal: &Refusal<'_>) -> Option<Trouble> {
    let word = refusal.text("/error");
    if refusal.body.get("ok").and_then(serde_json::Value::as_bool) != Some(false) {
        return None;
    }
    Some(match word {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => Trouble::RateLimited(None),
        "invalid_auth" | "not_authed" | "token_expired" | "token_revoked" | "account_inactive" => {
            Trouble::TokenRefused
        }
        "missing_scope" => {
            let needed = refusal.text("/needed").split([',', '|']);
            Trouble::MissingScope(needed.map(|scope| scope.trim().to_owned()).collect())
        }
        "channel_not_found" | "message_not_found" | "thread_not_found" | "user_not_found" => {
            Trouble::NotFound
        }
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => {
            Trouble::Unavailable(word.to_owned())
        }
        _ => Trouble::Rejected(sentence(word)),
    })
}

/// The word, and what can be done about it where that is known.
fn sentence(word: &str) -> String {
    let advice = match word {
        "" => return "it does not say why".to_owned(),
        "not_in_channel" => "the app must be invited to this channel first",
        "is_archived" => "the channel is archived",
        "msg_too_long" => "the text is too long",
        "no_text" => "there must be a text, blocks or attachments",
        "cant_update_message" => "only the account that sent a message may change it",
        "cant_delete_message" => "only the account that sent a message may delete it",
        "edit_window_closed" => "the time in which it may be changed is over",
        "invalid_cursor" => "begin again without page_token",
        "not_allowed_token_type" => "it takes no token of this kind for this",
        "access_denied" | "no_permission" | "restricted_action" | "ekm_access_denied" => {
            "the workspace's settings do not let this account do it"
        }
        _ => return word.to_owned(),
    };
    format!("{word}: {advice}")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::{Value, json};

    use super::*;

    fn of(body: &Value) -> Option<Trouble> {
        trouble(&Refusal { status: StatusCode::OK, headers: &HeaderMap::new(), body })
    }

    fn word(word: &str) -> Option<Trouble> {
        of(&json!({"ok": false, "error": word}))
    }

    #[test]
    fn words_mean_what_the_documents_say() {
        assert_eq!(word("ratelimited"), Some(Trouble::RateLimited(None)));
        assert_eq!(word("token_expired"), Some(Trouble::TokenRefused));
        assert_eq!(word("channel_not_found"), Some(Trouble::NotFound));
        assert_eq!(word("fatal_error"), Some(Trouble::Unavailable("fatal_error".into())));
        assert_eq!(word("invalid_blocks"), Some(Trouble::Rejected("invalid_blocks".into())));
        assert_eq!(of(&json!({"ok": false})), Some(Trouble::Rejected("it does not say why".into())));
        let Some(Trouble::Rejected(said)) = word("not_in_channel") else { panic!("a refusal") };
        assert!(said.starts_with("not_in_channel: "), "{said}");
    }

    #[test]
    fn the_scopes_that_are_missing_are_named() {
        let body = json!({"ok": false, "error": "missing_scope", "needed": "groups:read,im:read|mpim:read"});
        let scopes = ["groups:read", "im:read", "mpim:read"].map(str::to_owned).to_vec();
        assert_eq!(of(&body), Some(Trouble::MissingScope(scopes)));
    }

    #[test]
    fn what_is_well_is_no_trouble() {
        for body in [json!({"ok": true}), json!({"ok": true, "error": "x"}), json!({}), Value::Null] {
            assert_eq!(of(&body), None, "{body}");
        }
    }
}
