//! The keys by which others check what this server signs.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::extract::Json;
use crate::problem::{Problem, ProblemBody};

/// A JWK Set (RFC 7517, section 5), for the document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JwkSet {
    /// The keys: Ed25519 (RFC 8037), each with `kid`, `alg` and `use`.
    #[schema(value_type = Vec<Object>, example = json!([{
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    }]))]
    keys: Vec<()>,
}

/// The keys by which a plugin's server checks `X-Jackfield-Context`, and the host product the tokens of handlers. A key is here
/// a day before anything is signed with it. Ask again where a token names a key that you do not know.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "service", operation_id = "getSigningKeys",
    responses(
        (status = 200, body = JwkSet),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn jwks(State(app): State<App>) -> Result<Response, Problem> {
    let mut response = Json(app.signer().jwks().await?).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
