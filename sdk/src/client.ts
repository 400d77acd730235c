/** What a host page asks of a Jackfield server. */
import type { CloudEvent, Emitted, PageEmitOptions } from "./event-types.js";
import { readEnabledPlugins } from "./listing.js";
import { withRetries } from "./retry.js";
import type { EnabledPlugin, PluginConfiguration } from "./types.js";

/** How to reach the server. */
export interface ClientOptions {
  /** The server's base address, such as `https://plugins.example.com`. */
  server: string;
  /** The signed-in user's token, or null where nobody is signed in. Asked before each request. */
  getToken?: (() => string | null | Promise<string | null>) | undefined;
}

/** The requests of a host page. All reject with `JackfieldRequestError` if the server says no. */
export interface JackfieldClient {
  /**
   * The plugins enabled for a tenant at an extension point, lowest `metadata.priority` first, then by name.
   * With a token from `/plugins/installed`; otherwise from the public list. Tried three times within 10 s. Calls share one request,
   * unless that belongs to a `round` before theirs.
   */
  listEnabled(tenantId: string, extensionPoint: string, round?: number): Promise<readonly EnabledPlugin[]>;
  /** `GET /plugins/{id}/config`: sensitive fields come masked. For administrators. */
  readConfiguration(tenantId: string, pluginId: string): Promise<PluginConfiguration>;
  /** `PUT /plugins/{id}/config`: replaces the configuration. For administrators. */
  saveConfiguration(tenantId: string, pluginId: string, configuration: PluginConfiguration): Promise<void>;
  /** Calls a plugin's own backend; see `PlatformSDK.fetch`. */
  fetchFromPlugin(tenantId: string, pluginId: string, path: string, init?: RequestInit): Promise<Response>;
  /** `POST /plugins/{id}/actions`: runs a handler of the plugin's backend; see `PluginBackend.action`. */
  runAction(tenantId: string, pluginId: string, action: string, parameters: object): Promise<unknown>;
  /**
   * `GET /plugins/stream`, or the public one where there is no token: what becomes of the tenant's installations (the public one says only
   * that something did), as `text/event-stream`, from behind the id `after` (from now if it is empty).
   */
  openPluginStream(tenantId: string, after: string, signal: AbortSignal): Promise<Response>;
  /** `GET /events/stream`: the tenant's events of these types and patterns, likewise. */
  openEventStream(tenantId: string, types: readonly string[], after: string, signal: AbortSignal): Promise<Response>;
  /** `POST /plugins/{id}/events`: emits as the plugin's page; see `PlatformSDK.emit`. */
  emitAsPlugin(tenantId: string, pluginId: string, type: string, data: unknown, options?: PageEmitOptions): Promise<Emitted>;
  /**
   * `POST /events`: publishes an event of the host product itself. For administrators. Tried three times within 10 s, under one id, so
   * that it is there once. Types of the server's own (`jackfield.…`) are refused.
   */
  publish(tenantId: string, event: NewEvent): Promise<Emitted>;
}

/** An event of the host product: `type` and what else is known of it. */
export type NewEvent = Pick<CloudEvent, "type"> & Partial<Pick<CloudEvent, "id" | "source" | "time" | "subject" | "data">>;

/** Raised when the server answers with an error (RFC 9457), or with something that is no answer. */
export class JackfieldRequestError extends Error {
  override readonly name = "JackfieldRequestError";
  constructor(
    message: string,
    /** The HTTP status. */
    readonly status: number,
    /** The server's stable word for the error, such as `not_installed`; empty if it gave none. */
    readonly code = "",
    /** What is wrong with which field, for bodies that fail validation. */
    readonly errors: readonly { pointer?: string; detail?: string }[] = [],
    /** All of what was answered: parsed if it is JSON, else text; of an action what its handler answered. Null if it was nothing. */
    readonly body: unknown = null,
  ) {
    super(message);
  }
}

const LIST_LIMITS = { retries: 2, timeout: 10_000 };
const REQUEST_TIMEOUT_MS = 10_000;
const PLUGIN_REQUEST_TIMEOUT_MS = 30_000;
/** The longest text that is taken for a message as a whole, in characters. */
const MAX_PLAIN_MESSAGE = 300;

