//! What must hold between the keys of an entry.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::fields::{Fields, shown};
use super::provider::{AccountShape, Flow, Provider, Variable};
use super::template::{self, Template};
use crate::protocol;

/// Whether the program sets this parameter itself. Were one of them replaced, the flow would no longer be protected, or
/// no longer be the flow that it is.
fn is_reserved(name: &str) -> bool {
    name == "scope" || protocol::is_reserved(name)
}

/// Headers that the program or HTTP itself sets.
const RESERVED_HEADERS: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const IN_THE_CLEAR: &str =
    "is http to another machine: whoever is on the way can read and change what is sent";

/// Notes everything in `provider` that does not fit together.
pub(super) fn check(provider: &Provider, fields: &mut Fields<'_>) {
    check_urls(provider, fields);
    check_flow(provider, fields);
    check_params("authorization_params", &provider.authorization_params, provider, fields);
    check_params("token_params", &provider.token_params, provider, fields);
    check_headers(&provider.headers, fields);
    check_scopes(provider, fields);
    check_credentials(provider, fields);
    check_pointers(provider, fields);
    check_variables(provider, fields);
}

fn check_urls(provider: &Provider, fields: &mut Fields<'_>) {
    for (key, text) in urls(provider) {
        match template::check(text, &provider.variables) {
            Err(wrong) => fields.wrong(key, &wrong),
            Ok(url) => {
                if is_in_the_clear(&url) {
                    fields.warn(key, IN_THE_CLEAR);
                }
                for (name, _) in url.query_pairs().filter(|(name, _)| is_reserved(name)) {
                    fields.wrong(key, &format!("has the parameter {name}, which is set for each request"));
                }
                if key == "issuer" && url.query().is_some() {
                    fields.wrong(key, "must be a URL without query (RFC 8414, section 2)");
                }
            }
        }
    }
    let Some(sites) = provider.sites.as_ref().filter(|sites| !sites.url.is_empty()) else { return };
    match template::check(&sites.url, &BTreeMap::new()) {
        _ if sites.url.contains('{') => fields.wrong("sites.url", "must be a URL without variables"),
        Err(wrong) => fields.wrong("sites.url", &wrong),
        Ok(url) if is_in_the_clear(&url) => fields.warn("sites.url", IN_THE_CLEAR),
        Ok(_) => {}
    }
}

/// The URL templates of an entry by their keys.
fn urls(provider: &Provider) -> impl Iterator<Item = (&'static str, &str)> {
    let endpoints = &provider.endpoints;
    [
        ("issuer", provider.issuer.as_deref()),
        ("authorization_url", endpoints.authorization.as_deref()),
        ("token_url", endpoints.token.as_deref()),
        ("userinfo_url", endpoints.userinfo.as_deref()),
        ("revocation_url", endpoints.revocation.as_deref()),
    ]
    .into_iter()
    .filter_map(|(key, text)| Some((key, text?)))
}

/// Whether what is said to `url` leaves the machine unencrypted.
pub fn is_in_the_clear(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !is_loopback
}

fn check_flow(provider: &Provider, fields: &mut Fields<'_>) {
    let (endpoints, has_issuer) = (&provider.endpoints, provider.issuer.is_some());
    let needs =
        |key, fields: &mut Fields<'_>| fields.wrong(key, "must be set, or issuer, where it is discovered");
    let useless = |key, given: bool, fields: &mut Fields<'_>| {
        if given {
            fields.wrong(key, "has no meaning for this flow: leave it out");
        }
    };
    match provider.flow {
        Flow::AuthorizationCode => {
            if endpoints.authorization.is_none() && !has_issuer {
                needs("authorization_url", fields);
            }
            if endpoints.token.is_none() && !has_issuer {
                needs("token_url", fields);
            }
        }
        Flow::ClientCredentials => {
            if endpoints.token.is_none() && !has_issuer {
                needs("token_url", fields);
            }
            useless("authorization_url", endpoints.authorization.is_some(), fields);
            useless("authorization_params", !provider.authorization_params.is_empty(), fields);
            useless("pkce", fields.has("pkce"), fields);
        }
        Flow::ApiKey => {
            useless("authorization_url", endpoints.authorization.is_some(), fields);
            useless("token_url", endpoints.token.is_some(), fields);
            useless("issuer", has_issuer, fields);
            for key in
                ["authorization_params", "body_format", "default_scopes", "pkce", "rotation", "token_auth"]
            {
                useless(key, fields.has(key), fields);
            }
            useless("token_params", !provider.token_params.is_empty(), fields);
        }
    }
    if provider.flow != Flow::AuthorizationCode {
        useless("credentials", fields.has("credentials"), fields);
    }
    if provider.promises_iss && !has_issuer {
        fields.wrong("promises_iss", "needs issuer: what the answers' iss must be");
    }
}

