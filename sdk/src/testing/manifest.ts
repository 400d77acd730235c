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
  readonly requiredSecrets?: readonly string[];
  readonly emits?: readonly string[];
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

/**
 * What the manifest's rule for the host of `url` adds.
 *
 * @throws Error if no rule has the host.
 */
export function ruleFor(manifest: TestManifest, url: URL): Added {
  const host = url.hostname;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const rules = (manifest.hosts ?? []).map((rule) => (typeof rule === "string" ? { host: rule } : rule));
  const found = rules.find((rule) => fits(rule.host, host, port));
  if (found === undefined) {
    throw new Error(`${url.host} is not among the manifest's hosts; add ${JSON.stringify(url.host)} to "hosts" in plugin.json`);
  }
  return { headers: found.headers ?? {}, query: found.query ?? {} };
}

function fits(rule: string, host: string, port: string): boolean {
  const at = rule.lastIndexOf(":");
  const [name, rulePort] = at === -1 ? [rule, "443"] : [rule.slice(0, at), rule.slice(at + 1)];
  if (rulePort !== port) return false;
  return name.startsWith("*.") ? host.endsWith(name.slice(1).toLowerCase()) : host === name.toLowerCase();
}

/** What a manifest asks of a connector, or undefined. */
export function connectionOf(manifest: TestManifest, connector: string): { access: string; whose: string } | undefined {
  const found = (manifest.connections ?? []).find((ask) => (typeof ask === "string" ? ask : ask.connector) === connector);
  if (found === undefined) return undefined;
  const ask = typeof found === "string" ? undefined : found;
  return { access: ask?.access ?? "read", whose: ask?.whose ?? "caller" };
}
