/** What a backend consists of, what its handlers get and what they answer. */
import type { BackendContext } from "./context.js";

/** What a user may do within a tenant, least first; `platform_admin` may do everything everywhere. */
export type Role = "user" | "admin" | "owner" | "platform_admin";

/** The signed-in user whose request it is. The server has verified it; the caller cannot choose it. */
export interface BackendUser {
  readonly id: string;
  readonly email?: string;
  readonly name?: string;
  readonly role: Role;
}

/** A request to a handler. */
export interface BackendRequest<Body = unknown> {
  /** In capitals. */
  readonly method: string;
  /** The path below the plugin's own root, such as `/orders/7`. */
  readonly path: string;
  /** The parsed JSON of a JSON request, text of another; null if there was none. Not checked against anything: check it. */
  readonly body: Body;
  readonly query: Readonly<Record<string, string>>;
  /** By lower-case name. Credentials and cookies of the caller are not among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** The `:name`s of the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** Absent where nobody asks: in hooks, say. */
  readonly user?: BackendUser;
}

/** An answer of a handler. An object with a numeric `status` and nothing beside these three is taken for one. */
export interface BackendResponse<Body = unknown> {
  /** 200 to 599. */
  readonly status: number;
  /** Text is sent as `text/plain` and a `Uint8Array` as it is, unless the headers say otherwise; all else as JSON. */
  readonly body?: Body;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers a request, an action or an event. The result is a {@link BackendResponse}, or any other value that JSON can hold, which is
 * sent with status 200; `undefined` is an error. It has a few seconds, and what it does after it has answered may never happen.
 *
 * `Body` and `Config` may be given where a handler is declared: `(req: BackendRequest<NewOrder>, ctx) => …`.
 */
export type Handler<Body = unknown, Config = Record<string, unknown>> = {
  // As a method, so that a handler may say more of its body and configuration than the server can promise.
  handle(request: BackendRequest<Body>, context: BackendContext<Config>): unknown;
}["handle"];

/** A method of HTTP that a route may name; `*` is any. */
export type RouteMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" | "*";

/** Which handler answers which requests. The first route that fits is taken. */
export interface BackendRoute<Name extends string = string> {
  readonly method: RouteMethod;
  /** From `/`; segments may be `:name`s, and the last may be `*` for all that follows. */
  readonly path: `/${string}`;
  readonly handler: Name;
}

/** Which handler gets which events. */
export interface BackendHook<Name extends string = string> {
  /** The type of the event. */
  readonly event: string;
  readonly handler: Name;
}

/** What `defineBackendPlugin` takes and gives. */
export interface BackendDefinition<Handlers extends Record<string, Handler> = Record<string, Handler>> {
  readonly handlers: Handlers;
  /** Besides those in the manifest, which come first. */
  readonly routes?: readonly BackendRoute<NoInfer<Extract<keyof Handlers, string>>>[];
  /** Besides those in the manifest. */
  readonly hooks?: readonly BackendHook<NoInfer<Extract<keyof Handlers, string>>>[];
  /** After a tenant has installed the plugin. As all of these: at least once, later than the change, and never in its way. */
  readonly onInstall?: Handler;
  /** After a tenant has uninstalled it. */
  readonly onUninstall?: Handler;
  /** After it was switched on. */
  readonly onEnable?: Handler;
  /** After it was switched off. */
  readonly onDisable?: Handler;
}

/** Any backend, whatever its handlers are called and expect. */
export interface AnyBackend {
  readonly handlers: Readonly<Record<string, Handler<any, any>>>;
  readonly routes?: readonly BackendRoute[];
  readonly hooks?: readonly BackendHook[];
  readonly onInstall?: Handler<any, any>;
  readonly onUninstall?: Handler<any, any>;
  readonly onEnable?: Handler<any, any>;
  readonly onDisable?: Handler<any, any>;
}
