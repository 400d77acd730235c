//! Redeeming codes, refresh tokens and the client's own grant at the token endpoint.

use http::Method;
use secrecy::{ExposeSecret, SecretString};

use super::answer::{TokenAnswer, refreshed};
use super::authorize::{Verifier, is_reserved};
use super::body::SecretJson;
use super::client::{Client, Fields, write};
use super::error::{CallError, Sent};
use super::refusal::{Place, refusal};
use crate::connection::Tokens;

impl Client<'_> {
    /// Redeems the code that the user came back with (RFC 6749, section 4.1.3). A code is redeemed once: do not repeat
    /// this, whatever it says. `redirect_uri` is byte for byte the one of the authorization URL.
    pub async fn exchange_code(
        self,
        code: &SecretString,
        verifier: &Verifier,
        redirect_uri: &str,
    ) -> Result<TokenAnswer, CallError> {
        let fields = Fields::new()
            .with("grant_type", "authorization_code")
            .with("code", code.expose_secret())
            .with("redirect_uri", redirect_uri)
            .with_some("code_verifier", self.provider.pkce.then(|| verifier.secret().expose_secret()));
        let answer = self.redeem(fields, &[code, verifier.secret()]).await?;
        TokenAnswer::read(self.provider, answer)
    }

    /// Redeems the refresh token of the credential `name` (section 6), for all that was granted. Where the answer has
    /// no new refresh token, the old one goes on.
    pub async fn refresh(self, name: &str, refresh: &SecretString) -> Result<Tokens, CallError> {
        let fields =
            Fields::new().with("grant_type", "refresh_token").with("refresh_token", refresh.expose_secret());
        let answer = self.redeem(fields, &[refresh]).await?;
        let shape = self.provider.credentials.iter().find(|shape| shape.name == name);
        refreshed(shape, name, &self.provider.scope_separator, &answer)
    }

    /// Has the client's own grant redeemed (section 4.4), for these scopes or, if none, the provider's default.
    pub async fn client_credentials(self, scopes: &[String]) -> Result<TokenAnswer, CallError> {
        let scopes = if scopes.is_empty() { &self.provider.default_scopes } else { scopes };
        let scope = scopes.join(&self.provider.scope_separator);
        let fields = Fields::new()
            .with("grant_type", "client_credentials")
            .with_some("scope", (!scope.is_empty()).then_some(scope.as_str()));
        let answer = self.redeem(fields, &[]).await?;
        TokenAnswer::read(self.provider, answer)
    }

    /// Asks the token endpoint once. Anything but a good answer in JSON or as a form is an error.
    async fn redeem(
        &self,
        mut fields: Fields<'_>,
        secrets: &[&SecretString],
    ) -> Result<SecretJson, CallError> {
        let provider = self.provider;
        // Without an endpoint nothing can be sent.
        let url = self.resolved.token.clone().ok_or(CallError::Unreachable(Sent::No))?;
        for (name, value) in &provider.token_params {
            if !is_reserved(name) && !fields.has(name) {
                fields = fields.with(name, value);
            }
        }
        let request = self.request(Method::POST, url)?;
        let (request, fields) = self.prove(request, fields, provider.token_auth);
        let reply = self.http.send(write(request, &fields, provider.body_format)).await?;
        let json = SecretJson::parse(&reply.body);
        match refusal(Place::Token, &reply, json.as_ref(), &self.secrets(secrets)) {
            Some(error) => Err(error),
            None => json.filter(|json| json.value().is_object()).ok_or(CallError::Malformed("not JSON")),
        }
    }
}