fn check_params(key: &str, params: &BTreeMap<String, String>, provider: &Provider, fields: &mut Fields<'_>) {
    for (name, value) in params {
        let is_scopes = provider.credentials.iter().any(|credential| credential.scope_param == *name);
        if is_reserved(name) || (is_scopes && key == "authorization_params") {
            let instead = if is_scopes { "write default_scopes instead" } else { "leave it out" };
            fields.wrong(key, &format!("may not have {name}, which is set for each request: {instead}"));
        } else if name.is_empty() || name.len() + value.len() > 2048 {
            fields.wrong(key, &format!("has {}, which is empty or longer than 2,048 bytes", shown(name)));
        }
    }
}

fn check_headers(headers: &BTreeMap<String, String>, fields: &mut Fields<'_>) {
    for (name, value) in headers {
        let parsed = http::HeaderName::from_bytes(name.as_bytes());
        if RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            fields.wrong(
                "headers",
                &format!("may not have {name}, which is set for each request: leave it out"),
            );
        } else if parsed.is_err() || http::HeaderValue::from_str(value).is_err() {
            fields.wrong("headers", &format!("has {}, which is no header that HTTP can carry", shown(name)));
        }
    }
}

fn check_scopes(provider: &Provider, fields: &mut Fields<'_>) {
    let separator = provider.scope_separator.as_str();
    if separator.is_empty() || separator.len() > 3 || !separator.bytes().all(|byte| b" ,;+|".contains(&byte))
    {
        fields.wrong("scope_separator", "must be a space, or one of , ; + | (three characters at most)");
    }
    check_scope_list("default_scopes", &provider.default_scopes, separator, fields);
    for credential in provider.credentials.iter().skip(1) {
        check_scope_list("credentials.default_scopes", &credential.default_scopes, separator, fields);
    }
}

/// Scopes are visible characters (RFC 6749, section 3.3) without what stands between them.
pub(super) fn check_scope_list(key: &str, scopes: &[String], separator: &str, fields: &mut Fields<'_>) {
    for scope in scopes {
        if !is_scope(scope, separator) {
            let must = "must be one scope each, without blanks and without the scope_separator";
            fields.wrong(key, &format!("{must}; {} is not", shown(scope)));
        }
    }
}

/// Whether `scope` is one scope where `separator` stands between several.
pub(super) fn is_scope(scope: &str, separator: &str) -> bool {
    let is_visible = scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    !scope.is_empty() && scope.len() <= 512 && is_visible && !scope.contains(separator)
}

fn check_credentials(provider: &Provider, fields: &mut Fields<'_>) {
    let shapes = &provider.credentials;
    for (index, shape) in shapes.iter().enumerate() {
        let before = shapes.iter().take(index);
        if before.clone().any(|other| other.name == shape.name) {
            fields.wrong(
                "credentials",
                &format!("has {} twice; each needs a name of its own", shown(&shape.name)),
            );
        }
        if before.clone().any(|other| other.at == shape.at) {
            fields.wrong(
                "credentials",
                &format!("has two at {:?}; each stands in a place of its own", shape.at),
            );
        }
        if before.clone().any(|other| other.scope_param == shape.scope_param) {
            let sentence =
                "has two with the scope_param {}; each asks for its scopes in a parameter of its own";
            fields.wrong("credentials", &sentence.replace("{}", &shown(&shape.scope_param)));
        }
        if shape.scope_param != "scope" && is_reserved(&shape.scope_param) {
            fields.wrong("credentials", &format!("may not have the scope_param {}", shape.scope_param));
        }
        if !is_pointer(&shape.at) {
            fields.wrong("credentials.at", &pointer_advice(&shape.at));
        }
    }
}

