//! From a provider's templates to its URLs for one connection.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::{Coded, ErrorCode, Violation};
use url::Url;

use super::discovery::Discovery;
use super::provider::{Endpoints, Flow, Provider, Resolved, VariablePattern};
use super::rules::needs_userinfo;
use super::template::{self, CLIENT_ID, Template};
use crate::protocol::Reach;

/// Why a provider's URLs cannot be had for a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Values of variables are missing, unknown or not what their patterns demand. Repeats no value.
    #[error("the connection's variables are not what the provider needs")]
    Variables(Vec<Violation>),
    /// The client id cannot stand in a URL of the provider.
    #[error("the client id cannot be a part of the provider's URLs")]
    ClientId,
    /// The provider's metadata cannot be had, now or in this form.
    #[error("the provider does not tell where its endpoints are")]
    Undiscovered,
}

impl Coded for ResolveError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Variables(_) | Self::ClientId => ErrorCode::ValidationFailed,
            Self::Undiscovered => ErrorCode::UpstreamUnavailable,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Variables(violations) => violations.clone(),
            Self::ClientId | Self::Undiscovered => Vec::new(),
        }
    }
}

impl Provider {
    /// This provider's URLs for a connection with these `variables`, made through the OAuth app `client_id` (empty for
    /// API keys). Endpoints that the entry does not name are discovered at its issuer, within 5 seconds, where an
    /// earlier answer is not at hand.
    ///
    /// # Errors
    /// Variables that are missing, unknown or outside of their patterns; metadata that cannot be had.
    pub async fn resolve(
        &self,
        variables: &BTreeMap<String, String>,
        client_id: &str,
        discovery: &Discovery,
    ) -> Result<Resolved, ResolveError> {
        let values = self.variables(variables)?;
        let url =
            |text: &Option<String>| text.as_deref().map(|text| url(text, &values, client_id)).transpose();
        let issuer = self.issuer.as_deref().map(|text| fill(text, &values, client_id)).transpose()?;
        let mut resolved = Resolved {
            authorization: url(&self.endpoints.authorization)?,
            token: url(&self.endpoints.token)?,
            userinfo: url(&self.endpoints.userinfo)?,
            revocation: url(&self.endpoints.revocation)?,
            promises_iss: self.promises_iss,
            issuer,
        };
        if let Some(issuer) = resolved.issuer.as_deref().filter(|_| self.lacks_endpoints()) {
            let reach = self.reach();
            let found = discovery.metadata(issuer, reach).await.ok_or(ResolveError::Undiscovered)?;
            resolved.authorization = resolved.authorization.or_else(|| found.authorization.clone());
            resolved.token = resolved.token.or_else(|| found.token.clone());
            resolved.userinfo = resolved.userinfo.or_else(|| found.userinfo.clone());
            resolved.revocation = resolved.revocation.or_else(|| found.revocation.clone());
            resolved.promises_iss |= found.promises_iss;
        }
        let is_whole = match self.flow {
            Flow::AuthorizationCode => resolved.authorization.is_some() && resolved.token.is_some(),
            Flow::ClientCredentials => resolved.token.is_some(),
            Flow::ApiKey => true,
        };
        if is_whole { Ok(resolved) } else { Err(ResolveError::Undiscovered) }
    }

    /// The values of every variable: as given, else by default. An empty value counts as not given. Parts of a host
    /// come back in lower case, so that one place has one name; these are the values to keep.
    ///
    /// # Errors
    /// Each value that is missing, unknown or outside of its pattern, by its name.
    pub fn variables(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, ResolveError> {
        let mut violations = Vec::new();
        let mut values = BTreeMap::new();
        for name in given.keys().filter(|name| !self.variables.contains_key(*name)).take(20) {
            violations.push(Violation::new(pointer(name), "is not a variable of this provider"));
        }
        for (name, variable) in &self.variables {
            let value = given.get(name).filter(|value| !value.is_empty()).or(variable.default.as_ref());
            match value {
                Some(value) if variable.pattern.accepts(value) => {
                    let is_host = variable.pattern != VariablePattern::PathSegment;
                    let value = if is_host { value.to_ascii_lowercase() } else { value.clone() };
                    values.insert(name.clone(), value);
                }
                Some(_) => {
                    violations.push(Violation::new(
                        pointer(name),
                        format!("must be {}", variable.pattern.expects()),
                    ));
                }
                None => violations.push(Violation::new(
                    pointer(name),
                    format!("must be given ({}): {}", variable.label, variable.pattern.expects()),
                )),
            }
        }
        if violations.is_empty() { Ok(values) } else { Err(ResolveError::Variables(violations)) }
    }

    /// The hosts that the provider's API is at for a connection with these `variables`, in lower case, each with its
    /// port where it is not 443.
    ///
    /// # Errors
    /// As for [`Provider::variables`].
    pub fn hosts(&self, variables: &BTreeMap<String, String>) -> Result<Vec<String>, ResolveError> {
        let values = self.variables(variables)?;
        let host = |text: &String| {
            let url = url(&format!("https://{text}"), &values, "")?;
            let host = url.host_str().unwrap_or_default();
            Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        };
        self.api_hosts.iter().map(host).collect()
    }

    /// Where its endpoints may be: where the guard lets it through if a user says, by a variable, at which host.
    pub(crate) fn reach(&self) -> Reach {
        let Endpoints { authorization, token, userinfo, revocation } = &self.endpoints;
        let mut urls = [&self.issuer, authorization, token, userinfo, revocation].into_iter().flatten();
        let is_free = urls.any(|text| template::is_free_host(text, &self.variables));
        if is_free { Reach::Guarded } else { Reach::Anywhere }
    }

    /// Whether metadata must be asked for what the entry does not say.
    fn lacks_endpoints(&self) -> bool {
        let endpoints = &self.endpoints;
        match self.flow {
            Flow::AuthorizationCode => {
                let lacks_userinfo = endpoints.userinfo.is_none() && needs_userinfo(&self.account);
                endpoints.authorization.is_none() || endpoints.token.is_none() || lacks_userinfo
            }
            Flow::ClientCredentials => endpoints.token.is_none(),
            Flow::ApiKey => false,
        }
    }
}

fn pointer(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    format!("/variables/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn fill(text: &str, values: &BTreeMap<String, String>, client_id: &str) -> Result<String, ResolveError> {
    let value = |name: &str| match name {
        CLIENT_ID => template::path_segment(client_id).map(Cow::Owned),
        name => values.get(name).map(|value| Cow::Borrowed(value.as_str())),
    };
    // The catalog has no template with other braces or names: what is missing is a client id.
    Template::parse(text).and_then(|template| template.fill(value)).ok_or(ResolveError::ClientId)
}

fn url(text: &str, values: &BTreeMap<String, String>, client_id: &str) -> Result<Url, ResolveError> {
    let no_url = || {
        let sentence = "make no host name that exists";
        let names = values.keys().map(|name| Violation::new(pointer(name), sentence));
        ResolveError::Variables(names.collect())
    };
    Url::parse(&fill(text, values, client_id)?).map_err(|_| no_url())
}
