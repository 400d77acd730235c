//! What this crate asks of parts that it does not own: traits that those parts, or the program, implement.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use connectors::Asker;
use model::ErrorCode;
use registry::{Departure, Deployment, Program, Registry};
use secrecy::SecretString;
use serde_json::{Map, Value};
use storage::Tx;

/// Where programs and secrets of installations are had.
#[async_trait]
pub trait Installations: Send + Sync {
    /// The program that answers for a deployment.
    async fn program(&self, deployment: &Deployment) -> Result<Program, registry::Error>;

    /// Those of the secrets called `names` that the tenant has set.
    async fn secrets(
        &self,
        deployment: &Deployment,
        names: &[&str],
    ) -> Result<BTreeMap<String, SecretString>, registry::Error>;

    /// Whether what a plugin had kept until it departed is needed again, because it was installed since. Asked within the
    /// transaction that would delete it.
    async fn has_successor(&self, tx: &mut Tx, departure: &Departure) -> Result<bool, storage::Error>;
}

#[async_trait]
impl Installations for Registry {
    async fn program(&self, deployment: &Deployment) -> Result<Program, registry::Error> {
        self.program(deployment).await
    }

    async fn secrets(
        &self,
        deployment: &Deployment,
        names: &[&str],
    ) -> Result<BTreeMap<String, SecretString>, registry::Error> {
        self.secrets(deployment, names).await
    }

    async fn has_successor(&self, tx: &mut Tx, departure: &Departure) -> Result<bool, storage::Error> {
        self.has_successor(tx, departure).await
    }
}

/// Signs short-lived tokens.
#[async_trait]
pub trait Sign: Send + Sync {
    /// A token that lives for `lifetime` and says `claims`.
    async fn sign(
        &self,
        kind: &str,
        lifetime: Duration,
        claims: &Map<String, Value>,
    ) -> Result<SecretString, identity::Error>;
}

#[async_trait]
impl Sign for identity::Signer {
    async fn sign(
        &self,
        kind: &str,
        lifetime: Duration,
        claims: &Map<String, Value>,
    ) -> Result<SecretString, identity::Error> {
        Ok(self.sign(kind, lifetime, claims).await?.token)
    }
}

/// Why an operation of a connector was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnifiedError {
    /// Which kind of error.
    pub code: ErrorCode,
    /// What would be right, in words for the plugin's author.
    pub detail: String,
}

/// Does operations of connectors and tells their results as the unified API does.
#[async_trait]
pub trait Unified: Send + Sync {
    /// Does `operation` of `connector` for `asker`, and gives the `result` of the unified API's answer.
    async fn call(
        &self,
        asker: &Asker,
        connector: &str,
        operation: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, UnifiedError>;

    /// The name under which a connector is registered, if `name` is its name or an alias.
    fn canonical(&self, name: &str) -> Option<&'static str>;
}
