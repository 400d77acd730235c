//! The manifest: what a plugin says of itself, in `plugin.json` or in the body of a publish.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use model::{PluginId, Violation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::version::{Version, parse_range};
use crate::{BackendManifest, ConnectionAsk, Error, HostRule, backend, configuration, unknown_keys};

/// A plugin's description of itself. Field names are the manifest's own, in camelCase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manifest {
    /// Unique within the shared catalog, or within the tenant whose private plugin it is.
    pub id: String,
    /// The name to show to people.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// What it does, in a sentence or two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What kind it is, such as `payment`.
    pub category: String,
    /// The file that the bundle begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Where in the host it appears. Found in the program where it is not given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extension_points: Vec<String>,
    /// What it asks of the host product.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_permissions: Vec<String>,
    /// JSON Schema of its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<Value>,
    /// Components for the host's admin pages, by name.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub admin_components: Map<String, Value>,
    /// Components for the host's public pages, by name.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub storefront_components: Map<String, Value>,
    /// The entry of a module-federation remote, for hosts that load those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_entry: Option<String>,
    /// The module-federation scope of `remote_entry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Its server side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendManifest>,
    /// Hosts that the backend may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostRule>,
    /// Connectors that the backend may use for the tenant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionAsk>,
    /// Secrets of the configuration that the backend may read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_secrets: Vec<String>,
    /// How its webhooks are verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Value>,
    /// Event types that it emits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emits: Vec<String>,
    /// Event types that it listens to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listens: Vec<String>,
    /// Other plugins that must be installed, by id and range.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<String, String>,
    /// Author, icon and what else a marketplace shows.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The oldest platform version that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_platform_version: Option<String>,
    /// The newest platform version that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_platform_version: Option<String>,
    /// Platform versions or ranges that it runs on; one must match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compatible_versions: Vec<String>,
}

impl Manifest {
    /// Every key that a manifest may have.
    pub const KEYS: [&'static str; 25] = [
        "adminComponents",
        "backend",
        "category",
        "compatibleVersions",
        "configSchema",
        "connections",
        "dependencies",
        "description",
        "emits",
        "entry",
        "extensionPoints",
        "hosts",
        "id",
        "listens",
        "maxPlatformVersion",
        "metadata",
        "minPlatformVersion",
        "name",
        "remoteEntry",
        "requiredPermissions",
        "requiredSecrets",
        "scope",
        "storefrontComponents",
        "version",
        "webhook",
    ];

    /// Parts of `metadata` that the server keeps; a manifest's own values for them are dropped.
    pub(crate) const SERVER_METADATA: [&'static str; 6] =
        ["status", "installCount", "rating", "reviewCount", "submittedAt", "lastUpdated"];

    /// Reads a manifest from JSON, checking keys and types alone.
    ///
    /// # Errors
    /// [`Error::Manifest`] with every unknown key (and the nearest known one), or the first value of a wrong type.
    pub fn from_json(value: Value) -> Result<Self, Error> {
        let Value::Object(object) = value else {
            return Err(Error::Manifest(vec![Violation::new("", "must be a JSON object")]));
        };
        let unknown = unknown_keys::violations(&object, &Self::KEYS);
        if !unknown.is_empty() {
            return Err(Error::Manifest(unknown));
        }
        // A null is what some clients send for what they leave out.
        let mut object: Map<String, Value> =
            object.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let misshapen = backend::normalize(&mut object);
        if !misshapen.is_empty() {
            return Err(Error::Manifest(misshapen));
        }
        let pointers = object.clone();
        let mut manifest: Self = serde_json::from_value(Value::Object(object))
            .map_err(|error| Error::Manifest(vec![misplaced(&pointers, &error)]))?;
        manifest.metadata.retain(|key, _| !Self::SERVER_METADATA.contains(&key.as_str()));
        Ok(manifest)
    }

    /// Reads a manifest that was stored. What an earlier version of this program took for a backend without reading it is
    /// dropped where it is none.
    pub(crate) fn from_stored(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).or_else(|_| {
            let mut object: Map<String, Value> = serde_json::from_str(text)?;
            backend::restore(&mut object);
            serde_json::from_value(Value::Object(object))
        })
    }

    /// Whether it has nothing for a page, and needs no bundle: a backend that is kept elsewhere.
    pub(crate) fn is_upstream_alone(&self) -> bool {
        let has_upstream = self.backend.as_ref().is_some_and(|backend| backend.upstream.is_some());
        has_upstream && !self.names_page_parts() && self.remote_entry.is_none()
    }

    /// Whether it says that there is something for a page.
    pub(crate) fn names_page_parts(&self) -> bool {
        self.entry.is_some() || !self.extension_points.is_empty()
    }

