//! The tables of backends: what plugins keep, and their log.

pub(crate) mod lines;
pub(crate) mod places;
mod schema;
mod tenant_data;
pub(crate) mod usage;
pub(crate) mod values;

pub use schema::MIGRATIONS;
pub use tenant_data::TENANT_DATA;

use std::ops::Deref;

use model::TenantId;
use registry::Deployment;

/// Whose rows are meant: a tenant's installation of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    /// The plugin's key, which tells it from all others for ever.
    pub(crate) plugin: String,
}

/// One installation from its beginning to its end: what calls of a former one still do is not for its successor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Tenure {
    place: Place,
    /// See [`Deployment::incarnation`].
    pub(crate) incarnation: i64,
}

impl Tenure {
    pub(crate) fn of(deployment: &Deployment) -> Self {
        let place = Place { tenant: deployment.tenant.clone(), plugin: deployment.plugin_key.clone() };
        Self { place, incarnation: deployment.incarnation }
    }
}

impl Deref for Tenure {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}
