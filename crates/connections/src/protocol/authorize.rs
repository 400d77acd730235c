//! The URL where a user consents.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Ambient;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::client::Client;
use crate::catalog::Provider;

/// Parameters that no entry and no caller sets: they are the flow's own, or would replace all others (`request`,
/// RFC 9101), or send the answer elsewhere (`response_mode`).
const RESERVED: &[&str] = &[
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "redirect_uri",
    "state",
    "nonce",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "refresh_token",
    "request",
    "request_uri",
];

/// Whether `name` is a parameter that neither a catalog entry nor a caller may set. Written as servers may read it:
/// in any case, as a list (`state[]`), or with another mark for `_`.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&plain(name).as_str())
}

/// A parameter's name as the most lenient server reads it.
fn plain(name: &str) -> String {
    let name = name.trim();
    let name = name.split(['[', '\0']).next().unwrap_or_default();
    name.chars()
        .map(|letter| if matches!(letter, '.' | ' ' | '-') { '_' } else { letter.to_ascii_lowercase() })
        .collect()
}

/// The secret of one authorization request, which proves at the token endpoint who began it (RFC 7636).
#[derive(Debug, Clone)]
pub struct Verifier(SecretString);

impl Verifier {
    /// A fresh one of 256 random bits, 43 characters.
    pub fn generate(ambient: &Ambient) -> Self {
        Self(URL_SAFE_NO_PAD.encode(ambient.bytes::<32>()).into())
    }

    /// The text, to be kept sealed until the user comes back.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    /// Its S256 challenge (section 4.2).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.expose_secret().as_bytes()))
    }
}

impl From<SecretString> for Verifier {
    fn from(text: SecretString) -> Self {
        Self(text)
    }
}

/// What one user is sent to consent to.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest<'a> {
    /// Where the provider sends the user back, byte for byte as in the token request.
    pub redirect_uri: &'a str,
    /// What comes back with the user.
    pub state: &'a str,
    /// The secret whose challenge is sent where the entry has PKCE on.
    pub verifier: &'a Verifier,
    /// The scopes by credential, as `requested_scopes` gives them.
    pub scopes: &'a BTreeMap<String, Vec<String>>,
    /// The caller's own parameters (`login_hint`, `prompt`). Reserved ones, and those that the entry sets, are left out.
    pub extra: &'a BTreeMap<String, String>,
}

/// The scopes that are asked for, by credential: what `asked` names, else the entry's own defaults.
pub fn requested_scopes(
    provider: &Provider,
    asked: &BTreeMap<String, Vec<String>>,
) -> BTreeMap<String, Vec<String>> {
    let of = |index: usize, name: &str, defaults: &Vec<String>| match asked.get(name) {
        Some(scopes) if !scopes.is_empty() => scopes.clone(),
        _ if defaults.is_empty() && index == 0 => provider.default_scopes.clone(),
        _ => defaults.clone(),
    };
    let shapes = provider.credentials.iter().enumerate();
    shapes.map(|(index, shape)| (shape.name.clone(), of(index, &shape.name, &shape.default_scopes))).collect()
}

impl Client<'_> {
    /// The URL that the user's browser is sent to (RFC 6749, section 4.1.1); `None` where the provider has no page to
    /// consent on. Parameters of the endpoint's own URL are kept unless reserved.
    pub fn authorization_url(self, request: &AuthorizationRequest<'_>) -> Option<Url> {
        let mut url = self.resolved.authorization.clone()?;
        let scopes = self.scope_params(request.scopes);
        let mut pairs = Pairs::new(&scopes);
        for (name, value) in url.query_pairs() {
            pairs.add(&name, &value);
        }
        pairs.add_all(&self.provider.authorization_params);
        pairs.add_all(request.extra);
        url.set_fragment(None);
        {
            let mut query = url.query_pairs_mut();
            query.clear().extend_pairs(pairs.pairs);
            query.append_pair("response_type", "code");
            query.append_pair("client_id", &self.app.client_id);
            query.append_pair("redirect_uri", request.redirect_uri);
            query.extend_pairs(scopes.iter().filter(|(_, scopes)| !scopes.is_empty()));
            query.append_pair("state", request.state);
            if self.provider.pkce {
                query.append_pair("code_challenge", &request.verifier.challenge());
                query.append_pair("code_challenge_method", "S256");
            }
        }
        Some(url)
    }

    /// The parameters that take scopes, each with what it says; two credentials may share one.
    fn scope_params(&self, scopes: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, String> {
        let mut params = BTreeMap::<String, Vec<String>>::new();
        for shape in &self.provider.credentials {
            let said = params.entry(shape.scope_param.clone()).or_default();
            for scope in scopes.get(&shape.name).into_iter().flatten() {
                if !said.contains(scope) {
                    said.push(scope.clone());
                }
            }
        }
        params.into_iter().map(|(name, said)| (name, said.join(&self.provider.scope_separator))).collect()
    }
}

/// Parameters that are not the flow's own: the first to name one has it.
struct Pairs {
    taken: Vec<String>,
    pairs: Vec<(String, String)>,
}

impl Pairs {
    fn new(scope_params: &BTreeMap<String, String>) -> Self {
        Self { taken: scope_params.keys().map(|name| plain(name)).collect(), pairs: Vec::new() }
    }

    fn add(&mut self, name: &str, value: &str) {
        let plain = plain(name);
        if !is_reserved(name) && !self.taken.contains(&plain) {
            self.taken.push(plain);
            self.pairs.push((name.to_owned(), value.to_owned()));
        }
    }

    fn add_all(&mut self, params: &BTreeMap<String, String>) {
        for (name, value) in params {
            self.add(name, value);
        }
    }
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