    /// Checks every rule that concerns the manifest alone.
    ///
    /// # Errors
    /// [`Error::Manifest`] with all that is wrong.
    pub fn check(&self) -> Result<Checked, Error> {
        let mut problems = Vec::new();
        let id = self.id.parse::<PluginId>();
        let version = self.version.parse::<Version>();
        if let Err(error) = &id {
            problems.push(Violation::new("/id", error.to_string()));
        }
        if let Err(error) = &version {
            problems.push(Violation::new("/version", error.to_string()));
        }
        self.check_size(&mut problems);
        self.check_texts(&mut problems);
        self.check_versions(&mut problems);
        self.check_urls(&mut problems);
        if let Some(schema) = &self.config_schema {
            problems.extend(configuration::check_schema(schema));
        }
        problems.extend(backend::check(self));
        match (id, version) {
            (Ok(id), Ok(version)) if problems.is_empty() => Ok(Checked { id, version }),
            _ => Err(Error::Manifest(problems)),
        }
    }

    /// Every listing carries whole manifests, so the parts that have no rule of their own need a bound together.
    fn check_size(&self, problems: &mut Vec<Violation>) {
        let size = serde_json::to_vec(self).map_or(usize::MAX, |text| text.len());
        if size > MAX_MANIFEST {
            let detail = format!("must have at most {MAX_MANIFEST} bytes of JSON beside the source");
            problems.push(Violation::new("", detail));
        }
    }

    fn check_texts(&self, problems: &mut Vec<Violation>) {
        check_length(problems, "/name", &self.name, 1..=200);
        check_length(problems, "/category", &self.category, 1..=64);
        check_length(problems, "/description", self.description.as_deref().unwrap_or_default(), 0..=4000);
        for (list, texts) in [
            ("extensionPoints", &self.extension_points),
            ("requiredPermissions", &self.required_permissions),
            ("requiredSecrets", &self.required_secrets),
            ("emits", &self.emits),
            ("listens", &self.listens),
        ] {
            for (index, text) in texts.iter().enumerate().take(MAX_LIST) {
                check_length(problems, &format!("/{list}/{index}"), text, 1..=128);
            }
            if texts.len() > MAX_LIST {
                problems.push(Violation::new(
                    format!("/{list}"),
                    format!("must have at most {MAX_LIST} entries"),
                ));
            }
        }
        let metadata = serde_json::to_vec(&self.metadata).map_or(usize::MAX, |text| text.len());
        if metadata > MAX_METADATA {
            problems
                .push(Violation::new("/metadata", format!("must have at most {MAX_METADATA} bytes of JSON")));
        }
    }

    fn check_versions(&self, problems: &mut Vec<Violation>) {
        for (pointer, bound) in [
            ("/minPlatformVersion", &self.min_platform_version),
            ("/maxPlatformVersion", &self.max_platform_version),
        ] {
            if let Some(Err(error)) = bound.as_ref().map(|text| text.parse::<Version>()) {
                problems.push(Violation::new(pointer, error.to_string()));
            }
        }
        for (index, text) in self.compatible_versions.iter().enumerate() {
            if parse_range(text).is_none() {
                problems.push(Violation::new(format!("/compatibleVersions/{index}"), NOT_A_RANGE));
            }
        }
        for (id, range) in &self.dependencies {
            let pointer = format!("/dependencies/{}", id.replace('~', "~0").replace('/', "~1"));
            if let Err(error) = id.parse::<PluginId>() {
                problems.push(Violation::new(pointer, error.to_string()));
            } else if *id == self.id {
                problems.push(Violation::new(pointer, "a plugin cannot depend on itself"));
            } else if parse_range(range).is_none() {
                problems.push(Violation::new(pointer, NOT_A_RANGE));
            }
        }
    }

    fn check_urls(&self, problems: &mut Vec<Violation>) {
        if let Some(remote) = &self.remote_entry
            && !is_web_url(remote)
        {
            problems.push(Violation::new("/remoteEntry", NOT_A_WEB_URL));
        }
        for key in ["iconUrl", "repositoryUrl"] {
            match self.metadata.get(key) {
                None => {}
                Some(Value::String(url)) if url.is_empty() || is_web_url(url) || is_image_data(key, url) => {}
                Some(_) => problems.push(Violation::new(format!("/metadata/{key}"), NOT_A_WEB_URL)),
            }
        }
    }
}

const MAX_LIST: usize = 100;
const MAX_MANIFEST: usize = 128 * 1024;
const MAX_METADATA: usize = 16 * 1024;
const NOT_A_RANGE: &str = "must be a version range such as ^1.2.0 or >=1 <3";
pub(crate) const NOT_A_WEB_URL: &str = "must be a URL that begins with https:// or http://";

/// The parts of a manifest that were checked and have types of their own.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The plugin's id.
    pub id: PluginId,
    /// The plugin's version.
    pub version: Version,
}

fn check_length(problems: &mut Vec<Violation>, pointer: &str, text: &str, range: RangeInclusive<usize>) {
    if !range.contains(&text.trim().chars().count()) {
        let detail = format!("must have {} to {} characters", range.start(), range.end());
        problems.push(Violation::new(pointer, detail));
    }
    // PostgreSQL stores no NUL, and nobody means one.
    if text.contains('\0') {
        problems.push(Violation::new(pointer, "must not contain U+0000"));
    }
}