/** @throws TypeError if `server` is not an http or https address. */
export function createClient(options: ClientOptions): JackfieldClient {
  const base = serverBase(options.server);
  const installed = new Map<string, { round: number; list: Promise<unknown> }>();

  const headers = async (tenantId: string, more?: HeadersInit): Promise<Headers> => {
    const all = new Headers(more);
    all.set("x-tenant-id", tenantId);
    const token = (await options.getToken?.()) ?? null;
    if (token !== null) all.set("authorization", `Bearer ${token}`);
    return all;
  };

  const configAddress = (pluginId: string) => new URL(`plugins/${encodeURIComponent(pluginId)}/config`, base);

  // Every extension point of a page asks at once; they share one request.
  const listInstalled = (tenantId: string, token: string, round: number): Promise<unknown> => {
    const known = installed.get(tenantId);
    if (known !== undefined && known.round >= round) return known.list;
    const list = getList(new URL("plugins/installed", base), {
      authorization: `Bearer ${token}`,
      "x-tenant-id": tenantId,
    }).finally(() => installed.get(tenantId)?.list === list && installed.delete(tenantId));
    installed.set(tenantId, { round, list });
    return list;
  };

  const openStream = (address: URL, given: Headers, after: string, signal: AbortSignal): Promise<Response> => {
    given.set("accept", "text/event-stream");
    if (after !== "") given.set("last-event-id", after);
    return fetch(address, { headers: given, signal, cache: "no-store" });
  };

  return {
    async listEnabled(tenantId, extensionPoint, round = 0) {
      const token = (await options.getToken?.()) ?? null;
      if (token !== null) return readEnabledPlugins(await listInstalled(tenantId, token, round), extensionPoint, base);
      const address = new URL("plugins/public/organizations/enabled", base);
      address.searchParams.set("organizationId", tenantId);
      address.searchParams.set("extensionPoint", extensionPoint);
      return readEnabledPlugins(await getList(address), extensionPoint, base);
    },

    async readConfiguration(tenantId, pluginId) {
      const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
      return accept(await fetch(configAddress(pluginId), { headers: await headers(tenantId), signal }), asRecord);
    },

    async saveConfiguration(tenantId, pluginId, configuration) {
      const response = await fetch(configAddress(pluginId), {
        method: "PUT",
        headers: await headers(tenantId, { "content-type": "application/json" }),
        body: JSON.stringify(configuration),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      if (!response.ok) throw await refusal(response);
    },

    async fetchFromPlugin(tenantId, pluginId, path, init = {}) {
      const address = pluginAddress(base, pluginId, path);
      const limit = AbortSignal.timeout(PLUGIN_REQUEST_TIMEOUT_MS);
      const signal = init.signal == null ? limit : AbortSignal.any([init.signal, limit]);
      return fetch(address, { ...init, headers: await headers(tenantId, init.headers), signal });
    },

    async runAction(tenantId, pluginId, action, parameters) {
      const response = await fetch(new URL(`plugins/${encodeURIComponent(pluginId)}/actions`, base), {
        method: "POST",
        headers: await headers(tenantId, { "content-type": "application/json" }),
        body: JSON.stringify({ action, parameters }),
        signal: AbortSignal.timeout(PLUGIN_REQUEST_TIMEOUT_MS),
      });
      const result = await accept(response, actionResult);
      if ("error" in result) throw new JackfieldRequestError(result.error, response.status, "", [], result.said);
      return result.data;
    },

    async openPluginStream(tenantId, after, signal) {
      const given = await headers(tenantId);
      if (given.has("authorization")) return openStream(new URL("plugins/stream", base), given, after, signal);
      const address = new URL("plugins/public/organizations/stream", base);
      address.searchParams.set("organizationId", tenantId);
      return openStream(address, new Headers(), after, signal);
    },

    async openEventStream(tenantId, types, after, signal) {
      const address = new URL("events/stream", base);
      address.searchParams.set("type", types.join(","));
      return openStream(address, await headers(tenantId), after, signal);
    },

    async emitAsPlugin(tenantId, pluginId, type, data, { subject, cause } = {}) {
      const response = await fetch(new URL(`plugins/${encodeURIComponent(pluginId)}/events`, base), {
        method: "POST",
        headers: await headers(tenantId, { "content-type": "application/json" }),
        // JSON has no undefined, and an event always carries something.
        body: JSON.stringify({ type, data: data ?? null, subject, hops: hopsOf(cause) }),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      return accept(response, emitted);
    },

    async publish(tenantId, event) {
      const source = globalThis.location?.origin ?? "host";
      const whole = { specversion: "1.0", id: crypto.randomUUID(), source, time: new Date().toISOString(), ...event };
      const body = JSON.stringify(whole);
      const attempt = async (_: number, signal: AbortSignal) => {
        const given = await headers(tenantId, { "content-type": "application/cloudevents+json" });
        const response = await fetch(new URL("events", base), { method: "POST", headers: given, body, signal });
        if (!response.ok) throw await refusal(response);
        return { id: whole.id };
      };
      return withRetries(attempt, isPassing, LIST_LIMITS);
    },
  };
}

function hopsOf(cause: CloudEvent<string, unknown> | undefined): number | undefined {
  if (cause === undefined) return undefined;
  return typeof cause["hops"] === "number" ? cause["hops"] : 0;
}

function emitted(body: unknown): Emitted {
  const { id } = asRecord(body);
  return { id: typeof id === "string" ? id : "" };
}

function serverBase(server: string): URL {
  const base = URL.canParse(server) ? new URL(server) : undefined;
  if (base === undefined || !/^https?:$/.test(base.protocol)) {
    throw new TypeError(`server must be an address such as "https://plugins.example.com", not ${JSON.stringify(server)}`);
  }
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  base.search = "";
  base.hash = "";
  return base;
}

function pluginAddress(base: URL, pluginId: string, path: string): URL {
  const root = new URL(`api/plugin-proxy/${encodeURIComponent(pluginId)}/`, base);
  // A leading slash means the root of the plugin's routes, not of the server.
  const address = new URL(path.replace(/^\/(?!\/)/, "./"), root);
  if (address.origin === root.origin && address.pathname.startsWith(root.pathname)) return address;
  throw new TypeError(`fetch reaches the plugin's own routes only: give a path such as "/quotes", not "${path}"`);
}

function getList(address: URL, headers: HeadersInit = {}): Promise<unknown> {
  const attempt = async (_: number, signal: AbortSignal) => accept(await fetch(address, { headers, signal }), (body) => body);
  return withRetries(attempt, isPassing, LIST_LIMITS);
}

/** Whether asking again may help: fetch rejects with TypeError when the network fails; 4xx other than 429 will not change. */
function isPassing(failure: unknown): boolean {
  return failure instanceof TypeError || (failure instanceof JackfieldRequestError && (failure.status >= 500 || failure.status === 429));
}

async function accept<T>(response: Response, read: (body: unknown) => T): Promise<T> {
  if (!response.ok) throw await refusal(response);
  const body: unknown = await response.json().catch(() => {
    throw new JackfieldRequestError("the server did not answer with JSON; is this the address of Jackfield?", response.status);
  });
  return read(body);
}

/** What an answer with a status of 400 and above says: a problem (RFC 9457), `{ error }` as handlers of plugins write it, or a short text. */
export async function refusal(response: Response): Promise<JackfieldRequestError> {
  const body = parsed(await response.text().catch(() => ""));
  const said = asRecord(body);
  const text = (key: string) => (typeof said[key] === "string" ? (said[key] as string) : "");
  // A page is for nobody to read in a message.
  const plain = typeof body === "string" && body.length <= MAX_PLAIN_MESSAGE && !/^\s*</.test(body) ? body.trim() : "";
  const message = text("detail") || text("title") || text("error") || plain || `the server answered ${response.status}`;
  const errors = Array.isArray(said["errors"]) ? (said["errors"] as { pointer?: string; detail?: string }[]) : [];
  return new JackfieldRequestError(message, response.status, text("code"), errors, body);
}

function parsed(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** What an action gave, or why it gave nothing, with what its handler said. */
function actionResult(body: unknown): { data: unknown } | { error: string; said: unknown } {
  const { success, data = null, error } = asRecord(body);
  return success === true ? { data } : { error: typeof error === "string" ? error : "the action failed", said: data };
}

function asRecord(body: unknown): Record<string, unknown> {
  return typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Record<string, unknown>) : {};
}
