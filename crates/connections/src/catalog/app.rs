//! The platform's own OAuth apps: what the operator registered at each provider, from the settings.

use secrecy::SecretString;
use url::Url;

use super::fields::{Fields, shown};
use super::provider::{Flow, Provider, ProviderId, TokenAuth};
use super::rules::{is_in_the_clear, is_scope};
use super::template;

/// The platform's client at one provider (RFC 6749, section 2). Its secret is in no debug output.
#[derive(Debug, Clone)]
pub struct PlatformApp {
    /// Its public name there.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<SecretString>,
    /// Where users come back to, where that is not this server's own address for it.
    pub redirect_uri: Option<Url>,
    /// What is asked for where the caller asks for nothing; else the entry's own `default_scopes`.
    pub scopes: Option<Vec<String>>,
}

/// The keys of an app, and how the names of their settings end.
const KEYS: [(&str, &str); 4] = [
    ("client_id", "CLIENT_ID"),
    ("client_secret", "CLIENT_SECRET"),
    ("redirect_uri", "REDIRECT_URI"),
    ("scopes", "SCOPES"),
];

/// The settings of the app at `provider`: `GOOGLE_CLIENT_ID` and its like.
pub(super) fn setting_names(provider: &ProviderId) -> [String; 4] {
    KEYS.map(|(_, end)| format!("{}_{end}", provider.as_str().to_ascii_uppercase().replace('-', "_")))
}

/// Reads the app of `provider` from `setting`, which goes before the keys of the entry in `fields`.
pub(super) fn read(
    provider: &Provider,
    fields: &mut Fields<'_>,
    setting: &dyn Fn(&str) -> Option<String>,
) -> Option<PlatformApp> {
    let [id_name, secret_name, redirect_name, scopes_name] = setting_names(&provider.id);
    let given =
        |name: &str| setting(name).filter(|text| !text.trim().is_empty()).map(|text| text.trim().to_owned());
    let by_setting = given(&id_name);
    let id_place = if by_setting.is_some() { id_name.as_str() } else { fields.place("client_id") };
    let client_id = by_setting.or_else(|| fields.text("client_id"));
    let secret = given(&secret_name).or_else(|| fields.secret("client_secret"));
    let redirect_uri = match given(&redirect_name) {
        Some(text) => redirect_uri(&text, &redirect_name, fields),
        None => fields.text("redirect_uri").and_then(|text| redirect_uri(&text, "redirect_uri", fields)),
    };
    let listed = match given(&scopes_name) {
        Some(text) => Some((scopes_name, split(&text))),
        None => fields.list("scopes").map(|scopes| ("scopes".to_owned(), scopes)),
    };
    let scopes = listed.map(|(name, scopes)| {
        for scope in scopes.iter().filter(|scope| !is_scope(scope, &provider.scope_separator)) {
            fields.wrong(&name, &format!("must be a list of scopes; {} is none", shown(scope)));
        }
        scopes
    });
    let Some(client_id) = client_id else {
        if secret.is_some() {
            fields.wrong(
                &id_name,
                &format!(
                    "must be set, or {}, where {secret_name} or {} is",
                    fields.place("client_id"),
                    fields.place("client_secret")
                ),
            );
        } else if redirect_uri.is_some() || scopes.is_some() {
            fields.warn(&id_name, "is not set, so the app's other settings are not used");
        }
        return None;
    };
    check(provider, fields, [id_place, &secret_name], secret.is_some());
    Some(PlatformApp { client_id, client_secret: secret.map(SecretString::from), redirect_uri, scopes })
}

fn check(provider: &Provider, fields: &mut Fields<'_>, [id, secret]: [&str; 2], has_secret: bool) {
    if provider.flow != Flow::AuthorizationCode {
        let sentence = "has no use here: with this flow each connection brings its own credentials";
        return fields.wrong(id, sentence);
    }
    if !has_secret && provider.token_auth != TokenAuth::None {
        let sentence = format!(
            "must be set, or {}, where {id} is; a public client has token_auth = \"none\"",
            fields.place("client_secret")
        );
        fields.wrong(secret, &sentence);
    }
    // Whoever names the host would be sent the platform's secret.
    if has_secret && provider.sends_secrets_anywhere() {
        fields.wrong(
            secret,
            "would be sent to whatever host a user names (a variable of pattern host_name): leave the app out, or use \
             host_label",
        );
    }
}

impl Provider {
    /// Whether a user's choice of a variable decides which host an OAuth app's secret is sent to.
    pub(crate) fn sends_secrets_anywhere(&self) -> bool {
        let endpoints = &self.endpoints;
        let sent_to = [&self.issuer, &endpoints.token, &endpoints.revocation];
        sent_to.into_iter().flatten().any(|text| template::is_free_host(text, &self.variables))
    }
}

/// An absolute URL without fragment (RFC 6749, section 3.1.2).
fn redirect_uri(text: &str, name: &str, fields: &mut Fields<'_>) -> Option<Url> {
    let is_web =
        |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.fragment().is_none();
    let url = Url::parse(text).ok().filter(is_web);
    match &url {
        None => fields
            .wrong(name, &format!("must be an http or https URL without fragment; {} is not", shown(text))),
        Some(url) if is_in_the_clear(url) => {
            fields.warn(name, "is http to another machine: codes can be read on the way");
        }
        Some(_) => {}
    }
    url
}

/// Scopes as they come in a setting: a JSON array, or with blanks or commas between.
fn split(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|_| {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let parts = bare.split(|c: char| c == ',' || c.is_whitespace()).map(|part| part.trim_matches('"'));
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    })
}
