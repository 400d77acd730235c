//! The columns that hold what is sealed under tenants' data keys.

use storage::SealedColumn;

/// Access tokens, and API keys in their place.
pub(crate) const ACCESS_TOKEN: SealedColumn = SealedColumn {
    table: "credential",
    keys: &["connection_id", "name"],
    column: "sealed_access",
    purpose: "credential {connection_id} {name} access",
};

/// Refresh tokens, and the secrets of client credentials in their place.
pub(crate) const REFRESH_TOKEN: SealedColumn = SealedColumn {
    table: "credential",
    keys: &["connection_id", "name"],
    column: "sealed_refresh",
    purpose: "credential {connection_id} {name} refresh",
};

/// The secrets of tenants' own OAuth apps.
pub(crate) const APP_SECRET: SealedColumn = SealedColumn {
    table: "oauth_app",
    keys: &["provider"],
    column: "sealed_secret",
    purpose: "oauth app {provider} secret",
};

/// All of them.
pub const SEALED: &[SealedColumn] = &[ACCESS_TOKEN, REFRESH_TOKEN, APP_SECRET];
