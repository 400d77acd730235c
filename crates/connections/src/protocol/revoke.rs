//! Revoking tokens at the provider (RFC 7009, and what some have in its place).

use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::body::SecretJson;
use super::client::{Client, Fields, bearer, write};
use super::error::CallError;
use super::http::Reply;
use super::refusal::{Place, refusal};
use crate::catalog::{BodyFormat, Revocation, TokenIn};
use crate::connection::Tokens;

/// What became of a token at its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// It is worth nothing there now, whether or not it was before.
    AtProvider,
    /// The provider offers no way to revoke it.
    Unsupported,
}

/// Which of a grant's two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Refresh,
    Access,
}

impl Client<'_> {
    /// Revokes a credential's tokens at the provider, the refresh token first. `AtProvider` says that all that the
    /// provider revokes is revoked; an error, that some of them may still be good.
    pub async fn revoke(self, tokens: &Tokens) -> Result<Revoked, CallError> {
        let (Some(revocation), Some(url)) = (&self.provider.revocation, &self.resolved.revocation) else {
            return Ok(Revoked::Unsupported);
        };
        let mut outcome = Revoked::Unsupported;
        let pair = [(Kind::Refresh, tokens.refresh.as_ref()), (Kind::Access, Some(&tokens.access))];
        for (kind, token) in pair {
            if let Some(token) = token.filter(|_| takes(revocation, kind))
                && self.revoke_one(revocation, url.clone(), token, kind).await? == Revoked::AtProvider
            {
                outcome = Revoked::AtProvider;
            }
        }
        Ok(outcome)
    }

    async fn revoke_one(
        &self,
        revocation: &Revocation,
        url: Url,
        token: &SecretString,
        kind: Kind,
    ) -> Result<Revoked, CallError> {
        let mut request = self.request(revocation.method.clone(), url)?;
        let mut fields = Fields::new();
        match revocation.token_in {
            TokenIn::Bearer => request = bearer(request, token)?,
            TokenIn::Json => fields = fields.with(&revocation.token_param, token.expose_secret()),
            TokenIn::Form => {
                let hint = if kind == Kind::Refresh { "refresh_token" } else { "access_token" };
                fields =
                    fields.with(&revocation.token_param, token.expose_secret()).with("token_type_hint", hint);
            }
        }
        let format = if revocation.token_in == TokenIn::Json { BodyFormat::Json } else { BodyFormat::Form };
        if let Some(auth) = revocation.client_auth {
            (request, fields) = self.prove(request, fields, auth);
        }
        if revocation.method != Method::GET {
            request = write(request, &fields, format);
        }
        let reply = self.http.send(request).await?;
        let json = SecretJson::parse(&reply.body);
        judge(revocation, &reply, json.as_ref(), &self.secrets(&[token]))
    }
}

/// Whether the provider takes this kind of token: as its own bearer only an access token can be shown, and some name
/// the one kind in the parameter.
fn takes(revocation: &Revocation, kind: Kind) -> bool {
    match (revocation.token_in, revocation.token_param.as_str()) {
        (TokenIn::Bearer, _) | (_, "access_token") => kind == Kind::Access,
        (_, "refresh_token") => kind == Kind::Refresh,
        _ => true,
    }
}

/// A token that the provider does not know (any more) is as good as revoked (RFC 7009, section 2.2).
fn judge(
    revocation: &Revocation,
    reply: &Reply,
    json: Option<&SecretJson>,
    secrets: &[&SecretString],
) -> Result<Revoked, CallError> {
    let is_gone = reply.status == StatusCode::GONE
        || (reply.status == StatusCode::NOT_FOUND && revocation.method == Method::DELETE);
    if is_gone {
        return Ok(Revoked::AtProvider);
    }
    // Where the token is the request's own proof, the answer judges the token as a resource does; else it judges the
    // client, as the token endpoint does.
    let place = if revocation.token_in == TokenIn::Bearer { Place::Resource } else { Place::Token };
    match refusal(place, reply, json, secrets) {
        Some(CallError::TokenRejected | CallError::InvalidGrant) => Ok(Revoked::AtProvider),
        Some(CallError::Refused { code }) if code == "unsupported_token_type" => Ok(Revoked::Unsupported),
        Some(error) => Err(error),
        None if json.and_then(|json| json.at("/revoked")?.as_bool()) == Some(false) => {
            Err(CallError::Refused { code: "not_revoked".to_owned() })
        }
        None => Ok(Revoked::AtProvider),
    }
}
