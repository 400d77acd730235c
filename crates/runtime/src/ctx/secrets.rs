//! `ctx.secrets`: the secrets that the manifest asks to read, in `requiredSecrets`.

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::Value;

use super::argument::read;
use crate::invocation::{Invocation, shown};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

pub(super) async fn get(call: &Invocation, argument: &str) -> Result<String, String> {
    let Name { name } = read("secrets.get", argument)?;
    if !call.deployment.grants.secrets.contains(&name) {
        return Err(format!(
            "the plugin may not read the secret {name}: add \"{name}\" to requiredSecrets in the manifest, and have an \
             admin consent to it",
            name = shown(&name)
        ));
    }
    let value = call.secrets().await?.get(&name).map(|secret| Value::from(secret.expose_secret()));
    Ok(value.unwrap_or(Value::Null).to_string())
}
