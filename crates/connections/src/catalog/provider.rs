//! What the catalog says of one provider. Data, never code: no name of a provider stands in this crate's logic.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use url::Url;

/// The longest name of a provider.
const MAX_ID_BYTES: usize = 64;

/// Names a provider: 1 to 64 of lower-case letters, digits, `-` and `_`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(String);

impl ProviderId {
    /// The id in `text`; `None` if it does not keep to the alphabet. It may name no entry of the catalog.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in a row, which may be of a provider that the catalog has no more.
    pub(crate) fn from_stored(name: String) -> Self {
        Self(name)
    }
}

impl std::str::FromStr for ProviderId {
    type Err = InvalidProviderId;

    fn from_str(text: &str) -> Result<Self, InvalidProviderId> {
        let begins_well = text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if !begins_well || text.len() > MAX_ID_BYTES || !text.bytes().all(is_allowed) {
            return Err(InvalidProviderId);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A text that names no provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a provider is named by 1 to 64 of lower-case letters, digits, - and _, after a first letter")]
pub struct InvalidProviderId;

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One provider, as the catalog describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its key in the catalog.
    pub id: ProviderId,
    /// Its name for people.
    pub name: String,
    /// How a connection comes about.
    pub flow: Flow,
    /// Whose its connections are.
    pub owner: Owner,
    /// What the `iss` of its answers must be (RFC 9207), and where its metadata are (OpenID Connect Discovery 1.0).
    /// A template as the URLs are; what it comes to for one connection is [`Resolved::issuer`].
    pub issuer: Option<String>,
    /// Whether it is known to put `iss` into its answers, where no metadata are asked.
    pub promises_iss: bool,
    /// Its URLs; what is missing here is discovered at `issuer`.
    pub endpoints: Endpoints,
    /// What is asked for where the caller asks for nothing.
    pub default_scopes: Vec<String>,
    /// What stands between scopes in the authorization URL and in the token answer.
    pub scope_separator: String,
    /// Further parameters of the authorization URL. Never one of the reserved ones (`state`, `redirect_uri`, …).
    pub authorization_params: BTreeMap<String, String>,
    /// Further parameters of token requests, under the same rule.
    pub token_params: BTreeMap<String, String>,
    /// Further headers of every request to the endpoints and to the list of sites, such as a version of the API.
    pub headers: BTreeMap<String, String>,
    /// How the client proves itself at the token endpoint (RFC 6749, section 2.3).
    pub token_auth: TokenAuth,
    /// How token requests are written.
    pub body_format: BodyFormat,
    /// Whether PKCE with S256 is used (RFC 7636).
    pub pkce: bool,
    /// What becomes of refresh tokens.
    pub rotation: Rotation,
    /// The credentials that one consent yields: one named `main` unless the entry says otherwise.
    pub credentials: Vec<CredentialShape>,
    /// Where the account's id, e-mail and name stand in the answers.
    pub account: AccountShape,
    /// What the user chooses from after consenting, where one grant covers several sites.
    pub sites: Option<SitesShape>,
    /// How a token is revoked; `None` where the provider offers no way. With an `issuer` it is there also where only
    /// discovery will tell the endpoint: [`Resolved::revocation`] has the last word.
    pub revocation: Option<Revocation>,
    /// Per-connection variables of the URLs, by name; `{name}` in an endpoint stands for its value.
    pub variables: BTreeMap<String, Variable>,
    /// The hosts that this provider's API is at: where its tokens may be sent. Templates as the URLs are; what they
    /// come to is told by [`Provider::hosts`].
    pub api_hosts: Vec<String>,
}

impl Provider {
    /// Whether an OAuth app there has a secret.
    pub fn needs_client_secret(&self) -> bool {
        self.token_auth != TokenAuth::None
    }
}

/// How a connection to a provider comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// A user consents at the provider (RFC 6749, section 4.1).
    AuthorizationCode,
    /// The tenant's own client id and secret are the grant (section 4.4).
    ClientCredentials,
    /// The tenant gives a key that the provider issued by hand.
    ApiKey,
}

impl Flow {
    /// The word in the catalog and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::ApiKey => "api_key",
        }
    }
}

/// Whose the connections to a provider are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Each user's own.
    User,
    /// The tenant's: all its users use the same one.
    Tenant,
}

