//! Tokens as a host product would sign them.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::{Ambient, Role};
use serde_json::{Map, Value};

/// The `JWT_SECRET` of test servers.
pub const SECRET: &str = "a secret of test servers, 32 bytes or longer";

/// A token of the user `user-1` with `role` in `tenant`, good for an hour.
pub fn token(tenant: &str, role: Role) -> String {
    TokenBuilder::new().claim("tenantId", tenant).claim("role", role.as_str()).sign()
}

/// A token in the making.
#[derive(Debug, Clone)]
pub struct TokenBuilder {
    claims: Map<String, Value>,
    secret: String,
}

impl Default for TokenBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenBuilder {
    /// A token of `user-1`, good for an hour, signed with [`SECRET`].
    pub fn new() -> Self {
        let expires = Ambient::system().now().plus(Duration::from_hours(1)).as_second();
        Self { claims: Map::new(), secret: SECRET.to_owned() }.claim("sub", "user-1").claim("exp", expires)
    }

    /// Sets a claim; `Value::Null` takes it out.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => drop(self.claims.remove(name)),
            value => drop(self.claims.insert(name.to_owned(), value)),
        }
        self
    }

    /// Signs with another secret.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// The signed token.
    #[expect(clippy::expect_used, reason = "for tests only, and HMAC signs anything")]
    pub fn sign(&self) -> String {
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &self.claims, &key)
            .expect("HS256 signs any claims")
    }
}
