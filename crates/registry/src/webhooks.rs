//! What an installation's webhooks are verified with: the secret that is configured, and for a day the one before it.

use std::time::Duration;

use model::TenantId;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Map, Value};
use storage::Tx;

use crate::plugin::Plugin;
use crate::store::{FORMER_WEBHOOK_SECRET, webhook_secrets};
use crate::{Deployment, Error, Registry, backend};

/// How long a former secret is good: a sender is told the new one by hand, and what it has sent may be underway.
const OVERLAP: Duration = Duration::from_hours(24);

impl Registry {
    /// The secrets that webhooks of `deployment` may be signed with: the configured one, and the one before where it was
    /// replaced less than 24 hours ago. Empty where none is set, or the manifest names none.
    ///
    /// # Errors
    /// Those of [`Registry::secrets`].
    pub async fn webhook_secrets(&self, deployment: &Deployment) -> Result<Vec<SecretString>, Error> {
        let Some(field) = deployment.webhook.as_ref().and_then(backend::secret_field) else {
            return Ok(Vec::new());
        };
        let mut secrets: Vec<SecretString> =
            self.secrets(deployment, &[field]).await?.into_values().collect();
        if secrets.is_empty() {
            return Ok(secrets);
        }
        let Deployment { tenant, plugin_key, incarnation, .. } = deployment;
        let mut conn = self.database.read().await?;
        let place = (tenant, plugin_key.as_str(), *incarnation);
        if let Some(sealed) = webhook_secrets::former(&mut conn, place, self.ambient.now()).await? {
            let purpose = FORMER_WEBHOOK_SECRET.purpose(&[plugin_key]);
            let opened = self.sealer.unseal(&mut conn, tenant, &purpose, &sealed).await?;
            secrets.push(serde_json::from_slice(opened.expose_secret()).map_err(Error::Corrupt)?);
        }
        Ok(secrets)
    }

    /// Keeps what webhooks were signed with until now, if this configuration replaces it. One that sets none ends the former, too.
    pub(crate) async fn keep_former_webhook_secret(
        &self,
        tx: &mut Tx,
        (tenant, plugin): (&TenantId, &Plugin),
        (former, new): (Option<&SecretSlice<u8>>, Option<&SecretSlice<u8>>),
    ) -> Result<(), Error> {
        let Some(field) = plugin.manifest.webhook.as_ref().and_then(backend::secret_field) else {
            return Ok(());
        };
        let (former, new) = (value(former, field)?, value(new, field)?);
        let Some(new) = new else {
            return Ok(webhook_secrets::forget_former(tx, (tenant, &plugin.key)).await?);
        };
        let Some(former) = former.filter(|former| former.expose_secret() != new.expose_secret()) else {
            return Ok(());
        };
        let former = former.expose_secret();
        let former = SecretSlice::from(serde_json::to_vec(former).map_err(Error::Corrupt)?);
        let purpose = FORMER_WEBHOOK_SECRET.purpose(&[&plugin.key]);
        let sealed = self.sealer.seal(tx, tenant, &purpose, former.expose_secret()).await?;
        let until = self.ambient.now().plus(OVERLAP);
        Ok(webhook_secrets::keep_former(tx, (tenant, &plugin.key), &sealed, until).await?)
    }
}

fn value(secrets: Option<&SecretSlice<u8>>, field: &str) -> Result<Option<SecretString>, Error> {
    let Some(secrets) = secrets else { return Ok(None) };
    let values: Map<String, Value> =
        serde_json::from_slice(secrets.expose_secret()).map_err(Error::Corrupt)?;
    Ok(values.get(field).and_then(Value::as_str).map(SecretString::from))
}
