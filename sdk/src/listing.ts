/** Reading the server's lists of plugins. */
import type { EnabledPlugin, PluginConfiguration, PluginMetadata } from "./types.js";

/** The place of a plugin whose metadata names none. */
export const DEFAULT_PRIORITY = 100;

/**
 * The plugins of a list that are enabled and have the extension point, lowest `metadata.priority` first, then
 * by name. Bundle addresses are resolved against `base`. Plugins without a bundle (`remoteEntry` alone, for hosts
 * with module federation) are left out.
 *
 * @throws TypeError if the body is no list of plugins.
 */
export function readEnabledPlugins(body: unknown, extensionPoint: string, base: URL): readonly EnabledPlugin[] {
  if (!Array.isArray(body)) throw new TypeError("the server answered with something that is not a list of plugins");
  return body
    .filter((item: unknown) => isShown(item, extensionPoint))
    .map((item: unknown) => readPlugin(item, base))
    .sort(inOrder);
}

function isShown(item: unknown, extensionPoint: string): boolean {
  const { bundleUrl, enabled, extensionPoints } = record(item);
  const here = Array.isArray(extensionPoints) && extensionPoints.includes(extensionPoint);
  return here && enabled !== false && text(bundleUrl) !== undefined;
}

function readPlugin(item: unknown, base: URL): EnabledPlugin {
  const plugin = record(item);
  const id = text(plugin["id"]);
  if (id === undefined) throw new TypeError("the server listed a plugin without id");
  return {
    id,
    name: text(plugin["name"]) ?? id,
    version: text(plugin["version"]) ?? "",
    ...optional("description", text(plugin["description"])),
    ...optional("category", text(plugin["category"])),
    bundleUrl: bundleAddress(String(plugin["bundleUrl"]), base),
    ...optional("integrity", text(plugin["integrity"])),
    extensionPoints: plugin["extensionPoints"] as string[],
    configuration: record(plugin["configuration"]) as PluginConfiguration,
    metadata: record(plugin["metadata"]) as PluginMetadata,
  };
}

function bundleAddress(bundleUrl: string, base: URL): string {
  // What is no address stays as it is; loading it fails for that plugin alone.
  return URL.canParse(bundleUrl, base.href) ? new URL(bundleUrl, base).href : bundleUrl;
}

function inOrder(a: EnabledPlugin, b: EnabledPlugin): number {
  const byPriority = (a.metadata.priority ?? DEFAULT_PRIORITY) - (b.metadata.priority ?? DEFAULT_PRIORITY);
  // Names may be equal; then the id keeps the order the same on every page.
  return byPriority || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function optional<Key extends string>(key: Key, value: string | undefined): { [K in Key]?: string } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: string };
}
