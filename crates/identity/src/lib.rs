//! Credentials → [`Principal`](model::Principal): who is calling, for which tenant, in which role.
//!
//! [`Authenticator`] is the door. Behind it are the tokens that others make (JWS by a shared secret or by the published
//! keys of an issuer, session tokens of NextAuth v4 and Auth.js v5, session tokens of a platform whose plugin this is:
//! [`StoreSession`]) and the API keys that this program makes ([`ApiKeys`]). [`Signer`] goes the other way: it makes tokens
//! by which others know this server.
//!
//! Every token is at most [`MAX_CREDENTIAL_BYTES`] long, must carry `exp` and, but for a platform's, `sub`, and is refused
//! if its `nbf` lies more than 30 seconds ahead, if its header demands an extension (`crit`), or if its algorithm is not
//! the key's own.

mod api_key;
mod authenticator;
mod claims;
mod compact;
mod config;
mod credentials;
mod error;
mod fetch;
mod issued;
mod issuer;
mod key_set;
mod session;
mod signer;
mod store_session;
mod tokens;

pub use api_key::{ApiKey, ApiKeys, MAX_LIVE_KEYS, Maker, NewApiKey};
pub use authenticator::Authenticator;
pub use config::{Config, IssuerUrl, Lexmodo};
pub use credentials::{Carrier, Credentials};
pub use error::{AlgorithmName, Error};
pub use issued::IssuedTokens;
pub use signer::{MAX_LIFETIME, SEALED, Signed, Signer};
pub use store_session::StoreSession;

/// The tables of this crate.
pub const MIGRATIONS: &[storage::Migration] = &[api_key::MIGRATION, signer::MIGRATION];

/// The rows of this crate that a tenant has.
pub const TENANT_DATA: &[storage::TenantData] = &[api_key::TENANT_DATA, signer::TENANT_DATA];

/// The most bytes of a token, whether in a header or put together from cookies.
pub const MAX_CREDENTIAL_BYTES: usize = 16 * 1024;
