//! The tables of backends: what plugins keep, and their log.

pub(crate) mod lines;
mod schema;
mod tenant_data;
pub(crate) mod usage;
pub(crate) mod values;

pub use schema::MIGRATIONS;
pub use tenant_data::TENANT_DATA;

use model::TenantId;

/// Whose rows are meant: a tenant's installation of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    /// The plugin's key, which tells it from all others for ever.
    pub(crate) plugin: String,
}
