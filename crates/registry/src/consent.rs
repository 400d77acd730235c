//! What a tenant's admin has agreed to let a plugin do.

use model::{EventKind, PluginId, TenantId, Violation};
use serde_json::json;
use storage::Tx;

use crate::installation::{event, lock};
use crate::plugin::Plugin;
use crate::store::{deployments, installations};
use crate::{Error, Grants, Registry};

/// What an installed plugin asks for, beside what was agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// What the installed version asks for.
    pub asked: Grants,
    /// What was consented to; `None` where it was installed before anybody was asked.
    pub consented: Option<Grants>,
    /// What is asked for and not consented to. The plugin goes without it.
    pub missing: Grants,
}

/// What an admin has said to what a version asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said<'a> {
    /// Installs it, which is a yes to what is shown there.
    Installs,
    /// Nothing: what was consented to before must do.
    Nothing,
    /// Agrees to these.
    Agrees(&'a Grants),
}

impl Registry {
    /// What the installed version of a plugin asks for, and what was agreed to.
    ///
    /// # Errors
    /// [`Error::NotInstalled`].
    pub async fn consent(&self, tenant: &TenantId, id: &PluginId) -> Result<Consent, Error> {
        let mut conn = self.database.read().await?;
        let installation = installations::find(&mut conn, tenant, id).await?;
        let installation = installation.ok_or_else(|| Error::NotInstalled(id.to_string()))?;
        let consented = deployments::consent(&mut conn, tenant, &installation.plugin.key).await?;
        let asked = Grants::asked(&installation.plugin.manifest);
        let missing = asked.missing_from(consented.as_ref().unwrap_or(&Grants::default()));
        Ok(Consent { asked, consented, missing })
    }

    /// Agrees to what the installed version asks for, which `grants` must be.
    ///
    /// # Errors
    /// [`Error::NotInstalled`], [`Error::ConsentMismatch`].
    pub async fn consent_to(
        &self,
        tenant: &TenantId,
        id: &PluginId,
        grants: &Grants,
        by: &str,
    ) -> Result<Consent, Error> {
        let mut tx = self.database.begin().await?;
        let current = lock(&mut tx, tenant, id).await?;
        self.take_consent(&mut tx, tenant, &current.plugin, Said::Agrees(grants), by).await?;
        tx.commit().await?;
        self.forget_deployment(tenant, id).await;
        self.consent(tenant, id).await
    }

    /// Holds what `plugin` asks for against what was consented to and is now, and records the consent where it is new.
    pub(crate) async fn take_consent(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        plugin: &Plugin,
        said: Said<'_>,
        by: &str,
    ) -> Result<(), Error> {
        let asked = Grants::asked(&plugin.manifest);
        let (id, version) = (plugin.manifest.id.clone(), plugin.manifest.version.clone());
        let known = deployments::consent(tx, tenant, &plugin.key).await?;
        match said {
            Said::Installs => {}
            Said::Nothing => {
                let missing = asked.missing_from(known.as_ref().unwrap_or(&Grants::default()));
                if !missing.is_empty() {
                    return Err(Error::ConsentRequired { plugin: id, version, missing: missing.sentences() });
                }
                return Ok(());
            }
            Said::Agrees(given) => {
                let differences = differences(given, &asked);
                if !differences.is_empty() {
                    return Err(Error::ConsentMismatch { plugin: id, version, differences });
                }
            }
        }
        if known.as_ref() == Some(&asked) {
            return Ok(());
        }
        if !deployments::set_consent(tx, tenant, &plugin.key, &asked, by, self.ambient.now()).await? {
            return Err(Error::NotInstalled(id));
        }
        // Whoever installs what asks for nothing has not been asked.
        if !asked.is_empty() || known.is_some() {
            let data = json!({
                "version": version, "by": by, "grants": asked,
                "pluginKey": plugin.key, "versionKey": plugin.version_key,
            });
            let id: PluginId = id.parse().map_err(|_| Error::PluginNotFound(id))?;
            tx.record(event(tenant, EventKind::InstallationConsented, &id, data));
        }
        Ok(())
    }
}

fn differences(given: &Grants, asked: &Grants) -> Vec<Violation> {
    let said = |each: Violation, words: &str| {
        Violation::new(each.pointer, format!("{words} that it {}", each.detail))
    };
    let more =
        asked.missing_from(given).sentences().into_iter().map(|each| said(each, "the consent does not say"));
    let less =
        given.missing_from(asked).sentences().into_iter().map(|each| said(each, "the plugin does not ask"));
    more.chain(less).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_differing_are_told() {
        let grants = |host: &str| Grants { hosts: [host.to_owned()].into(), ..Grants::default() };
        let found = differences(&grants("a.example.com"), &grants("b.example.com"));
        let details: Vec<&str> = found.iter().map(|each| each.detail.as_str()).collect();
        assert_eq!(
            details,
            [
                "the consent does not say that it may call b.example.com",
                "the plugin does not ask that it may call a.example.com",
            ]
        );
        assert_eq!(differences(&grants("a.example.com"), &grants("a.example.com")), []);
    }
}
