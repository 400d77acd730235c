//! A plugin on the wire.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use model::{TenantId, Timestamp};
use registry::{BackendManifest, Grants, Installation, Page, Plugin, Registry};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::consent::GrantsBody;
use crate::App;
use crate::extract::Json;

/// A plugin at one of its versions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Plugin)]
pub(crate) struct PluginBody<'a> {
    #[schema(example = "payment-card")]
    id: &'a str,
    #[schema(example = "Card payments")]
    name: &'a str,
    #[schema(example = "1.0.0")]
    version: &'a str,
    description: &'a str,
    #[schema(example = "payment")]
    category: &'a str,
    /// Where a page imports the plugin from; absent for plugins that have a `remoteEntry` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://plugins.example.com/plugins/bundles/payment-card/v1.0.0/index-Cx0q3fTz.js")]
    bundle_url: Option<String>,
    /// Subresource Integrity of the file at `bundleUrl`; where there is none, of what `remoteEntry` led to when it was
    /// published, if it could be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    integrity: Option<&'a str>,
    /// The same bundle with bare imports, for pages with an import map.
    #[serde(skip_serializing_if = "Option::is_none")]
    bare_bundle_url: Option<String>,
    /// Subresource Integrity of the file at `bareBundleUrl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    bare_integrity: Option<&'a str>,
    extension_points: &'a [String],
    required_permissions: &'a [String],
    /// JSON Schema of the configuration; `null` if there is none.
    #[schema(value_type = Object, nullable)]
    config_schema: Option<&'a Value>,
    admin_components: &'a Map<String, Value>,
    storefront_components: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_entry: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    backend: Option<&'a BackendManifest>,
    /// What it asks for, which installing it consents to.
    grants: GrantsBody,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    dependencies: &'a BTreeMap<String, String>,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_platform_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_platform_version: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    compatible_versions: &'a [String],
}

/// What a marketplace shows: the author's own fields, and those that the server keeps.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PluginMetadata)]
struct Metadata<'a> {
    /// `author`, `authorEmail`, `repositoryUrl`, `priority`, `displayName`, `iconUrl` and what else the author gave.
    #[serde(flatten)]
    author_given: &'a Map<String, Value>,
    /// `pending`, `approved` or `rejected`.
    #[schema(example = "approved")]
    status: &'static str,
    /// How many tenants have it installed.
    install_count: i64,
    /// The mean of all ratings, to one decimal; 0 without any.
    rating: f64,
    /// How many ratings there are.
    review_count: i64,
    /// When the plugin first came.
    #[schema(value_type = String, format = DateTime)]
    submitted_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    last_updated: Timestamp,
}

impl<'a> PluginBody<'a> {
    pub(crate) fn new(registry: &Registry, plugin: &'a Plugin) -> Self {
        let manifest = &plugin.manifest;
        Self {
            id: &manifest.id,
            name: &manifest.name,
            version: &manifest.version,
            description: manifest.description.as_deref().unwrap_or_default(),
            category: &manifest.category,
            bundle_url: registry.bundle_url(plugin),
            integrity: plugin.bundle.integrity.as_deref(),
            bare_bundle_url: registry.bare_bundle_url(plugin),
            bare_integrity: plugin.bundle.bare_integrity.as_deref(),
            extension_points: &manifest.extension_points,
            required_permissions: &manifest.required_permissions,
            config_schema: manifest.config_schema.as_ref(),
            admin_components: &manifest.admin_components,
            storefront_components: &manifest.storefront_components,
            remote_entry: manifest.remote_entry.as_deref(),
            scope: manifest.scope.as_deref(),
            backend: manifest.backend.as_ref(),
            grants: Grants::asked(manifest).into(),
            dependencies: &manifest.dependencies,
            metadata: Metadata {
                author_given: &manifest.metadata,
                status: plugin.status.as_str(),
                install_count: plugin.install_count,
                rating: plugin.rating(),
                review_count: plugin.rating_count,
                submitted_at: plugin.submitted_at,
                last_updated: plugin.updated_at,
            },
            min_platform_version: manifest.min_platform_version.as_deref(),
            max_platform_version: manifest.max_platform_version.as_deref(),
            compatible_versions: &manifest.compatible_versions,
        }
    }
}

/// A plugin as a tenant has it installed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InstalledPlugin)]
pub(crate) struct InstalledBody<'a> {
    #[serde(flatten)]
    plugin: PluginBody<'a>,
    /// Whether the tenant's pages show it.
    enabled: bool,
    #[schema(value_type = String)]
    tenant_id: &'a TenantId,
    /// The configuration. For admins, secrets that are set show as `********`; for the public they are left out.
    configuration: Map<String, Value>,
    #[schema(value_type = String, format = DateTime)]
    installed_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl<'a> InstalledBody<'a> {
    /// As the tenant's own users see it.
    pub(crate) fn new(registry: &Registry, installation: &'a Installation) -> Self {
        Self::with(registry, installation, installation.masked_configuration())
    }

    /// As anybody sees it.
    pub(crate) fn public(registry: &Registry, installation: &'a Installation) -> Self {
        Self::with(registry, installation, installation.public_configuration())
    }

    fn with(registry: &Registry, installation: &'a Installation, configuration: Map<String, Value>) -> Self {
        Self {
            plugin: PluginBody::new(registry, &installation.plugin),
            enabled: installation.enabled,
            tenant_id: &installation.tenant,
            configuration,
            installed_at: installation.installed_at,
            updated_at: installation.updated_at,
        }
    }
}

/// One page of plugins, with a `Link` to the next (RFC 8288) where there is one.
pub(crate) fn page_response(app: &App, page: &Page, path: &str, query: &[(&str, Option<&str>)]) -> Response {
    let registry = app.registry();
    let bodies: Vec<PluginBody<'_>> =
        page.plugins.iter().map(|plugin| PluginBody::new(registry, plugin)).collect();
    let mut response = Json(bodies).into_response();
    if let Some(link) = page.next.as_ref().and_then(|cursor| next_link(app, path, query, cursor)) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

fn next_link(app: &App, path: &str, query: &[(&str, Option<&str>)], cursor: &str) -> Option<HeaderValue> {
    let base = app.options().public_url.as_str().trim_end_matches('/');
    let mut url = url::Url::parse(&format!("{base}{path}")).ok()?;
    {
        let mut pairs = url.query_pairs_mut();
        for (name, value) in query {
            if let Some(value) = value {
                pairs.append_pair(name, value);
            }
        }
        pairs.append_pair("cursor", cursor);
    }
    HeaderValue::from_str(&format!("<{url}>; rel=\"next\"")).ok()
}