/// Whether `text` may stand where a browser follows it: `javascript:` and the like may not.
pub(crate) fn is_web_url(text: &str) -> bool {
    text.len() <= 2048
        && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

fn is_image_data(key: &str, url: &str) -> bool {
    key == "iconUrl" && url.len() <= 8192 && url.starts_with("data:image/")
}

/// Names the value that has the wrong type: serde's own message tells what was expected, not where.
fn misplaced(object: &Map<String, Value>, error: &serde_json::Error) -> Violation {
    let culprit = object.iter().find(|(key, value)| {
        let single = Map::from_iter([((*key).clone(), (*value).clone())]);
        serde_json::from_value::<Manifest>(Value::Object(single)).is_err()
    });
    let pointer = culprit.map(|(key, _)| format!("/{key}")).unwrap_or_default();
    Violation::new(pointer, format!("has the wrong type: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn violations(value: Value) -> Vec<(String, String)> {
        let result = Manifest::from_json(value).and_then(|manifest| manifest.check());
        let Err(Error::Manifest(violations)) = result else { panic!("accepted: {result:?}") };
        violations.into_iter().map(|violation| (violation.pointer, violation.detail)).collect()
    }

    fn valid() -> Value {
        json!({"id": "card", "name": "Card", "version": "1.0.0", "category": "payment"})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut manifest = valid();
        manifest[key] = value;
        manifest
    }

    #[test]
    fn the_least_manifest_is_accepted() {
        let checked = Manifest::from_json(valid()).unwrap().check().unwrap();
        assert_eq!(checked.id.as_str(), "card");
        assert_eq!(checked.version.to_string(), "1.0.0");
    }

    #[test]
    fn an_unknown_key_names_the_nearest_known_one() {
        let found = violations(with("extentionPoints", json!([])));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "/extentionPoints");
        assert!(found[0].1.contains("extensionPoints"), "{found:?}");
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let found = violations(json!({
            "id": "../card", "name": "", "version": "one", "category": "payment",
            "minPlatformVersion": "2", "compatibleVersions": ["1.x", "???"],
            "dependencies": {"tax": "newest"}, "remoteEntry": "javascript:alert(1)",
            "metadata": {"iconUrl": "ftp://example.com/icon"}, "configSchema": {"type": "objekt"},
        }));
        let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        for expected in [
            "/id",
            "/version",
            "/name",
            "/minPlatformVersion",
            "/compatibleVersions/1",
            "/dependencies/tax",
            "/remoteEntry",
            "/metadata/iconUrl",
            "/configSchema/type",
        ] {
            assert!(pointers.contains(&expected), "{expected} in {pointers:?}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_located() {
        assert_eq!(violations(with("extensionPoints", json!("checkout")))[0].0, "/extensionPoints");
    }

    #[test]
    fn the_parts_without_a_rule_of_their_own_are_bounded_together() {
        for key in ["adminComponents", "storefrontComponents"] {
            let found = violations(with(key, json!({"a": "x".repeat(MAX_MANIFEST)})));
            assert_eq!(found.len(), 1, "{key}: {found:?}");
        }
    }

    #[test]
    fn what_postgresql_cannot_store_is_refused() {
        for key in ["name", "category", "description"] {
            assert_eq!(violations(with(key, json!("a\u{0}b")))[0].0, format!("/{key}"));
        }
        assert_eq!(violations(with("extensionPoints", json!(["a\u{0}"])))[0].0, "/extensionPoints/0");
    }

    #[test]
    fn what_the_server_keeps_cannot_be_claimed() {
        let manifest =
            Manifest::from_json(with("metadata", json!({"author": "A", "rating": 5, "installCount": 9})))
                .unwrap();
        assert_eq!(manifest.metadata, *json!({"author": "A"}).as_object().unwrap());
    }

    #[test]
    fn the_list_of_keys_is_the_struct_s() {
        let full = json!({
            "id": "a", "name": "a", "version": "1.0.0", "description": "a", "category": "a", "entry": "a",
            "extensionPoints": ["a"], "requiredPermissions": ["a"], "configSchema": {}, "adminComponents": {"a": 1},
            "storefrontComponents": {"a": 1}, "remoteEntry": "https://a", "scope": "a", "hosts": ["a"],
            "backend": {"entryPoint": "a"},
            "connections": ["a"], "requiredSecrets": ["a"], "webhook": {}, "emits": ["a"], "listens": ["a"],
            "dependencies": {"b": "1"}, "metadata": {"a": 1}, "minPlatformVersion": "1.0.0",
            "maxPlatformVersion": "1.0.0", "compatibleVersions": ["1"],
        });
        let written = serde_json::to_value(Manifest::from_json(full).unwrap()).unwrap();
        let mut keys: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, Manifest::KEYS);
    }
}
