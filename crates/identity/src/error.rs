//! What can be wrong with a credential, a key or a setting, told without repeating any secret.

use model::{Coded, ErrorCode, Violation};

/// Why a credential was refused, or why a key could not be made or found.
///
/// The text is safe to show to the caller: it never holds the token, nor a part of it beyond the name of a claim or
/// of an algorithm.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No credential where one is needed.
    #[error("this needs a credential: send `Authorization: Bearer <token>` or the session cookie")]
    Missing,
    /// An `Authorization` header of another scheme than `Bearer`.
    #[error("the authorization header must be `Bearer <token>`")]
    Scheme,
    /// A credential beyond [`MAX_CREDENTIAL_BYTES`](crate::MAX_CREDENTIAL_BYTES).
    #[error("the credential is longer than {max} bytes")]
    TooLong {
        /// The most bytes that are read.
        max: usize,
    },
    /// Neither a JWS, a JWE nor an API key, or one of these put together wrongly.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// An algorithm that is unknown, insecure, or not the one of the key in question.
    #[error("algorithm {0} is not accepted for this token")]
    Algorithm(AlgorithmName),
    /// No trusted key made this signature or this ciphertext.
    #[error("the token's signature does not match any trusted key")]
    Signature,
    /// The key that the token names is not one of its issuer's.
    #[error("the token names a key that its issuer does not publish")]
    UnknownKey,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `exp` of a platform's session token has passed.
    #[error("the session token has expired: open the plugin again from the store's admin")]
    StoreSessionExpired,
    /// `iss` of a platform's session token is not the platform's.
    #[error("the session token's `iss` must be the platform's issuer (ISSUER), letter by letter")]
    StoreSessionIssuer,
    /// A platform's session token under another key.
    #[error("the session token must be signed with the secret that the platform gave this app (APP_SECRET)")]
    StoreSessionSignature,
    /// A platform's session token where no app at a platform is configured.
    #[error(
        "no session token is accepted here: the platform's app must be set first (APP_CLIENT_ID, APP_SECRET, …)"
    )]
    NoStoreSessions,
    /// `nbf` lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A claim that must be there is absent, or of the wrong kind.
    #[error("the token's claim `{claim}` must be {expected}")]
    Claim {
        /// The claim's name.
        claim: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// `iss` is none of the issuers that are configured.
    #[error("the token's issuer is not one of those trusted here")]
    Issuer,
    /// `aud` does not name this server.
    #[error("the token was made for another audience")]
    Audience,
    /// A role within a tenant, and no tenant.
    #[error("the token names no tenant: it needs the claim tenantId or organizationId")]
    NoTenant,
    /// The keys of a trusted issuer cannot be had just now.
    #[error("the keys of the token's issuer cannot be fetched at the moment")]
    IssuerUnavailable,
    /// An API key whose form or checksum is wrong: mistyped or cut short.
    #[error("the API key is mistyped: its checksum does not match")]
    ApiKeyForm,
    /// No such API key, or its secret is another.
    #[error("the API key is not known")]
    ApiKeyUnknown,
    /// The key's `expires_at` has passed.
    #[error("the API key has expired")]
    ApiKeyExpired,
    /// The key was revoked.
    #[error("the API key has been revoked")]
    ApiKeyRevoked,
    /// The key to be revoked does not exist, or belongs elsewhere.
    #[error("there is no API key with this id")]
    NoSuchApiKey,
    /// A key that would be allowed more than the one who makes it.
    #[error("an API key may not be allowed more than its maker: {0}")]
    BeyondMaker(&'static str),
    /// The scope holds as many live keys as it may.
    #[error("there are already {max} API keys, revoke one first")]
    TooManyApiKeys {
        /// The most keys that may be live at once.
        max: u32,
    },
    /// The description of a new key breaks the rules.
    #[error("the API key cannot be made as described")]
    InvalidApiKey(Vec<Violation>),
    /// Settings that contradict each other or are unsafe; each sentence says what would be right.
    #[error("the identity settings are wrong: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// A token cannot be signed: there is no key that can be used, or its claims are no object.
    #[error("the token cannot be signed")]
    Signing,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Missing => ErrorCode::AuthenticationRequired,
            Self::Scheme
            | Self::TooLong { .. }
            | Self::Malformed(_)
            | Self::Algorithm(_)
            | Self::Signature
            | Self::UnknownKey
            | Self::Expired
            | Self::StoreSessionExpired
            | Self::StoreSessionIssuer
            | Self::StoreSessionSignature
            | Self::NoStoreSessions
            | Self::NotYetValid
            | Self::Claim { .. }
            | Self::Issuer
            | Self::Audience
            | Self::NoTenant
            | Self::ApiKeyForm
            | Self::ApiKeyUnknown
            | Self::ApiKeyExpired
            | Self::ApiKeyRevoked => ErrorCode::InvalidCredential,
            Self::IssuerUnavailable => ErrorCode::Unavailable,
            Self::NoSuchApiKey => ErrorCode::NotFound,
            Self::BeyondMaker(_) => ErrorCode::InsufficientRole,
            Self::TooManyApiKeys { .. } => ErrorCode::Conflict,
            Self::InvalidApiKey(_) => ErrorCode::ValidationFailed,
            Self::Settings(_) | Self::Signing => ErrorCode::Internal,
            Self::Storage(error) => error.code(),
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::InvalidApiKey(violations) => violations.clone(),
            _ => Vec::new(),
        }
    }
}

/// The name of an algorithm as a token gave it, fit to be shown: up to 24 letters, digits and `-_+.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlgorithmName(String);

impl AlgorithmName {
    pub(crate) fn new(given: &str) -> Self {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+.".contains(&byte);
        let fit = !given.is_empty() && given.len() <= 24 && given.bytes().all(harmless);
        Self(if fit { given.to_owned() } else { "(unreadable)".to_owned() })
    }
}

impl std::fmt::Display for AlgorithmName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_is_repeated_only_where_it_is_a_name() {
        assert_eq!(AlgorithmName::new("none").to_string(), "none");
        assert_eq!(AlgorithmName::new("<script>").to_string(), "(unreadable)");
        assert_eq!(AlgorithmName::new(&"A".repeat(25)).to_string(), "(unreadable)");
    }
}
