/** What a handler may use: `ctx`. */
import type { EmitOptions, Emitted, EventData, EventName } from "../event-types.js";

/** What the server gives to each call of a handler. Frozen, and made anew for each call. */
export interface BackendContext<Config = Record<string, unknown>> {
  /** Requests to the hosts that the manifest names and the tenant's admin has consented to. */
  readonly http: HttpClient;
  /** The host product's API, as the plugin: `ctx.platform.get("/orders/7")`. */
  readonly platform: Platform;
  /** The secrets of `requiredSecrets`. */
  readonly secrets: Secrets;
  /** This plugin's own values for this tenant. */
  readonly storage: PluginStorage;
  readonly events: Events;
  /** Accounts that the tenant's users have connected. */
  readonly connections: Connections;
  /** Lines for the plugin's log, which admins and `jackfield plugin logs` read. */
  readonly logger: Logger;
  /** The tenant's configuration of the plugin, without the sensitive fields. */
  readonly config: Readonly<Config>;
  readonly tenantId: string;
  readonly pluginId: string;
  /** The plugin's version that runs. */
  readonly version: string;
}

/** How a request goes out. */
export interface HttpOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Added to the query of the URL; an array as one parameter for each of its values, undefined and null not at all. */
  readonly query?: Readonly<Record<string, QueryValue | readonly QueryValue[]>>;
  /** Milliseconds; never more than what is left of the call's own time. */
  readonly timeout?: number;
  /** Gives the request up. */
  readonly signal?: HttpSignal;
}

/** A value of a query. */
export type QueryValue = string | number | boolean | null | undefined;

/** An `AbortSignal`, as far as it is used. */
export interface HttpSignal {
  readonly aborted: boolean;
  readonly reason?: any;
  throwIfAborted(): void;
}

/** An answer from elsewhere. A status of 400 and above is an answer like others. */
export interface HttpResponse<Body = unknown> {
  readonly status: number;
  /** Whether `status` is 200 to 299. */
  readonly ok: boolean;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed body if it is JSON, otherwise the text. */
  readonly body: Body;
  /** The body as it came. */
  readonly text: string;
}

/** What may be sent: text as it is, bytes as they are, all else as JSON. */
export type HttpBody = string | Uint8Array | object | number | boolean | null;

interface Requests {
  /** Each rejects with an Error that says why, if no answer came. */
  get<Body = unknown>(url: string, options?: HttpOptions): Promise<HttpResponse<Body>>;
  delete<Body = unknown>(url: string, options?: HttpOptions): Promise<HttpResponse<Body>>;
  post<Body = unknown>(url: string, body?: HttpBody, options?: HttpOptions): Promise<HttpResponse<Body>>;
  put<Body = unknown>(url: string, body?: HttpBody, options?: HttpOptions): Promise<HttpResponse<Body>>;
  patch<Body = unknown>(url: string, body?: HttpBody, options?: HttpOptions): Promise<HttpResponse<Body>>;
}

/** Requests to hosts of the manifest's `hosts`, by absolute URL. Headers with `${secret}`s are added on the way out. */
export interface HttpClient extends Requests {}

/** Requests to the host product's API, by path, with a short-lived token that names tenant, plugin, permissions and user. */
export interface Platform extends Requests {}

/** The plugin's secrets: sensitive fields of its configuration. */
export interface Secrets {
  /** The secret, or null if the tenant has not set it. Rejects for a name that is not in the manifest's `requiredSecrets`. */
  get(name: string): Promise<string | null>;
}

/**
 * A tenant's own values of this plugin, by key; other tenants and plugins have their own. Values are whatever JSON can hold, up to
 * 256 KiB each; keys up to 256 bytes; 10,000 keys and 10 MiB in all.
 */
export interface PluginStorage {
  /** The value, or null if there is none. */
  get<Value = unknown>(key: string): Promise<Value | null>;
  /** Keeps a value, for `ttl` seconds if given. */
  set(key: string, value: unknown, options?: { readonly ttl?: number }): Promise<void>;
  /** Whether there was one. */
  delete(key: string): Promise<boolean>;
  /** The keys that begin with `prefix`, sorted; at most 10,000. */
  list(prefix?: string): Promise<string[]>;
  /** Adds `by` (1 if not given) to a number, 0 where there is none, in one step; gives the sum. Rejects for what is no number. */
  increment(key: string, by?: number): Promise<number>;
  /** Sets the value if the present one equals `expected` (null: if there is none), in one step; gives whether it did. */
  compareAndSet(key: string, expected: unknown, value: unknown): Promise<boolean>;
}

/** How an event of a backend is published. */
export interface BackendEmitOptions extends EmitOptions {
  /** Events of one key are delivered in their order; the subject if not given. 1 to 256 bytes, as the subject. */
  readonly key?: string;
}

/** Events of this plugin. */
export interface Events {
  /**
   * Publishes an event of a type that the manifest's `emits` names, with up to 64 KiB of data as JSON. It is kept once this resolves, and
   * reaches each that wants it at least once: hooks of other plugins, subscriptions, pages. Without a subject it is about the plugin.
   * Rejects where more than eight events have led to it: that looks like plugins that answer each other without end.
   */
  emit<Type extends EventName>(type: Type, data?: EventData<Type>, options?: BackendEmitOptions): Promise<Emitted>;
}

/** Fields that are kept as JSON behind a line's message. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The plugin's log: the last 1,000 lines, each up to 8 KiB. Values of secrets that were read are blotted out. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Connectors of the manifest's `connections`. */
export interface Connections {
  /** A connected account: the asking user's own, or `user`'s (an e-mail address) if the manifest asks for those of the tenant. */
  get(connector: string, options?: { readonly user?: string }): Connection;
}

/** What a connector can do with an account; what it cannot do rejects, and says so. */
export type ConnectionOperation =
  | "list"
  | "get"
  | "create"
  | "update"
  | "delete"
  | "search"
  | "channels"
  | "messages"
  | "send"
  | "projects"
  | "issues";

/** Arguments of a connector's operation, by their names in the API. */
export type ConnectionArguments = Readonly<Record<string, unknown>>;

/** A connected account. Each gives the `result` of the unified API, and rejects with an Error that says what is missing. */
export interface Connection {
  list<Result = unknown>(filter?: ConnectionArguments): Promise<Result>;
  item<Result = unknown>(id: string): Promise<Result>;
  create<Result = unknown>(body: ConnectionArguments): Promise<Result>;
  update<Result = unknown>(id: string, body: ConnectionArguments): Promise<Result>;
  delete<Result = unknown>(id: string): Promise<Result>;
  search<Result = unknown>(query: string, filter?: ConnectionArguments): Promise<Result>;
  call<Result = unknown>(operation: ConnectionOperation, args?: ConnectionArguments): Promise<Result>;
}