fn check_pointers(provider: &Provider, fields: &mut Fields<'_>) {
    for (key, text) in account_pointers(&provider.account) {
        let pointer = text.strip_prefix("token:").unwrap_or(text);
        if pointer.is_empty() || !is_pointer(pointer) {
            fields.wrong(key, &pointer_advice(text));
        } else if !text.starts_with("token:") && !tells_userinfo(provider) {
            fields.wrong(
                key,
                &format!("looks into the userinfo answer, but there is no userinfo_url; for the token answer write \"token:{pointer}\""),
            );
        }
    }
    let Some(sites) = &provider.sites else { return };
    let pointers = [
        ("sites.id", Some(&sites.id)),
        ("sites.name", Some(&sites.name)),
        ("sites.address", sites.address.as_ref()),
    ];
    for (key, text) in pointers.into_iter().filter_map(|(key, text)| Some((key, text?))) {
        if text.is_empty() || !is_pointer(text) {
            fields.wrong(key, &pointer_advice(text));
        }
    }
}

fn tells_userinfo(provider: &Provider) -> bool {
    provider.endpoints.userinfo.is_some() || provider.issuer.is_some()
}

fn account_pointers(account: &AccountShape) -> impl Iterator<Item = (&'static str, &str)> {
    let ids = account.id.iter().map(|text| ("account.id", text.as_str()));
    let others = [("account.email", &account.email), ("account.name", &account.name)];
    ids.chain(others.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?))))
}

/// Whether the account is told, if only in part, by the userinfo answer.
pub(super) fn needs_userinfo(account: &AccountShape) -> bool {
    account_pointers(account).any(|(_, text)| !text.starts_with("token:"))
}

/// Whether `text` is a JSON Pointer (RFC 6901, section 3).
fn is_pointer(text: &str) -> bool {
    let mut after_tilde = text.split('~').skip(1);
    (text.is_empty() || text.starts_with('/')) && after_tilde.all(|rest| rest.starts_with(['0', '1']))
}

fn pointer_advice(text: &str) -> String {
    format!(
        "must be a JSON Pointer such as /user/id, with ~0 for ~ and ~1 for / in a name; {} is not",
        shown(text)
    )
}

fn check_variables(provider: &Provider, fields: &mut Fields<'_>) {
    for host in &provider.api_hosts {
        if let Err(wrong) = check_host(host, &provider.variables) {
            fields.wrong("api_hosts", &wrong);
        }
    }
    let texts = urls(provider).map(|(_, text)| text).chain(provider.api_hosts.iter().map(String::as_str));
    let used: Vec<&str> =
        texts.filter_map(Template::parse).flat_map(|template| template.names().collect::<Vec<_>>()).collect();
    for name in provider.variables.keys().filter(|name| !used.contains(&name.as_str())) {
        fields.wrong(
            "variables",
            &format!("has {}, which no URL and no host uses as {{{}}}", shown(name), shown(name)),
        );
    }
}

/// A host, with a port or without, as a URL would have it and nothing besides.
fn check_host(host: &str, variables: &BTreeMap<String, Variable>) -> Result<(), String> {
    let url = template::check(&format!("https://{host}"), variables);
    let bare = !host.contains(['/', '?', '#', '@', '\\', '*']);
    match url {
        Ok(_) if bare => Ok(()),
        Err(wrong) if bare && host.contains('{') => Err(wrong),
        _ => Err(format!(
            "must be hosts such as api.shop.example, without scheme and path; {} is not",
            shown(host)
        )),
    }
}
