//! One entry of the catalog: from the table of its keys to a [`Provider`].

use std::collections::BTreeMap;

use super::fields::{Fields, shown};
use super::provider::{
    AccountShape, BodyFormat, CredentialShape, Endpoints, Flow, Owner, Provider, ProviderId, Revocation,
    Rotation, SitesShape, TokenAuth, TokenIn, Variable, VariablePattern,
};
use super::{rules, template};

/// The keys of an entry.
pub(super) const KEYS: &[&str] = &[
    "account",
    "api_hosts",
    "authorization_params",
    "authorization_url",
    "body_format",
    "client_id",
    "client_secret",
    "credentials",
    "default_scopes",
    "flow",
    "headers",
    "issuer",
    "like",
    "name",
    "owner",
    "pkce",
    "promises_iss",
    "redirect_uri",
    "revocation",
    "revocation_url",
    "rotation",
    "scope_separator",
    "scopes",
    "sites",
    "token_auth",
    "token_params",
    "token_url",
    "userinfo_url",
    "variables",
];

/// The keys that an empty text takes away, where the entry that this one is made from has them.
pub(super) const REMOVABLE: &[&str] =
    &["authorization_url", "issuer", "revocation_url", "token_url", "userinfo_url"];

const TOKEN_AUTH: &[(&str, TokenAuth)] = &[
    ("client_secret_basic", TokenAuth::ClientSecretBasic),
    ("client_secret_post", TokenAuth::ClientSecretPost),
    ("none", TokenAuth::None),
];

const FLOWS: &[(&str, Flow)] = &[
    ("authorization_code", Flow::AuthorizationCode),
    ("client_credentials", Flow::ClientCredentials),
    ("api_key", Flow::ApiKey),
];

const OWNERS: &[(&str, Owner)] = &[("user", Owner::User), ("tenant", Owner::Tenant)];

const PATTERNS: &[(&str, VariablePattern)] = &[
    ("host_label", VariablePattern::HostLabel),
    ("host_name", VariablePattern::HostName),
    ("path_segment", VariablePattern::PathSegment),
];

/// Reads the entry of `id`. What comes back is to be used only if nothing was found wrong.
pub(super) fn read(id: &ProviderId, fields: &mut Fields<'_>) -> Provider {
    let issuer = fields.text("issuer");
    let flow = fields.word("flow", FLOWS).unwrap_or(Flow::AuthorizationCode);
    let endpoints = Endpoints {
        authorization: fields.text("authorization_url"),
        token: fields.text("token_url"),
        userinfo: fields.text("userinfo_url"),
        revocation: fields.text("revocation_url"),
    };
    let is_openid = issuer.is_some() && flow == Flow::AuthorizationCode;
    let default_scopes = fields.list("default_scopes").unwrap_or_else(|| {
        let openid = ["openid", "email", "profile"].map(str::to_owned);
        if is_openid { openid.to_vec() } else { Vec::new() }
    });
    let token_auth = fields.word("token_auth", TOKEN_AUTH).unwrap_or(TokenAuth::ClientSecretBasic);
    let provider = Provider {
        id: id.clone(),
        name: fields.text("name").unwrap_or_else(|| id.to_string()),
        flow,
        owner: fields.word("owner", OWNERS).unwrap_or(Owner::User),
        promises_iss: fields.truth("promises_iss").unwrap_or(false),
        scope_separator: fields.text_or_blank("scope_separator").unwrap_or_else(|| " ".to_owned()),
        authorization_params: fields.map("authorization_params").unwrap_or_default(),
        token_params: fields.map("token_params").unwrap_or_default(),
        headers: fields.map("headers").unwrap_or_default(),
        token_auth,
        body_format: fields
            .word("body_format", &[("form", BodyFormat::Form), ("json", BodyFormat::Json)])
            .unwrap_or(BodyFormat::Form),
        pkce: fields.truth("pkce").unwrap_or(true),
        rotation: rotation(fields),
        credentials: credentials(fields, &default_scopes),
        account: account(fields, endpoints.userinfo.is_some() || is_openid),
        sites: sites(fields),
        revocation: revocation(fields, &endpoints, issuer.is_some(), token_auth),
        variables: variables(fields),
        api_hosts: fields.list("api_hosts").unwrap_or_default(),
        issuer,
        endpoints,
        default_scopes,
    };
    rules::check(&provider, fields);
    provider
}

fn rotation(fields: &mut Fields<'_>) -> Rotation {
    let known = &["absolute_ttl", "idle_ttl", "reuse_leeway", "rotates"];
    let Some(mut fields) = fields.table("rotation", known) else { return Rotation::default() };
    let rotation = Rotation {
        rotates: fields.truth("rotates").unwrap_or(false),
        reuse_leeway: fields.duration("reuse_leeway"),
        idle_ttl: fields.duration("idle_ttl"),
        absolute_ttl: fields.duration("absolute_ttl"),
    };
    if rotation.reuse_leeway.is_some() && !rotation.rotates {
        fields.wrong("reuse_leeway", "has a meaning only with rotates = true");
    }
    rotation
}

