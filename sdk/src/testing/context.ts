/** The context of a test. */
import type { BackendContext, HttpResponse } from "../server/context.js";
import type { BackendUser } from "../server/types.js";
import { createConnections, type TestConnections } from "./connections.js";
import { createHttp, type TestHttp } from "./http.js";
import { ruleFor, type TestManifest } from "./manifest.js";
import { createEvents, createLogger, type TestEvents, type TestLogger } from "./records.js";
import { createStorage, type TestStorage } from "./storage.js";

/** What a context is to be like. */
export interface TestContextOptions<Config = Record<string, unknown>> {
  /** `plugin.json`. With it, hosts, connections, secrets and event types are held to what it says; without it all are open. */
  readonly manifest?: TestManifest;
  /** The configuration, without its sensitive fields. */
  readonly config?: Config;
  /** Sensitive fields of the configuration. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What is kept already. */
  readonly storage?: Readonly<Record<string, unknown>>;
  /** Who asks, where a request does not say; nobody if not given. */
  readonly user?: BackendUser;
  readonly tenantId?: string;
  /** That of the manifest if not given. */
  readonly pluginId?: string;
  /** That of the manifest if not given. */
  readonly version?: string;
  /** Milliseconds since 1970, for the `ttl` of values; the machine's clock if not given. */
  readonly now?: () => number;
}

/** A context whose parts say what came of them: `ctx.http.calls`, `ctx.events.emitted`, `ctx.logger.lines`, `ctx.storage.entries()`. */
export interface TestContext<Config = Record<string, unknown>> extends BackendContext<Config> {
  readonly http: TestHttp;
  /** As `http`, by path. */
  readonly platform: TestHttp;
  readonly storage: TestStorage;
  readonly events: TestEvents;
  readonly connections: TestConnections;
  readonly logger: TestLogger;
  /** Of the options. */
  readonly user: BackendUser | undefined;
  /** Of the options. */
  readonly manifest: TestManifest | undefined;
  /** The global `fetch` of the sandbox, by way of `http`: `vi.stubGlobal("fetch", ctx.fetch)`. */
  fetch(url: string | { toString(): string }, init?: TestFetchInit): Promise<TestFetchResponse>;
}

/** What the sandbox's `fetch` takes. */
export interface TestFetchInit {
  method?: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | Uint8Array | null;
}

/** What the sandbox's `fetch` gives. */
export interface TestFetchResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly url: string;
  readonly headers: { get(name: string): string | null; has(name: string): boolean };
  text(): Promise<string>;
  json(): Promise<unknown>;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A context in memory that keeps to the server's rules. Requests and connections are answered by what the test says with `on`. */
export function createTestContext<Config extends object = Record<string, unknown>>(
  options: TestContextOptions<Config> = {},
): TestContext<Config> {
  const { manifest, secrets = {}, user } = options;
  const http = createHttp({
    name: "ctx.http",
    judge: (address) => {
      if (!URL.canParse(address)) throw new TypeError(`ctx.http needs an absolute URL, not ${JSON.stringify(address)}`);
      const url = new URL(address);
      if (!/^https?:$/.test(url.protocol)) throw new TypeError(`ctx.http needs an http or https URL, not ${url.protocol}`);
      return { url, ...(manifest === undefined ? { headers: {}, query: {} } : ruleFor(manifest, url, secrets)) };
    },
    show: (url) => url.href,
  });
  const platform = createHttp({
    name: "ctx.platform",
    judge: (path) => {
      if (!/^\/(?!\/)/.test(path)) throw new TypeError(`ctx.platform needs a path such as "/orders/7", not ${JSON.stringify(path)}`);
      return { url: new URL(path, "http://platform.invalid"), headers: {}, query: {} };
    },
    show: (url) => url.pathname + url.search,
  });
  return Object.freeze({
    http,
    platform,
    storage: createStorage(options.storage ?? {}, options.now ?? Date.now),
    events: createEvents(manifest),
    connections: createConnections(manifest, user),
    logger: createLogger(),
    secrets: Object.freeze({ get: async (name: string) => secret(manifest, secrets, name) }),
    config: Object.freeze({ ...(options.config ?? {}) }) as Readonly<Config>,
    tenantId: options.tenantId ?? "test-tenant",
    pluginId: options.pluginId ?? manifest?.id ?? "test-plugin",
    version: options.version ?? manifest?.version ?? "0.0.0",
    user,
    manifest,
    fetch: async (url, { method = "GET", headers, body }: TestFetchInit = {}) =>
      fetched(
        String(url),
        await http.send({
          method: method.toUpperCase(),
          url: String(url),
          body: body ?? undefined,
          options: headers === undefined ? {} : { headers },
        }),
      ),
  } satisfies TestContext<Config>);
}

function secret(manifest: TestManifest | undefined, secrets: Readonly<Record<string, string>>, name: string): string | null {
  if (manifest !== undefined && !(manifest.requiredSecrets ?? []).includes(name)) {
    const add = `add "${name}" to requiredSecrets in the manifest, and have an admin consent to it`;
    throw new Error(`the plugin may not read the secret ${name}: ${add}`);
  }
  return Object.hasOwn(secrets, name) ? (secrets[name] ?? null) : null;
}

function fetched(url: string, { ok, status, headers, text }: HttpResponse): TestFetchResponse {
  const get = (name: string) => headers[name.toLowerCase()] ?? null;
  return {
    ok,
    status,
    url,
    headers: { get, has: (name) => get(name) !== null },
    text: async () => text,
    json: async () => JSON.parse(text) as unknown,
    arrayBuffer: async () => new TextEncoder().encode(text).buffer as ArrayBuffer,
  };
}