impl Owner {
    /// The word in the catalog and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tenant => "tenant",
        }
    }

    /// Whether it is each user's own.
    pub const fn is_user(self) -> bool {
        matches!(self, Self::User)
    }

    /// The address that a connection is kept under which `user_email` means: none where it is the tenant's.
    pub(crate) fn address(self, user_email: &str) -> &str {
        match self {
            Self::User => user_email,
            Self::Tenant => "",
        }
    }
}

/// A provider's URLs, as templates: `{variable}` may stand in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Where the user consents.
    pub authorization: Option<String>,
    /// Where codes and refresh tokens are redeemed.
    pub token: Option<String>,
    /// Where the account is described.
    pub userinfo: Option<String>,
    /// Where tokens are revoked.
    pub revocation: Option<String>,
}

/// A provider's URLs for one connection: discovered where need be, variables put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Where the user consents; absent for flows without consent.
    pub authorization: Option<Url>,
    /// Where codes and refresh tokens are redeemed; absent for API keys.
    pub token: Option<Url>,
    /// Where the account is described.
    pub userinfo: Option<Url>,
    /// Where tokens are revoked.
    pub revocation: Option<Url>,
    /// What the `iss` of authorization answers must be, if there is one (RFC 9207).
    pub issuer: Option<String>,
    /// Whether the provider promises an `iss` in its authorization answers (RFC 9207, section 3).
    pub promises_iss: bool,
}

/// How the client proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAuth {
    /// `Authorization: Basic`, id and secret form-encoded first.
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the body.
    ClientSecretPost,
    /// A public client: `client_id` alone.
    None,
}

/// How token requests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`, as RFC 6749 has it.
    Form,
    /// A JSON object.
    Json,
}

/// What becomes of refresh tokens at this provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Whether each refresh ends the refresh token that it was made with.
    pub rotates: bool,
    /// For how long a redeemed refresh token may be redeemed again with the same effect. Where an entry rotates and has
    /// none, an attempt whose outcome is unknown is never repeated.
    pub reuse_leeway: Option<Duration>,
    /// After how long without use a grant dies.
    pub idle_ttl: Option<Duration>,
    /// After how long since the consent a grant dies whatever happens.
    pub absolute_ttl: Option<Duration>,
}

/// One credential in the token answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialShape {
    /// Its name within the connection: `main`, or `bot` and `user`.
    pub name: String,
    /// The object it stands in, as a JSON Pointer (RFC 6901); empty for the answer itself.
    pub at: String,
    /// Whether the answer may lack it.
    pub optional: bool,
    /// The parameter of the authorization URL that takes this credential's scopes.
    pub scope_param: String,
    /// What is asked for in that parameter where the caller asks for nothing; the provider's `default_scopes` for the
    /// first credential.
    pub default_scopes: Vec<String>,
}

/// Where the account is told: JSON Pointers into the userinfo answer, or, with `token:` before, into the token answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountShape {
    /// The account's id, unique at the provider. Several pointers are joined by `:` (`team` and `user`, say).
    pub id: Vec<String>,
    /// Its e-mail address.
    pub email: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
}

/// How the sites that one grant covers are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SitesShape {
    /// Where the list is; it is asked with the access token.
    pub url: String,
    /// Pointer to a site's id within an element of the list.
    pub id: String,
    /// Pointer to its name.
    pub name: String,
    /// Pointer to its address for people.
    pub address: Option<String>,
}

/// How a token is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// `POST` (RFC 7009) or `DELETE`.
    pub method: http::Method,
    /// Where the token stands in the request.
    pub token_in: TokenIn,
    /// The name of the field that carries it.
    pub token_param: String,
    /// Whether the client proves itself with the request, as `token_auth` has it or always by Basic.
    pub client_auth: Option<TokenAuth>,
}

/// Where a revocation request carries the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenIn {
    /// In a form (RFC 7009).
    Form,
    /// In a JSON object.
    Json,
    /// As the request's bearer token.
    Bearer,
}

/// A value that each connection brings along, such as the subdomain of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// What it is, for the person who is asked.
    pub label: String,
    /// The alphabet it keeps to; every kind is safe within a host name.
    pub pattern: VariablePattern,
    /// The value where none is given.
    pub default: Option<String>,
}

/// What a variable may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariablePattern {
    /// One label of a host name: letters, digits and hyphens, 1 to 63.
    HostLabel,
    /// A whole host name of public labels.
    HostName,
    /// Letters, digits, `-`, `_` and `.`: one segment of a path.
    PathSegment,
}
