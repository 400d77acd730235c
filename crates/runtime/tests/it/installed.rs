//! Rows of installations, as the registry writes them: what nobody has installed keeps nothing.

use storage::{Database, on};

/// What the tests call: tenants and their plugins.
const INSTALLED: [(&str, &str); 6] = [
    ("acme", "shop"),
    ("acme", "other"),
    ("acme", "loud"),
    ("acme", "quiet"),
    ("acme2", "shop"),
    ("other", "shop"),
];

const PLUGIN: &str = "INSERT INTO plugin (key, owner, id, name, description, category, status, current_version, \
    install_count, rating_sum, rating_count, submitted_at, updated_at) \
    VALUES ('key-of-' || $1, '', $1, $1, '', 'other', 'approved', '1.0.0', 0, 0, 0, 1, 1) ON CONFLICT DO NOTHING";
const VERSION: &str = "INSERT INTO plugin_version (key, plugin_key, version, manifest, published_by, published_at) \
    VALUES ('version-of-' || $1, 'key-of-' || $1, '1.0.0', '{}', 'root', 1) ON CONFLICT DO NOTHING";
const INSTALLATION: &str = "INSERT INTO installation (tenant, plugin_key, version_key, enabled, configuration, \
    secret_names, installed_by, installed_at, updated_at) \
    VALUES ($2, 'key-of-' || $1, 'version-of-' || $1, TRUE, '{}', '[]', 'ada', CAST($3 AS BIGINT), 1)";

/// Installs all that the tests call, at the moment 1.
pub(crate) async fn all(database: &Database) {
    let mut tx = database.begin().await.unwrap();
    for (_, id) in INSTALLED {
        on!(tx, |c| sqlx::query(PLUGIN).bind(id).execute(c).await.map(drop)).unwrap();
        on!(tx, |c| sqlx::query(VERSION).bind(id).execute(c).await.map(drop)).unwrap();
    }
    tx.commit().await.unwrap();
    for (tenant, id) in INSTALLED {
        install(database, (tenant, id), 1).await;
    }
}

/// Installs a plugin at a moment.
pub(crate) async fn install(database: &Database, (tenant, id): (&str, &str), at: i64) {
    let mut tx = database.begin().await.unwrap();
    on!(tx, |c| sqlx::query(INSTALLATION).bind(id).bind(tenant).bind(at).execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
}

/// Uninstalls a plugin, keeping what its last hook needs where `at` says when.
pub(crate) async fn uninstall(database: &Database, (tenant, id): (&str, &str), at: Option<i64>) {
    let mut tx = database.begin().await.unwrap();
    if let Some(at) = at {
        on!(tx, |c| sqlx::query(
            "INSERT INTO uninstalled (tenant, plugin_key, version_key, configuration, uninstalled_at) \
             VALUES ($2, 'key-of-' || $1, 'version-of-' || $1, '{}', CAST($3 AS BIGINT))"
        )
        .bind(id)
        .bind(tenant)
        .bind(at)
        .execute(c)
        .await
        .map(drop))
        .unwrap();
    }
    on!(tx, |c| sqlx::query("DELETE FROM installation WHERE plugin_key = 'key-of-' || $1 AND tenant = $2")
        .bind(id)
        .bind(tenant)
        .execute(c)
        .await
        .map(drop))
    .unwrap();
    tx.commit().await.unwrap();
}

/// Deletes what was kept for the last hooks.
pub(crate) async fn forget_departed(database: &Database) {
    let mut tx = database.begin().await.unwrap();
    on!(tx, |c| sqlx::query("DELETE FROM uninstalled").execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
}
