//! What the operator says about credentials.

use std::fmt;
use std::str::FromStr;

use reqwest::Certificate;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::Error;

/// The fewest bytes that a secret for HS256 should have (RFC 7518, section 3.2).
const ADVISED_SECRET_BYTES: usize = 32;

/// Which credentials are accepted. The default accepts API keys alone.
#[derive(Default, Clone)]
pub struct Config {
    /// `JWT_SECRET`: the key of HS256 tokens, and of session tokens where no secret of their own is given.
    pub jwt_secret: Option<SecretString>,
    /// `NEXTAUTH_SECRET`: from which NextAuth v4 derives the key of its session tokens; else `jwt_secret`.
    pub nextauth_secret: Option<SecretString>,
    /// `AUTH_SECRET`: from which Auth.js v5 derives the keys of its session tokens; else, as in that library,
    /// `nextauth_secret`; else `jwt_secret`.
    pub auth_secret: Option<SecretString>,
    /// `JWT_ISSUERS`: whose published keys (JWKS) are trusted.
    pub issuers: Vec<IssuerUrl>,
    /// `JWT_AUDIENCE`: what the `aud` of an issuer's tokens must name. Needed where there are issuers: without it a
    /// token made for any other application of the issuer would do here.
    pub audience: Option<String>,
    /// `EXTRA_CA_FILE`: authorities trusted besides the system's when an issuer's keys are fetched.
    pub extra_roots: Vec<Certificate>,
    /// The app at the Lexmodo platform whose session tokens are accepted; none are where there is none.
    pub lexmodo: Option<Lexmodo>,
}

/// What the session tokens of the Lexmodo platform are checked by.
#[derive(Clone)]
pub struct Lexmodo {
    /// `APP_SECRET`: the key that the platform signs them with (HS256).
    pub secret: SecretString,
    /// `ISSUER`: what their `iss` must be, letter by letter.
    pub issuer: String,
}

impl fmt::Debug for Lexmodo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lexmodo").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Config {
    /// Every problem at once, each with what would be right.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let secrets = [
            ("JWT_SECRET", self.jwt_secret.as_ref()),
            ("NEXTAUTH_SECRET", self.nextauth_secret.as_ref()),
            ("AUTH_SECRET", self.auth_secret.as_ref()),
            ("APP_SECRET", self.lexmodo.as_ref().map(|lexmodo| &lexmodo.secret)),
        ];
        let mut problems = Vec::new();
        for (name, secret) in secrets {
            match secret.map(|secret| secret.expose_secret().len()) {
                Some(0) => problems
                    .push(format!("{name} is empty: leave it out, or give a secret of 32 bytes or more")),
                Some(1..ADVISED_SECRET_BYTES) => {
                    tracing::warn!(
                        "{name} has fewer than 32 bytes: tokens signed with it can be forged by guessing it"
                    );
                }
                _ => {}
            }
        }
        if !self.issuers.is_empty() && self.audience.as_deref().is_none_or(str::is_empty) {
            problems
                .push("JWT_ISSUERS needs JWT_AUDIENCE, the `aud` of tokens made for this server".to_owned());
        }
        if self.lexmodo.as_ref().is_some_and(|lexmodo| lexmodo.issuer.is_empty()) {
            problems.push("ISSUER must be set where APP_SECRET is: a token needs an issuer".to_owned());
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Settings(problems)) }
    }

    /// The secret behind NextAuth v4 sessions.
    pub(crate) fn v4_secret(&self) -> Option<&SecretString> {
        self.nextauth_secret.as_ref().or(self.jwt_secret.as_ref())
    }

    /// The secret behind Auth.js v5 sessions.
    pub(crate) fn v5_secret(&self) -> Option<&SecretString> {
        self.auth_secret.as_ref().or_else(|| self.v4_secret())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("jwt_secret", &self.jwt_secret)
            .field("nextauth_secret", &self.nextauth_secret)
            .field("auth_secret", &self.auth_secret)
            .field("issuers", &self.issuers)
            .field("audience", &self.audience)
            .field("extra_roots", &self.extra_roots.len())
            .field("lexmodo", &self.lexmodo)
            .finish()
    }
}

/// The name of a trusted issuer (OpenID Connect Discovery, section 3): an https URL, or http to a loopback address,
/// without query or fragment. It is kept letter by letter as written, since `iss` must be exactly the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IssuerUrl {
    text: String,
    url: Url,
}

impl IssuerUrl {
    /// The issuer as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is an issuer on this machine, spoken to without TLS.
    pub(crate) fn is_loopback(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Where its metadata may be: OpenID Connect Discovery, section 4.1, and RFC 8414, section 3.1.
    pub(crate) fn metadata_urls(&self) -> [Url; 2] {
        let path = self.url.path().trim_end_matches('/').to_owned();
        let at = |path: String| {
            let mut url = self.url.clone();
            url.set_path(&path);
            url
        };
        [
            at(format!("{path}/.well-known/openid-configuration")),
            at(format!("/.well-known/oauth-authorization-server{path}")),
        ]
    }
}

impl FromStr for IssuerUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).ok().filter(|url| {
            let plain = url.query().is_none() && url.fragment().is_none();
            plain && url.username().is_empty() && url.password().is_none() && is_safe(url)
        });
        let wrong = || {
            let sentence =
                "an issuer must be an https URL (or http to a loopback address) without query or fragment";
            Error::Settings(vec![sentence.to_owned()])
        };
        Ok(Self { text: text.to_owned(), url: url.ok_or_else(wrong)? })
    }
}

impl fmt::Debug for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// Whether nobody on the way can change what `url` answers: https, or http that does not leave the machine.
pub(crate) fn is_safe(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        ("http", Some(Host::Domain(name))) => name == "localhost",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_https_or_loopback() {
        for good in [
            "https://idp.example",
            "https://idp.example/realms/a/",
            "http://127.0.0.1:8080",
            "http://[::1]:1/x",
        ] {
            assert_eq!(good.parse::<IssuerUrl>().unwrap().as_str(), good);
        }
        let bad = [
            "",
            "idp.example",
            "http://idp.example",
            "https://idp.example?x=1",
            "https://idp.example#a",
            "https://u:p@h",
        ];
        for bad in bad {
            assert!(bad.parse::<IssuerUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn metadata_is_sought_in_both_places() {
        let urls = |issuer: &str| issuer.parse::<IssuerUrl>().unwrap().metadata_urls().map(String::from);
        assert_eq!(
            urls("https://idp.example/realms/a/"),
            [
                "https://idp.example/realms/a/.well-known/openid-configuration",
                "https://idp.example/.well-known/oauth-authorization-server/realms/a",
            ]
        );
        assert_eq!(urls("https://idp.example")[0], "https://idp.example/.well-known/openid-configuration");
    }

    #[test]
    fn all_problems_are_told_at_once_and_no_secret() {
        let config = Config {
            jwt_secret: Some(SecretString::from("")),
            auth_secret: Some(SecretString::from("hush")),
            issuers: vec!["https://idp.example".parse().unwrap()],
            lexmodo: Some(Lexmodo { secret: SecretString::from("hush"), issuer: String::new() }),
            ..Config::default()
        };
        let told = config.check().unwrap_err().to_string();
        assert!(told.contains("JWT_SECRET is empty") && told.contains("JWT_AUDIENCE"), "{told}");
        assert!(told.contains("ISSUER must be set"), "{told}");
        assert!(!format!("{config:?} {:?}", config.lexmodo).contains("hush"));
    }
}
