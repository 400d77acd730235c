//! The providers there are: what is built in, and what the operator adds or overrides. Data alone: reading it does no
//! I/O, and no name of a provider stands in the code.

mod app;
mod discovery;
mod entry;
mod fields;
mod file;
mod metadata;
mod platform;
#[cfg(test)]
mod platform_tests;
mod provider;
mod resolve;
mod rules;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use fields::{Fields, Findings};
use url::Url;

pub use app::PlatformApp;
pub use discovery::Discovery;
pub use platform::PlatformEntry;
pub use provider::{
    AccountShape, BodyFormat, CredentialShape, Endpoints, Flow, InvalidProviderId, Owner, Provider,
    ProviderId, Resolved, Revocation, Rotation, SitesShape, TokenAuth, TokenIn, Variable, VariablePattern,
};
pub use resolve::ResolveError;
pub use rules::is_in_the_clear;

/// Every provider, and the platform's own OAuth apps there.
#[derive(Debug, Clone)]
pub struct Catalog {
    providers: BTreeMap<ProviderId, Arc<Provider>>,
    apps: BTreeMap<ProviderId, PlatformApp>,
    warnings: Vec<String>,
}

/// All that is wrong with the catalog's file and the settings of OAuth apps. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CatalogError {
    /// One sentence each, naming the entry, the key and what would be right.
    pub problems: Vec<String>,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl Catalog {
    /// The built-in entries and those of `platform`, with `file`, the operator's `providers.toml`, over them; and the
    /// platform's OAuth apps, each from its settings (`GOOGLE_CLIENT_ID`, …) as `setting` tells them, else from the keys
    /// of its entry.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(
        platform: &[PlatformEntry<'_>],
        file: Option<&str>,
        setting: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, CatalogError> {
        let mut findings = Findings::default();
        let entries = file::entries(platform, file, &mut findings);
        let (mut providers, mut apps) = (BTreeMap::new(), BTreeMap::new());
        let mut named: BTreeMap<String, &ProviderId> = BTreeMap::new();
        for (id, entry) in &entries {
            let [setting_name, ..] = app::setting_names(id);
            if let Some(other) = named.insert(setting_name.clone(), id) {
                let sentence = format!(
                    "[providers.{id}] and [providers.{other}] would share the setting {setting_name}"
                );
                findings.problems.push(format!("{sentence}; name one of them otherwise"));
            }
            let fields = Fields::new(format!("providers.{id}"), &entry.table, entry::KEYS, &mut findings);
            let mut fields = fields.of_settings(&entry.settings);
            let provider = entry::read(id, &mut fields);
            if let Some(app) = app::read(&provider, &mut fields, setting) {
                apps.insert(id.clone(), app);
            }
            providers.insert(id.clone(), Arc::new(provider));
        }
        let Findings { problems, warnings } = findings;
        if problems.is_empty() {
            Ok(Self { providers, apps, warnings })
        } else {
            Err(CatalogError { problems })
        }
    }

    /// The same with the entries of `file` that it lacks.
    ///
    /// # Errors
    /// Everything that is wrong with `file`.
    pub fn with(mut self, file: &str) -> Result<Self, CatalogError> {
        let other = Self::load(&[], Some(file), &|_| None)?;
        for (id, provider) in other.providers {
            if self.providers.contains_key(&id) {
                continue;
            }
            if let Some(app) = other.apps.get(&id) {
                self.apps.insert(id.clone(), app.clone());
            }
            self.providers.insert(id, provider);
        }
        Ok(self)
    }

    /// The same where the browser comes back from `provider` to `url`, unless the operator has said where to.
    #[must_use]
    pub fn returning_to(mut self, provider: &str, url: Url) -> Self {
        if let Some(app) = ProviderId::parse(provider).and_then(|id| self.apps.get_mut(&id)) {
            app.redirect_uri.get_or_insert(url);
        }
        self
    }

    /// The names of the settings of OAuth apps that there are with `file`: four for each provider, sorted. Entries that
    /// are wrong are counted too, so that their settings are not called unknown besides.
    pub fn setting_names(file: Option<&str>) -> Vec<String> {
        file::entries(&[], file, &mut Findings::default()).keys().flat_map(app::setting_names).collect()
    }

    /// The provider of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.get(&ProviderId::parse(name)?)
    }

    /// Every provider, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values()
    }

    /// The platform's own OAuth app at `provider`, where the operator has registered one.
    pub fn app(&self, provider: &ProviderId) -> Option<&PlatformApp> {
        self.apps.get(provider)
    }

    /// What the operator should know of the file, though it can be used.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