fn credentials(fields: &mut Fields<'_>, default_scopes: &[String]) -> Vec<CredentialShape> {
    let mut shapes: Vec<CredentialShape> = Vec::new();
    let known = &["at", "default_scopes", "name", "optional", "scope_param"];
    fields.array("credentials", known, |index, mut fields| {
        let name = fields.text("name").unwrap_or_else(|| "main".to_owned());
        if !template::is_name(&name) {
            fields.wrong(
                "name",
                "must be lower-case letters, digits and `_`, beginning with a letter, 32 at most",
            );
        }
        let own = fields.list("default_scopes");
        if index == 0 && own.is_some() {
            fields
                .wrong("default_scopes", "of the first credential are those of the entry: write them there");
        }
        shapes.push(CredentialShape {
            name,
            at: fields.text_or_blank("at").unwrap_or_default(),
            optional: fields.truth("optional").unwrap_or(false),
            scope_param: fields.text("scope_param").unwrap_or_else(|| "scope".to_owned()),
            default_scopes: if index == 0 { default_scopes.to_vec() } else { own.unwrap_or_default() },
        });
    });
    if shapes.is_empty() {
        shapes.push(CredentialShape {
            name: "main".to_owned(),
            at: String::new(),
            optional: false,
            scope_param: "scope".to_owned(),
            default_scopes: default_scopes.to_vec(),
        });
    }
    shapes
}

/// Where nothing is said, the claims of OpenID Connect, if there is a userinfo answer to look into.
fn account(fields: &mut Fields<'_>, has_userinfo: bool) -> AccountShape {
    let Some(mut fields) = fields.table("account", &["email", "id", "name"]) else {
        let claim = |pointer: &str| has_userinfo.then(|| pointer.to_owned());
        return AccountShape {
            id: claim("/sub").into_iter().collect(),
            email: claim("/email"),
            name: claim("/name"),
        };
    };
    AccountShape {
        id: fields.one_or_more("id").unwrap_or_default(),
        email: fields.text("email"),
        name: fields.text("name"),
    }
}

fn sites(fields: &mut Fields<'_>) -> Option<SitesShape> {
    let mut fields = fields.table("sites", &["address", "id", "name", "url"])?;
    if !fields.has("url") {
        fields.wrong("url", "must be set: where the list of sites is");
    }
    Some(SitesShape {
        url: fields.text("url").unwrap_or_default(),
        id: fields.text("id").unwrap_or_else(|| "/id".to_owned()),
        name: fields.text("name").unwrap_or_else(|| "/name".to_owned()),
        address: fields.text("address"),
    })
}

/// Where nothing is said, RFC 7009 with the client proving itself as at the token endpoint.
fn revocation(
    fields: &mut Fields<'_>,
    endpoints: &Endpoints,
    has_issuer: bool,
    token_auth: TokenAuth,
) -> Option<Revocation> {
    let has_place = endpoints.revocation.is_some() || has_issuer;
    let by_standard = Revocation {
        method: http::Method::POST,
        token_in: TokenIn::Form,
        token_param: "token".to_owned(),
        client_auth: Some(token_auth),
    };
    let known = &["client_auth", "method", "token_in", "token_param"];
    let Some(mut fields) = fields.table("revocation", known) else { return has_place.then_some(by_standard) };
    let methods = &[("POST", 0), ("DELETE", 1)];
    let places = &[("form", TokenIn::Form), ("json", TokenIn::Json), ("bearer", TokenIn::Bearer)];
    let revocation = Revocation {
        method: match fields.word("method", methods) {
            Some(1) => http::Method::DELETE,
            _ => by_standard.method,
        },
        token_in: fields.word("token_in", places).unwrap_or(by_standard.token_in),
        token_param: fields.text("token_param").unwrap_or(by_standard.token_param),
        client_auth: match fields.word("client_auth", TOKEN_AUTH) {
            Some(TokenAuth::None) => None,
            Some(auth) => Some(auth),
            None => by_standard.client_auth,
        },
    };
    has_place.then_some(revocation)
}

fn variables(fields: &mut Fields<'_>) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    fields.tables("variables", &["default", "label", "pattern"], |name, mut fields| {
        if !template::is_name(name) || name == template::CLIENT_ID {
            fields.wrong(
                &shown(name),
                "is no name of a variable: lower-case letters, digits and `_`, beginning with a letter, 32 at most, \
                 and not client_id, which is always there",
            );
        }
        let pattern = fields.word("pattern", PATTERNS);
        if !fields.has("pattern") {
            fields.wrong("pattern", "must be set: host_label, host_name or path_segment");
        }
        let pattern = pattern.unwrap_or(VariablePattern::HostLabel);
        let default = fields.text("default");
        if default.as_deref().is_some_and(|value| !pattern.accepts(value)) {
            fields.wrong("default", &format!("must be {}", pattern.expects()));
        }
        let label = fields.text("label").unwrap_or_else(|| name.to_owned());
        variables.insert(name.to_owned(), Variable { label, pattern, default });
    });
    variables
}
