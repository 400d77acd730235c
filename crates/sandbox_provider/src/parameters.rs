//! Parameters of requests: of a query, or of a form.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use url::form_urlencoded;

use crate::error::{Code, OAuthError};

/// The parameters of a request, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The value of a parameter; `None` if it is missing or empty, which is the same (RFC 6749, section 3.1).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// Every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be there.
    pub(crate) fn require(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::new(Code::InvalidRequest, format!("{name} is missing")))
    }

    /// Refuses a request that has a parameter more than once (RFC 6749, sections 3.1 and 3.2).
    pub(crate) fn refuse_repeated(&self, names: &[&'static str]) -> Result<(), OAuthError> {
        let repeated = names.iter().find(|name| self.all(name).count() > 1);
        repeated.map_or(Ok(()), |name| {
            Err(OAuthError::new(Code::InvalidRequest, format!("{name} is there more than once")))
        })
    }
}

/// Parameters of the query.
#[derive(Debug)]
pub(crate) struct Query(pub(crate) Parameters);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Parameters::parse(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}

/// Parameters of a form in the body.
#[derive(Debug)]
pub(crate) struct Form(pub(crate) Parameters);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = OAuthError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = media_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let detail = "the body must be application/x-www-form-urlencoded";
            return Err(OAuthError::new(Code::InvalidRequest, detail));
        }
        let body = axum::body::Bytes::from_request(request, state).await;
        let body = body.map_err(|_| OAuthError::new(Code::TooLarge, "the body is too large"))?;
        Ok(Self(Parameters::parse(&body)))
    }
}
