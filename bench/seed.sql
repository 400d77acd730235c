-- Gives each of :tenants tenants 20 of the published plugins. One text for SQLite and PostgreSQL, as Jackfield's own.
WITH RECURSIVE
  tenant (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM tenant WHERE n + 1 < :tenants),
  place (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM place WHERE n + 1 < 20),
  shelf (n, plugin_key, version_key) AS (
    SELECT ROW_NUMBER() OVER (ORDER BY p.id) - 1, p.key, v.key
    FROM plugin p JOIN plugin_version v ON v.plugin_key = p.key
  )
INSERT INTO installation
  (tenant, plugin_key, version_key, enabled, configuration, secret_names, secrets, installed_by, installed_at, updated_at)
SELECT
  'tenant-' || tenant.n, shelf.plugin_key, shelf.version_key, TRUE,
  '{"title":"Pay by card","currencies":["EUR","USD","GBP"],"capture":"automatic","retries":3,"sandbox":false}',
  '["apiKey"]', NULL, 'admin@tenant-' || tenant.n, 1763700000000, 1763700000000
FROM tenant CROSS JOIN place JOIN shelf ON shelf.n = (tenant.n * 7 + place.n * 10) % (SELECT COUNT(*) FROM plugin);
