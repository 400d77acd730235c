//! Tokens of every kind, verified.

use std::sync::Arc;

use aws_lc_rs::digest;
use jsonwebtoken::{Algorithm, DecodingKey};
use model::{Ambient, Principal};
use moka::sync::Cache;
use secrecy::ExposeSecret;

use crate::claims::{Claims, Vouched};
use crate::compact::{Encrypted, Signed, Token, decode};
use crate::issuer::Issuer;
use crate::key_set::verifies;
use crate::session::SessionKeys;
use crate::{Config, Error, MAX_CREDENTIAL_BYTES, fetch};

/// Of how many tokens it is remembered what they say: some 4 MB.
const REMEMBERED_CLAIMS: u64 = 4096;

/// Verifies JWS and JWE tokens.
pub(crate) struct Tokens {
    hs256: Option<DecodingKey>,
    /// What tokens signed with the one symmetric key say, by their SHA-256: a caller sends the same one with each request. Whether
    /// it is their time is asked each time.
    claims: Cache<Vec<u8>, Arc<Claims>>,
    sessions: SessionKeys,
    issuers: Vec<Arc<Issuer>>,
    audience: String,
    ambient: Ambient,
}

impl Tokens {
    pub(crate) fn new(config: &Config, ambient: Ambient) -> Result<Self, Error> {
        config.check()?;
        // Named outright, so that no feature that another crate turns on can leave the choice open. An error means that
        // it was installed before.
        let _installed = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let failed = |what: &str| Error::Settings(vec![what.to_owned()]);
        let mut issuers = Vec::with_capacity(config.issuers.len());
        for url in &config.issuers {
            let client = fetch::client(url.is_loopback(), &config.extra_roots)
                .map_err(|_| failed("EXTRA_CA_FILE holds a certificate that cannot be used"))?;
            issuers.push(Arc::new(Issuer::new(url.clone(), client, ambient.clone())));
        }
        let secret = config.jwt_secret.as_ref();
        Ok(Self {
            hs256: secret.map(|secret| DecodingKey::from_secret(secret.expose_secret().as_bytes())),
            claims: Cache::new(REMEMBERED_CLAIMS),
            sessions: SessionKeys::derive(config.v4_secret(), config.v5_secret())
                .map_err(|_| failed("no key can be derived from the session secrets"))?,
            issuers,
            audience: config.audience.clone().unwrap_or_default(),
            ambient,
        })
    }

    /// The principal of a token sent as Bearer, of whichever kind it is.
    pub(crate) async fn verify(&self, token: &str) -> Result<Principal, Error> {
        if token.len() > MAX_CREDENTIAL_BYTES {
            return Err(Error::TooLong { max: MAX_CREDENTIAL_BYTES });
        }
        let digest = digest::digest(&digest::SHA256, token.as_bytes());
        if let Some(claims) = self.claims.get(digest.as_ref()) {
            return claims.vouch(self.ambient.now()).map(|vouched| vouched.principal);
        }
        let vouched = match Token::parse(token)? {
            Token::Signed(token) => self.verify_signed(&token, digest.as_ref()).await?,
            Token::Encrypted(token) => self.open_session(&token, None)?,
        };
        Ok(vouched.principal)
    }

    /// The principal of a session token that the cookie named `cookie` held.
    pub(crate) fn verify_session(&self, cookie: &str, token: &str) -> Result<Principal, Error> {
        match Token::parse(token)? {
            Token::Encrypted(token) => {
                self.open_session(&token, Some(cookie)).map(|vouched| vouched.principal)
            }
            Token::Signed(_) => Err(Error::Malformed("a session cookie holds a JWE")),
        }
    }

    async fn verify_signed(&self, token: &Signed<'_>, digest: &[u8]) -> Result<Vouched, Error> {
        match token.header.signature()? {
            Algorithm::HS256 => {
                let claims = Arc::new(self.verify_hs256(token)?);
                let vouched = claims.vouch(self.ambient.now())?;
                self.claims.insert(digest.to_vec(), claims);
                Ok(vouched)
            }
            algorithm => Box::pin(self.verify_issued(token, algorithm)).await,
        }
    }

    /// The one symmetric algorithm has the one key `JWT_SECRET`; no published key is ever used with it.
    fn verify_hs256(&self, token: &Signed<'_>) -> Result<Claims, Error> {
        let key = self.hs256.as_ref().ok_or_else(|| token.header.refused())?;
        if !verifies(token, key, Algorithm::HS256) {
            return Err(Error::Signature);
        }
        Claims::parse(&decode(token.payload)?)
    }

    /// The unverified `iss` only chooses among the trusted issuers; then that issuer's key must have signed it.
    async fn verify_issued(&self, token: &Signed<'_>, algorithm: Algorithm) -> Result<Vouched, Error> {
        if self.issuers.is_empty() {
            return Err(token.header.refused());
        }
        let claims = Claims::parse(&decode(token.payload)?)?;
        let issuer =
            self.issuers.iter().find(|issuer| issuer.name() == claims.issuer()).ok_or(Error::Issuer)?;
        issuer.verify(token, algorithm).await?;
        if !claims.is_for(&self.audience) {
            return Err(Error::Audience);
        }
        claims.vouch(self.ambient.now())
    }

    fn open_session(&self, token: &Encrypted<'_>, cookie: Option<&str>) -> Result<Vouched, Error> {
        let payload = self.sessions.open(token, cookie)?;
        Claims::parse(&payload)?.vouch(self.ambient.now())
    }
}
