//! A plugin as the catalog and the tenants see it.

use std::str::FromStr;

use model::{TenantId, Timestamp};

use crate::Manifest;
use crate::store::SHARED;

/// Whose plugin it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// In the shared catalog, for every tenant.
    Shared,
    /// Private to a tenant.
    Tenant(TenantId),
}

impl Owner {
    pub(crate) fn as_column(&self) -> &str {
        match self {
            Self::Shared => SHARED,
            Self::Tenant(tenant) => tenant.as_str(),
        }
    }

    /// The tenant whose plugin it is; `None` for the shared catalog.
    pub fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Shared => None,
            Self::Tenant(tenant) => Some(tenant),
        }
    }
}

/// Where a plugin stands with those who review it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Waits for review; nobody finds it.
    Pending,
    /// Anybody may install it.
    Approved,
    /// Was refused; nobody finds it.
    Rejected,
}

impl Status {
    /// The word in `metadata.status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "pending" => Ok(Self::Pending),
            "approved" => Ok(Self::Approved),
            "rejected" => Ok(Self::Rejected),
            _ => Err(()),
        }
    }
}

/// What a browser loads for one version of a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleRef {
    /// The file without bare imports, where this server keeps it.
    pub entry: Option<String>,
    /// The same with bare imports, for pages with an import map.
    pub bare_entry: Option<String>,
    /// Subresource Integrity of `entry`, such as `sha384-…`.
    pub integrity: Option<String>,
    /// Subresource Integrity of `bare_entry`.
    pub bare_integrity: Option<String>,
    /// The address of a bundle that is kept elsewhere.
    pub external_url: Option<String>,
}

/// One version of a plugin, with what the catalog knows of the plugin as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    pub(crate) key: String,
    pub(crate) version_key: String,
    /// Whose it is.
    pub owner: Owner,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What a browser loads.
    pub bundle: BundleRef,
    /// Where it stands with the reviewers.
    pub status: Status,
    /// How many tenants have it installed.
    pub install_count: i64,
    /// All ratings added up.
    pub rating_sum: i64,
    /// How many ratings there are.
    pub rating_count: i64,
    /// When the plugin first came.
    pub submitted_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Plugin {
    /// The mean rating, rounded to one decimal; 0 without ratings.
    pub fn rating(&self) -> f64 {
        if self.rating_count <= 0 {
            return 0.0;
        }
        let tenths = (self.rating_sum * 10 + self.rating_count / 2) / self.rating_count;
        // At most 50: any i32 is a whole f64.
        f64::from(i32::try_from(tenths).unwrap_or(0)) / 10.0
    }
}
