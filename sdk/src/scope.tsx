"use client";
/** What a plugin's component reads of its surroundings. */
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import { createBackend } from "./backend.js";
import { useJackfield } from "./provider.js";
import type { EnabledPlugin, PlatformSDK, PluginConfiguration } from "./types.js";

/** See {@link ScopeContext}. */
export interface Scope {
  readonly sdk: PlatformSDK;
  readonly config: PluginConfiguration;
  save(configuration: PluginConfiguration): Promise<void>;
}

/** What the component is shown with; null in the host's own. */
export const ScopeContext = createContext<Scope | null>(null);

/** Props of `<PluginScope>`. */
export interface PluginScopeProps {
  plugin: EnabledPlugin;
  extensionPoint: string;
  /** The provider's tenant if not given. */
  tenant?: string | undefined;
  /** Gets what `<ExtensionPoint>` adds to a component's props. */
  children: (scope: { sdk: PlatformSDK; config: PluginConfiguration }) => ReactNode;
}

/**
 * Gives the components below it one plugin's configuration and platform SDK. `<ExtensionPoint>` does this by
 * itself; a host that places components on its own needs it.
 */
export function PluginScope({ plugin, extensionPoint, tenant, children }: PluginScopeProps): ReactNode {
  const { client, directory, platform, tenantId: ownTenant } = useJackfield();
  const tenantId = tenant ?? ownTenant;
  const { id: pluginId, configuration: config } = plugin;
  // By themselves, so that effects which depend on them run again only where they call something else.
  const calls = useMemo(() => {
    const fetch = (path: string, init?: RequestInit) => client.fetchFromPlugin(tenantId, pluginId, path, init);
    const act = (action: string, parameters: object) => client.runAction(tenantId, pluginId, action, parameters);
    const emit: PlatformSDK["emit"] = (type, data, options) => client.emitAsPlugin(tenantId, pluginId, type, data, options);
    return { fetch, emit, backend: createBackend(fetch, act) };
  }, [client, pluginId, tenantId]);
  const sdk = useMemo<PlatformSDK>(
    () => ({ ...platform, tenantId, pluginId, extensionPoint, ...calls }),
    [calls, extensionPoint, platform, pluginId, tenantId],
  );
  const scope = useMemo<Scope>(
    () => ({
      sdk,
      config,
      save: async (configuration) => {
        await client.saveConfiguration(tenantId, pluginId, configuration);
        await directory.reload(tenantId);
      },
    }),
    [client, config, directory, pluginId, sdk, tenantId],
  );
  return <ScopeContext.Provider value={scope}>{children(scope)}</ScopeContext.Provider>;
}

/**
 * The platform as this plugin may use it: where it is shown, its backend, and what the host page gives.
 *
 * @throws Error if the component is not shown by `<ExtensionPoint>` or `<PluginScope>`.
 */
export function usePlatformSDK(): PlatformSDK {
  return useScope("usePlatformSDK").sdk;
}

/** What `usePluginConfig` gives. */
export interface PluginConfig<Config> {
  /** The configuration; sensitive fields are absent, or masked for administrators. */
  readonly config: Config;
  /** Always false: the configuration is there before the component is. */
  readonly loading: boolean;
  /** Whether `saveConfig` is at work. */
  readonly saving: boolean;
  /** Why the last `saveConfig` failed, or null. */
  readonly error: Error | null;
  /** Replaces the configuration on the server, if the user may. Rejects as `error` says. */
  saveConfig(configuration: Config): Promise<void>;
}

/**
 * This plugin's configuration for the current tenant. `pluginId` is not needed; if given, it must be the plugin's own.
 *
 * @throws Error outside of `<ExtensionPoint>` or `<PluginScope>`, or for another plugin's id.
 */
export function usePluginConfig<Config extends object = PluginConfiguration>(pluginId?: string): PluginConfig<Config> {
  const { sdk, config, save } = useScope("usePluginConfig");
  if (pluginId !== undefined && pluginId !== sdk.pluginId) {
    throw new Error(`plugin "${sdk.pluginId}" may read its own configuration only, not that of "${pluginId}"`);
  }
  const [saving, setSaving] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const saveConfig = useCallback(
    async (configuration: Config) => {
      setSaving(true);
      setError(null);
      try {
        await save(configuration as PluginConfiguration);
      } catch (failure) {
        setError(failure instanceof Error ? failure : new Error(String(failure)));
        throw failure;
      } finally {
        setSaving(false);
      }
    },
    [save],
  );
  return { config: config as Config, loading: false, saving, error, saveConfig };
}

function useScope(hook: string): Scope {
  const scope = useContext(ScopeContext);
  if (scope !== null) return scope;
  throw new Error(`${hook} works in a plugin's component only; the host page shows those by <ExtensionPoint>`);
}
