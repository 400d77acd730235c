/** What a plugin's manifest lets its backend do. */
import type { BackendHook, BackendRoute } from "../server/types.js";

/** A host that a manifest names: by itself, or with what the server adds to requests there. */
export type ManifestHost =
  | string
  | {
      readonly host: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly query?: Readonly<Record<string, string>>;
    };

/** A connector that a manifest names: by itself for reading the asking user's account, or with more. */
export type ManifestConnection =
  | string
  | { readonly connector: string; readonly access?: string; readonly whose?: string };

/** The part of `plugin.json` that tests look at; the rest may be there too, so `import manifest from "../plugin.json"` fits. */
export interface TestManifest {
  readonly id?: string;
  readonly version?: string;
  readonly backend?: {
    readonly entryPoint?: string;
    readonly routes?: readonly LooseRoute[];
    readonly hooks?: readonly BackendHook[];
  };
  readonly hosts?: readonly ManifestHost[];
  readonly connections?: readonly ManifestConnection[];
  readonly requiredPermissions?: readonly string[];
  readonly requiredSecrets?: readonly string[];
  readonly emits?: readonly string[];
  readonly webhook?: { readonly scheme?: string; readonly secret?: string; readonly mode?: string; readonly handler?: string };
}

/** A route as TypeScript reads it from a JSON file. */
interface LooseRoute {
  readonly method: string;
  readonly path: string;
  readonly handler: string;
}

/** The manifest's routes before the program's, as the server has them. */
export function routesOf(manifest: TestManifest | undefined, program: readonly BackendRoute[] | undefined): readonly LooseRoute[] {
  return [...(manifest?.backend?.routes ?? []), ...(program ?? [])];
}

/** What the server adds to a request: headers and parameters of the query, `${secret}`s unopened. */
export interface Added {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

/** The port that a URL means. */
export function portOf(url: URL): string {
  return url.port || (url.protocol === "https:" ? "443" : "80");
}

/**
 * What the manifest's rule for the host of `url` adds; of several the one that names most of it.
 *
 * @throws Error if no rule has the host, or needs a secret that is not set.
 */
export function ruleFor(manifest: TestManifest, url: URL, secrets: Readonly<Record<string, string>>): Added {
  const host = url.hostname.replace(/\.$/, "");
  const port = portOf(url);
  const rules = (manifest.hosts ?? []).map((rule) => (typeof rule === "string" ? { host: rule } : rule));
  const named = (rule: { host: string }) => (rule.host.startsWith("*.") ? 0 : 1000) + rule.host.length;
  const found = rules.filter((rule) => fits(rule.host, host, port)).sort((a, b) => named(b) - named(a))[0];
  if (found === undefined) {
    const called = port === "443" ? host : `${host}:${port}`;
    throw new Error(`the plugin may not call ${called}: add "${called}" to hosts in the manifest, and have an admin consent to it`);
  }
  const added = { headers: found.headers ?? {}, query: found.query ?? {} };
  for (const text of [...Object.values(added.headers), ...Object.values(added.query)]) {
    const unset = [...text.matchAll(/\$\{([^}]+)\}/g)].map(([, name = ""]) => name).find((name) => !Object.hasOwn(secrets, name));
    if (unset === undefined) continue;
    const who = "an admin sets it in the plugin's configuration";
    throw new Error(`the secret ${unset} that requests to ${found.host} need is not set: ${who}`);
  }
  return added;
}

function fits(rule: string, host: string, port: string): boolean {
  const [, name = "", rulePort = "443"] = /^(.*?)(?::(\d+))?$/.exec(rule.toLowerCase()) ?? [];
  if (rulePort !== port) return false;
  return name.startsWith("*.") ? host.endsWith(name.slice(1)) && host.length > name.length - 1 : host === name;
}

/** What a manifest asks of a connector, each time that it names it, by whichever of its names. */
export function connectionsOf(
  manifest: TestManifest,
  connector: string,
  canonical: (connector: string) => string,
): { access: string; whose: string }[] {
  const asks = (manifest.connections ?? []).map((ask) => (typeof ask === "string" ? { connector: ask } : ask));
  const found = asks.filter((ask) => canonical(ask.connector) === connector);
  return found.map((ask) => ({ access: "read", whose: "caller", ...ask }));
}
