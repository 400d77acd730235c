//! Changing what is published: its description, or, with a source, by a new version; and taking it out.

use model::{EventKind, PluginId, Violation};
use serde_json::{Map, Value, json};

use crate::deployment::sensitive_fields;
use crate::plugin::{Owner, Plugin};
use crate::publish::{Author, Published, event};
use crate::store::plugins::{self, Summary};
use crate::{Draft, Error, Manifest, Registry};

impl Registry {
    /// Changes a plugin of the author's catalog: with a source, as a new version; without, its description.
    ///
    /// `fields` are those of a publish; what they leave out stays as it is.
    ///
    /// # Errors
    /// As [`Registry::publish`]; [`Error::PluginNotFound`], [`Error::NotPublisher`] if another catalog has it.
    pub async fn update(
        &self,
        author: &Author,
        id: &PluginId,
        fields: Map<String, Value>,
    ) -> Result<Published, Error> {
        let current = self.own_plugin(author, id).await?;
        if fields.get("id").is_some_and(|named| named.as_str() != Some(id.as_str())) {
            return Err(Error::Manifest(vec![Violation::new(
                "/id",
                "must be the id in the path, or left out",
            )]));
        }
        let merged = merge(&current.manifest, fields).map_err(Error::Corrupt)?;
        let mut draft = Draft::from_json(Value::Object(merged))?;
        let is_new_version = draft.manifest.version != current.manifest.version;
        if draft.source.is_some()
            || draft.manifest.remote_entry != current.manifest.remote_entry
            || (is_new_version && draft.manifest.is_upstream_alone())
        {
            return Box::pin(self.publish(author, draft)).await;
        }
        if is_new_version {
            return Err(Error::SourceMissing);
        }
        refuse_other_behavior(&current.manifest, &draft.manifest)?;
        // What the program's hooks want is among it, though the author has not written it.
        draft.manifest.listens.clone_from(&current.manifest.listens);
        self.redescribe(author, &current, draft).await
    }

    /// Takes a plugin out of the shared catalog. Tenants that have it installed keep the version they run.
    ///
    /// # Errors
    /// [`Error::PluginNotFound`].
    pub async fn remove(&self, id: &PluginId) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        if !plugins::remove(&mut tx, id, self.ambient.now()).await? {
            return Err(Error::PluginNotFound(id.to_string()));
        }
        tx.record(event(&Owner::Shared, EventKind::PluginRemoved, id, json!({})));
        tx.commit().await.map_err(Error::from)
    }

    async fn redescribe(&self, author: &Author, current: &Plugin, draft: Draft) -> Result<Published, Error> {
        let checked = draft.manifest.check()?;
        let mut tx = self.database.begin().await?;
        let existing = plugins::existing(&mut tx, &author.owner, &checked.id).await?;
        let is_as_read = |existing: plugins::Existing| {
            existing.current_version == draft.manifest.version
                && existing.updated_at == current.updated_at.as_millisecond()
                && existing.removed_at.is_none()
        };
        if !existing.is_some_and(is_as_read) {
            return Err(Error::ChangedMeanwhile(checked.id.to_string()));
        }
        let status = match author.owner {
            Owner::Tenant(_) => current.status,
            Owner::Shared => draft.status.unwrap_or(current.status),
        };
        let manifest = draft.manifest;
        let summary = Summary {
            manifest: &manifest,
            current_version: &manifest.version,
            status,
            now: self.ambient.now(),
        };
        plugins::update(&mut tx, &current.key, &summary).await?;
        plugins::update_manifest(&mut tx, &current.version_key, &manifest).await?;
        let data = json!({"version": manifest.version, "by": author.subject, "status": status.as_str()});
        tx.record(event(&author.owner, EventKind::PluginUpdated, &checked.id, data));
        tx.commit().await?;
        self.forget_deployments();
        Ok(Published {
            plugin: self.published(author, &checked.id, &manifest.version).await?,
            warnings: Vec::new(),
        })
    }

    async fn own_plugin(&self, author: &Author, id: &PluginId) -> Result<Plugin, Error> {
        let mut conn = self.database.read().await?;
        if let Some(plugin) = plugins::find_own(&mut conn, &author.owner, id).await? {
            return Ok(plugin);
        }
        match plugins::find(&mut conn, None, id).await? {
            Some(_) => Err(Error::NotPublisher(id.to_string())),
            None => Err(Error::PluginNotFound(id.to_string())),
        }
    }
}

