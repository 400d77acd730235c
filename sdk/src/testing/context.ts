/** The context of a test. */
import type { BackendContext } from "../server/context.js";
import type { BackendUser } from "../server/types.js";
import { createConnections, type ConnectionsFor, type TestConnections } from "./connections.js";
import { createFetch, type TestFetchInit, type TestFetchResponse } from "./fetched.js";
import { createHttp, type Door, type HttpFor, type TestHttp } from "./http.js";
import { boundsOfOneCall, UNBOUNDED } from "./limits.js";
import { portOf, ruleFor, type TestManifest } from "./manifest.js";
import { createEvents, createLogger, type EventsFor, type TestEvents, type TestLogger } from "./records.js";
import { pathProblem } from "./routes.js";
import { createStorage, type StorageFor, type TestStorage } from "./storage.js";

/** What a context is to be like. */
export interface TestContextOptions<Config = Record<string, unknown>> {
  /** `plugin.json`. With it, hosts, connections, permissions, secrets and event types are held to what it says; without it all are open. */
  readonly manifest?: TestManifest;
  /** The configuration, without its sensitive fields. */
  readonly config?: Config;
  /** Sensitive fields of the configuration. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What is kept already. */
  readonly storage?: Readonly<Record<string, unknown>>;
  /** Who asks, where a request does not say; nobody if not given. */
  readonly user?: BackendUser;
  /** Hosts that the operator lets in by `OUTBOUND_ALLOW`, such as `crm.corp.example` or `10.0.0.7:8080`: only these are called by plain http. */
  readonly outboundAllow?: readonly string[];
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

/** Parts that are made anew for each call, by what they are in a test's context. */
const MADE_FOR_CALLS = new WeakMap<object, StorageFor | HttpFor | EventsFor | ConnectionsFor>();

/** A context in memory that keeps to the server's rules. Requests and connections are answered by what the test says with `on`. */
export function createTestContext<Config extends object = Record<string, unknown>>(
  options: TestContextOptions<Config> = {},
): TestContext<Config> {
  const { manifest, secrets = {}, user } = options;
  const { http, send } = createHttp(outside(options));
  const { http: platform } = createHttp(product(manifest));
  const part = <Part extends object>(made: StorageFor | HttpFor | EventsFor | ConnectionsFor): Part => {
    const base = made(UNBOUNDED, user) as unknown as Part;
    MADE_FOR_CALLS.set(base, made);
    return base;
  };
  return Object.freeze({
    http: part<TestHttp>(http),
    platform: part<TestHttp>(platform),
    storage: part<TestStorage>(createStorage(options.storage ?? {}, options.now ?? Date.now)),
    events: part<TestEvents>(createEvents(manifest)),
    connections: part<TestConnections>(createConnections(manifest)),
    logger: createLogger(),
    secrets: Object.freeze({ get: async (name: string) => secret(manifest, secrets, name) }),
    config: Object.freeze({ ...(options.config ?? {}) }) as Readonly<Config>,
    tenantId: options.tenantId ?? "test-tenant",
    pluginId: options.pluginId ?? manifest?.id ?? "test-plugin",
    version: options.version ?? manifest?.version ?? "0.0.0",
    user,
    manifest,
    fetch: createFetch((request) => send(request, UNBOUNDED)),
  } satisfies TestContext<Config>);
}

/** What a handler gets for one call that `user` makes: the same, with bounds that begin anew, and nothing that no handler has. */
export function contextOfOneCall(context: BackendContext<any>, user: BackendUser | undefined, more: object = {}): BackendContext<any> {
  const used = boundsOfOneCall();
  const parts = Object.entries(context).filter(([name]) => name !== "user" && name !== "manifest" && name !== "fetch");
  const own = parts.map(([name, part]) => [name, MADE_FOR_CALLS.get(part as object)?.(used, user) ?? part] as const);
  return Object.freeze({ ...(Object.fromEntries(own) as unknown as BackendContext<any>), ...more });
}

/** The way to hosts of the manifest. */
function outside({ manifest, secrets = {}, outboundAllow = [] }: TestContextOptions<object>): Door {
  return {
    name: "ctx.http",
    judge(address) {
      if (address.length > 8192) throw new Error("a URL has at most 8192 bytes");
      if (!URL.canParse(address)) throw new TypeError(`ctx.http needs an absolute URL, not ${JSON.stringify(address)}`);
      const url = new URL(address);
      url.hash = "";
      if (!/^https?:$/.test(url.protocol)) throw new TypeError(`ctx.http needs an http or https URL, not ${url.protocol}`);
      if (url.username !== "" || url.password !== "") throw new TypeError("ctx.http needs a URL without a user name and a password");
      const isAllowed = outboundAllow.some((allowed) => allowed === url.hostname || allowed === `${url.hostname}:${portOf(url)}`);
      if (url.protocol === "http:" && !isAllowed) {
        throw new Error(`${url.hostname} must be called by https: http is for hosts that the operator names in OUTBOUND_ALLOW`);
      }
      return { url, ...(manifest === undefined ? { headers: {}, query: {} } : ruleFor(manifest, url, secrets)) };
    },
    isOwn: () => false,
    show: (url) => url.href,
  };
}

/** The way to the host product. */
function product(manifest: TestManifest | undefined): Door {
  return {
    name: "ctx.platform",
    judge(given) {
      if (manifest !== undefined && (manifest.requiredPermissions ?? []).length === 0) {
        const add = "add what it needs to requiredPermissions in the manifest, and have an admin consent to it";
        throw new Error(`the plugin has no permission in the product: ${add}`);
      }
      const [path = "", query] = given.split(/\?(.*)/s);
      const problem = /#|[\u0000-\u001f\u007f]/.test(given) ? "the path must have no fragment and no control characters" : pathProblem(path);
      if (problem !== undefined) throw new TypeError(`ctx.platform needs a path such as "/orders/7", not ${JSON.stringify(given)}: ${problem}`);
      const url = new URL(`http://platform.invalid/${path.replace(/^\//, "")}`);
      if (query !== undefined) url.search = query;
      return { url, headers: {}, query: {} };
    },
    isOwn: (name) => /^(?:authorization|cookie|forwarded|x-tenant-id|x-forwarded-.*)$/.test(name),
    show: (url) => url.pathname + url.search,
  };
}

function secret(manifest: TestManifest | undefined, secrets: Readonly<Record<string, string>>, name: string): string | null {
  if (manifest !== undefined && !(manifest.requiredSecrets ?? []).includes(name)) {
    const add = `add "${name}" to requiredSecrets in the manifest, and have an admin consent to it`;
    throw new Error(`the plugin may not read the secret ${name}: ${add}`);
  }
  return Object.hasOwn(secrets, name) ? (secrets[name] ?? null) : null;
}
