//! What providers mean by the errors they answer with.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::body::SecretJson;
use super::error::CallError;
use super::http::Reply;

/// Where an answer comes from: the same word means different things at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The token endpoint, where the client and a grant are judged.
    Token,
    /// A resource, where an access token is judged.
    Resource,
}

/// Words for a code or refresh token that is used up, expired or revoked, at the token endpoint.
const GRANT: &[&str] = &[
    // RFC 6749, section 5.2; RFC 6750, section 3.1; RFC 8628, section 3.5.
    "invalid_grant",
    "invalid_token",
    "expired_token",
    // OpenID Connect Core, section 3.1.2.6: only the user can help.
    "interaction_required",
    "login_required",
    "consent_required",
    // docs.github.com, "Troubleshooting OAuth app access token request errors" and "Refreshing user access tokens".
    "bad_verification_code",
    "bad_refresh_token",
    // docs.slack.dev, oauth.v2.access and the errors common to all methods.
    "invalid_code",
    "code_already_used",
    "invalid_refresh_token",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "authorization_not_found",
    // developers.hubspot.com, OAuth errors.
    "bad_auth_code",
];

/// Words for a client id or secret that is wrong.
const CLIENT: &[&str] = &[
    "invalid_client",
    "unauthorized_client",
    "incorrect_client_credentials",
    "bad_client_secret",
    "invalid_client_id",
    "bad_client_id",
    "invalid_client_secret",
];

/// Words of the client's that mean the grant where the description names the refresh token: Atlassian answers 403
/// `{"error":"unauthorized_client","error_description":"refresh_token is invalid"}`.
const CLIENT_OR_GRANT: (&str, [&str; 2]) = ("unauthorized_client", ["refresh_token", "refresh token"]);

/// Words for an access token that is not accepted, at a resource.
const TOKEN: &[&str] = &[
    "invalid_token",
    "expired_token",
    "expired_access_token",
    "invalid_auth",
    "not_authed",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "invalidauthenticationtoken",
    "unauthenticated",
];

/// Words for too many calls.
const BUSY: &[&str] =
    &["ratelimited", "rate_limited", "rate_limit_exceeded", "slow_down", "too_many_requests"];

/// Words for trouble that is the provider's own.
const TROUBLE: &[&str] = &[
    "temporarily_unavailable",
    "server_error",
    "internal_error",
    "internal_server_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
];

/// The longest word that is repeated to people.
const MAX_WORD: usize = 64;

/// The longest part of one, between its marks.
const MAX_PART: usize = 24;

/// The longest number that names an error.
const MAX_NUMBER: usize = 6;

/// How many characters of a secret in a word make it a secret.
const TELLING: usize = 6;

/// The error in an answer, if it is one: by its status, or by its words though the status says 200. `secrets` are what
/// was sent; a word that repeats some of them is not repeated again.
pub(super) fn refusal(
    place: Place,
    reply: &Reply,
    json: Option<&SecretJson>,
    secrets: &[&SecretString],
) -> Option<CallError> {
    let failed = !reply.status.is_success();
    let word = json.and_then(|json| word(json.value(), failed));
    match word {
        Some(word) => Some(meaning(place, &word, json.map(SecretJson::value), reply, secrets)),
        None if !failed => None,
        None if reply.status.as_u16() == 401 => Some(match place {
            Place::Token => CallError::InvalidClient,
            Place::Resource => CallError::TokenRejected,
        }),
        None => Some(CallError::Refused { code: format!("http_{}", reply.status.as_u16()) }),
    }
}

fn meaning(
    place: Place,
    raw: &str,
    json: Option<&Value>,
    reply: &Reply,
    secrets: &[&SecretString],
) -> CallError {
    let word = simplified(raw);
    let known = |words: &[&str]| words.contains(&word.as_str());
    if known(BUSY) {
        return CallError::RateLimited { retry_after: reply.retry_after };
    }
    if known(TROUBLE) {
        return CallError::Unavailable { status: reply.status.as_u16(), retry_after: reply.retry_after };
    }
    match place {
        Place::Token if known(GRANT) || names_refresh_token(&word, json) => CallError::InvalidGrant,
        Place::Token if known(CLIENT) => CallError::InvalidClient,
        Place::Resource if known(TOKEN) || reply.status.as_u16() == 401 => CallError::TokenRejected,
        _ => CallError::Refused { code: code(raw, word, secrets) },
    }
}

fn names_refresh_token(word: &str, json: Option<&Value>) -> bool {
    let (ambiguous, names) = CLIENT_OR_GRANT;
    let description = json.and_then(|json| json.get("error_description")?.as_str()).unwrap_or_default();
    let description = description.to_ascii_lowercase();
    word == ambiguous && names.iter().any(|name| description.contains(name))
}

/// The provider's word for an error, from where providers put it. `failed` says that the status is an error's, so that
/// members are looked at which mean something else in a good answer.
fn word(json: &Value, failed: bool) -> Option<String> {
    let named = json.get("error").and_then(named);
    if named.is_some() {
        return named;
    }
    if json.get("ok") == Some(&Value::Bool(false)) || json.get("success") == Some(&Value::Bool(false)) {
        return Some("unnamed".to_owned());
    }
    if !failed {
        return None;
    }
    let first = json.get("errors").and_then(|errors| errors.get(0)).unwrap_or(&Value::Null);
    ["errorType", "code", "error"]
        .iter()
        .find_map(|name| first.get(name)?.as_str())
        .or_else(|| {
            ["error_code", "errorCode", "code", "status"].iter().find_map(|name| json.get(name)?.as_str())
        })
        .map(str::to_owned)
}

/// An `error` member: a word, or an object that has one. Empty and false ones are none.
fn named(error: &Value) -> Option<String> {
    match error {
        Value::String(word) if word.trim().is_empty() => None,
        Value::String(word) => Some(word.clone()),
        Value::Object(members) => {
            // Google has the word in `status` beside a number in `code`; Microsoft in `code`; Meta in `type`.
            let word = ["status", "code", "type"].iter().find_map(|name| members.get(*name)?.as_str());
            Some(word.unwrap_or("unnamed").to_owned())
        }
        Value::Number(number) if number.as_i64() != Some(0) => Some(number.to_string()),
        Value::Bool(true) | Value::Array(_) => Some("unnamed".to_owned()),
        Value::Null | Value::Bool(false) | Value::Number(_) => None,
    }
}

/// `Bad-Refresh Token` as `bad_refresh_token`.
fn simplified(raw: &str) -> String {
    let simple = |letter: char| {
        if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' }
    };
    raw.trim().chars().take(MAX_WORD).map(simple).collect()
}

/// The word if it can be repeated: words of letters as errors are named, or a short number, and nothing of what was sent
/// in it. Tokens have digits, or longer runs of letters than any word.
fn code(raw: &str, word: String, secrets: &[&SecretString]) -> String {
    let raw = raw.trim();
    let is_number = raw.len() <= MAX_NUMBER && raw.bytes().all(|byte| byte.is_ascii_digit());
    let is_words = raw.len() <= MAX_WORD
        && raw
            .split(['_', '-', '.'])
            .all(|part| part.len() <= MAX_PART && part.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let tells = |secret: &&SecretString| {
        let secret = secret.expose_secret().as_bytes();
        secret
            .windows(TELLING.min(secret.len().max(1)))
            .any(|part| raw.as_bytes().windows(part.len()).any(|of_word| of_word.eq_ignore_ascii_case(part)))
    };
    let can_be_told = (is_number || is_words) && !secrets.iter().any(tells);
    if can_be_told { word } else { "unnamed".to_owned() }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
