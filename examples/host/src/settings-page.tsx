import { type EnabledPlugin, ExtensionPoint, type PluginConfiguration, useEnabledPlugins, useJackfield } from "@jackfield/plugin-sdk";
import { useCallback, useEffect, useState } from "react";

/** The settings pages of the enabled plugins that have one. */
export function SettingsPage() {
  const listing = useEnabledPlugins("admin-settings");
  return (
    <>
      <h1>Settings</h1>
      {listing.status === "ready" && listing.plugins.length > 0 ? (
        listing.plugins.map((plugin) => <PluginSettings key={plugin.id} plugin={plugin} />)
      ) : (
        <ExtensionPoint name="admin-settings" whenEmpty={<p className="card">No plugin with settings is enabled.</p>} />
      )}
    </>
  );
}

function PluginSettings({ plugin }: { plugin: EnabledPlugin }) {
  const { client, directory, tenantId, platform } = useJackfield();
  const [configuration, setConfiguration] = useState<PluginConfiguration | null>(null);
  const [failure, setFailure] = useState("");

  const read = useCallback(async () => {
    try {
      setConfiguration(await client.readConfiguration(tenantId, plugin.id));
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
  }, [client, tenantId, plugin.id]);
  useEffect(() => void read(), [read]);

  const save = async (next: PluginConfiguration) => {
    await client.saveConfiguration(tenantId, plugin.id, next);
    await Promise.all([read(), directory.reload(tenantId)]);
    platform.notify(`${plugin.name}: settings saved`, "success");
  };

  return (
    <section className="card" aria-label={plugin.name}>
      <h2>{plugin.metadata.displayName ?? plugin.name}</h2>
      {failure !== "" && <p role="alert">The settings could not be read: {failure}</p>}
      {configuration !== null && (
        <ExtensionPoint
          name="admin-settings"
          plugin={plugin.id}
          propsFor={() => ({ config: configuration, onConfigChange: save })}
        />
      )}
    </section>
  );
}