/// What a published version does and asks for is what its installations run and have consented to, and what is a secret of
/// theirs is kept as one: none of it changes.
fn refuse_other_behavior(published: &Manifest, wanted: &Manifest) -> Result<(), Error> {
    let changed = [
        ("backend", published.backend != wanted.backend),
        ("hosts", published.hosts != wanted.hosts),
        ("connections", published.connections != wanted.connections),
        ("requiredSecrets", published.required_secrets != wanted.required_secrets),
        ("requiredPermissions", published.required_permissions != wanted.required_permissions),
        ("emits", published.emits != wanted.emits),
        ("listens", wanted.listens.iter().any(|pattern| !published.listens.contains(pattern))),
        ("webhook", published.webhook != wanted.webhook),
        ("configSchema/sensitiveFields", sensitive_fields(published) != sensitive_fields(wanted)),
    ];
    let changed = changed.into_iter().filter(|(_, is_changed)| *is_changed);
    let found: Vec<Violation> = changed
        .map(|(key, _)| {
            let detail = "cannot change in a published version: publish it with a new version";
            Violation::new(format!("/{key}"), detail)
        })
        .collect();
    if found.is_empty() { Ok(()) } else { Err(Error::Manifest(found)) }
}

/// The body of a publish that changes `fields` of `manifest` and keeps the rest.
fn merge(manifest: &Manifest, fields: Map<String, Value>) -> Result<Map<String, Value>, serde_json::Error> {
    let Value::Object(mut merged) = serde_json::to_value(manifest)? else { return Ok(fields) };
    let has_source = ["sourceCode", "files", "bundleUrl"].iter().any(|key| fields.contains_key(*key));
    if has_source {
        // What was found in the former program is to be found in the new one.
        merged.shift_remove("extensionPoints");
    }
    for (key, value) in fields {
        match (merged.get_mut(&key), value) {
            (Some(Value::Object(known)), Value::Object(given)) if key == "metadata" => known.extend(given),
            (_, value) => {
                merged.insert(key, value);
            }
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let manifest = Manifest::from_json(json!({
            "id": "card", "name": "Card", "version": "1.0.0", "category": "payment", "extensionPoints": ["a"],
            "metadata": {"author": "A", "priority": 1},
        }));
        let manifest = manifest.unwrap();
        let change = |fields: Value| merge(&manifest, fields.as_object().unwrap().clone()).unwrap();
        let described = change(json!({"description": "New", "metadata": {"priority": 2}}));
        assert_eq!(described["name"], "Card");
        assert_eq!(described["description"], "New");
        assert_eq!(described["extensionPoints"], json!(["a"]));
        assert_eq!(described["metadata"], json!({"author": "A", "priority": 2}));
        let rebuilt = change(json!({"version": "2.0.0", "sourceCode": "export default {}"}));
        assert_eq!(rebuilt.get("extensionPoints"), None, "the new program says what it registers");
    }

    #[test]
    fn what_a_version_does_stays() {
        let schema =
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "sensitiveFields": ["a"]});
        let manifest = |fields: Value| {
            let mut whole = json!({
                "id": "card", "name": "Card", "version": "1.0.0", "category": "payment",
                "backend": {"entryPoint": "a.ts"}, "emits": ["card.paid"], "configSchema": schema,
            });
            whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            Manifest::from_json(whole).unwrap()
        };
        let published = manifest(json!({}));
        let open = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let other =
            json!({"type": "object", "properties": {"a": {"type": "number"}}, "sensitiveFields": ["a"]});
        for (fields, changed) in [
            (json!({"name": "Other", "configSchema": other}), None),
            (json!({"emits": ["card.paid", "card.other"]}), Some("/emits")),
            (json!({"configSchema": open}), Some("/configSchema/sensitiveFields")),
            (json!({"requiredSecrets": ["a"]}), Some("/requiredSecrets")),
        ] {
            let told = match refuse_other_behavior(&published, &manifest(fields)) {
                Err(Error::Manifest(found)) => Some(found[0].pointer.clone()),
                other => other.map(|()| None).unwrap(),
            };
            assert_eq!(told.as_deref(), changed);
        }
    }
}
