//! Reading the answer of a token endpoint (RFC 6749, section 5.1) as providers really give it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use super::body::SecretJson;
use super::error::CallError;
use crate::catalog::{CredentialShape, Provider};
use crate::connection::Tokens;

/// The longest life of an access token that is believed: ten years.
const MAX_LIFE_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;

/// The longest token that can be shown in a header with room to spare.
const MAX_TOKEN_BYTES: usize = 32 * 1024;

/// The most scopes that are kept of one credential.
const MAX_SCOPES: usize = 1024;

/// What a token endpoint answered to a code.
pub struct TokenAnswer {
    /// The tokens by their credential's name.
    pub tokens: BTreeMap<String, Tokens>,
    pub(super) raw: SecretJson,
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenAnswer").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl TokenAnswer {
    /// A key that a provider gave by hand, in place of an answer.
    pub fn of_key(provider: &Provider, key: &SecretString) -> Self {
        let tokens = Tokens { access: key.clone(), refresh: None, expires_in: None, scopes: None };
        let names = provider.credentials.iter().map(|shape| shape.name.clone());
        Self { tokens: names.map(|name| (name, tokens.clone())).take(1).collect(), raw: SecretJson::empty() }
    }

    /// Every credential that the entry names; those that are not optional must be there, and one at least.
    pub(super) fn read(provider: &Provider, raw: SecretJson) -> Result<Self, CallError> {
        let mut tokens = BTreeMap::new();
        for shape in &provider.credentials {
            match raw.at(&shape.at).map(|object| tokens_in(object, &shape.name, &provider.scope_separator)) {
                Some(found) => match found? {
                    Some(found) => drop(tokens.insert(shape.name.clone(), found)),
                    None if shape.optional => {}
                    None => return Err(CallError::Malformed("no access_token")),
                },
                None if shape.optional => {}
                None => return Err(CallError::Malformed("no access_token")),
            }
        }
        if tokens.is_empty() {
            Err(CallError::Malformed("no access_token"))
        } else {
            Ok(Self { tokens, raw })
        }
    }
}

/// The tokens in the answer to a refresh of one credential: in its own place, or at the top, where some providers put
/// whichever credential was asked for.
pub(super) fn refreshed(
    shape: Option<&CredentialShape>,
    name: &str,
    separator: &str,
    raw: &SecretJson,
) -> Result<Tokens, CallError> {
    let own = shape.and_then(|shape| raw.at(&shape.at));
    for object in own.into_iter().chain([raw.value()]) {
        if let Some(tokens) = tokens_in(object, name, separator)? {
            return Ok(tokens);
        }
    }
    Err(CallError::Malformed("no access_token"))
}

/// The tokens in one object; `None` if it has no access token at all.
fn tokens_in(object: &Value, name: &str, separator: &str) -> Result<Option<Tokens>, CallError> {
    let Some(access) = object.get("access_token").filter(|access| !access.is_null()) else {
        return Ok(None);
    };
    let access = token(access).ok_or(CallError::Malformed("access_token"))?;
    if !is_usable_type(object.get("token_type"), name) {
        return Err(CallError::Malformed("token_type"));
    }
    let refresh = match object.get("refresh_token") {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(other) => Some(token(other).ok_or(CallError::Malformed("refresh_token"))?),
    };
    Ok(Some(Tokens {
        access,
        refresh,
        expires_in: object.get("expires_in").and_then(life),
        scopes: object.get("scope").or_else(|| object.get("scopes")).and_then(|said| scopes(said, separator)),
    }))
}

/// Text of the characters that a token may have (RFC 6749, appendix A.12).
fn token(value: &Value) -> Option<SecretString> {
    let text = value.as_str()?;
    let fits = (1..=MAX_TOKEN_BYTES).contains(&text.len());
    (fits && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.trim().is_empty())
        .then(|| text.into())
}

/// Whether the token is to be shown as a bearer token (RFC 6749, section 7.1). A provider may also call it by the name
/// that its entry gives the credential, as where one consent yields a `bot` and a `user` token.
fn is_usable_type(value: Option<&Value>, name: &str) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => {
            let text = text.trim();
            text.is_empty() || text.eq_ignore_ascii_case("bearer") || text.eq_ignore_ascii_case(name)
        }
        Some(_) => false,
    }
}

/// How long the token lives: seconds as a number or as text. What is not more than nothing says nothing; then the
/// provider's 401 tells when it has ended.
fn life(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    // Also false for NaN.
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(MAX_LIFE_SECONDS)))
}

/// The scopes, as text with the entry's separator or as a list. Where the entry has another separator, white space
/// separates too; commas do wherever the text has no white space, as some providers ask with one and answer with the
/// other.
fn scopes(value: &Value, separator: &str) -> Option<Vec<String>> {
    let said: Vec<&str> = match value {
        Value::String(text) => {
            let commas = separator.contains(',') || !text.trim().contains(char::is_whitespace);
            text.split(separator_or_space(separator))
                .flat_map(|part| {
                    part.split(move |mark: char| mark.is_whitespace() || (commas && mark == ','))
                })
                .collect()
        }
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let mut scopes = Vec::new();
    for scope in said.into_iter().map(str::trim).filter(|scope| !scope.is_empty()).take(MAX_SCOPES) {
        scopes.push(scope.to_owned());
    }
    scopes.sort_unstable();
    scopes.dedup();
    Some(scopes)
}

/// An empty separator would part every letter.
fn separator_or_space(separator: &str) -> &str {
    if separator.is_empty() { " " } else { separator }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
