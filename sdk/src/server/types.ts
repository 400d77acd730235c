/** What a backend consists of, what its handlers get and what they answer. */
import type { EventOf } from "../event-types.js";
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
  /** Parsed if it came as JSON, else text, a `Uint8Array` if it is no UTF-8, undefined if there was none. Checked against nothing. */
  readonly body: Body;
  /** A parameter that is there several times is an array. */
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  /** By lower-case name. Credentials and cookies of the caller are not among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** What the `:name`s of the route's path stand for, decoded; `*` is what its last `*` stands for. */
  readonly params: Readonly<Record<string, string>>;
  /** Of an action: what came with it beside its parameters, which are the body. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Absent where nobody asks: in hooks, say. */
  readonly user?: BackendUser;
}

/**
 * What a hook's handler gets: `onPaid: (req: HookRequest<"payment.succeeded">, ctx) => …`. The event comes at least once: its `source`
 * and `id` tell whether it was there before. What is thrown has it come again later; what is returned goes nowhere.
 */
export type HookRequest<Pattern extends string = string> = BackendRequest<EventOf<Pattern>>;

/**
 * What the handler of the manifest's `webhook` gets. The server has verified the signature. It may come more than once: what it does
 * twice should be harmless. The answer goes to the sender with `mode: "reply"`; what is no 2xx, or thrown, has it come again later.
 */
export interface WebhookRequest<Body = unknown> extends BackendRequest<Body> {
  /** What was signed, byte for byte, where it is text. */
  readonly rawBody?: string;
}

/** An answer of a handler. An object with a numeric `status` and nothing beside these three is taken for one. */
export interface BackendResponse<Body = unknown> {
  /** 200 to 599. */
  readonly status: number;
  /** Text is sent as `text/plain`, bytes as `application/octet-stream`, unless the headers say otherwise; all else as JSON. */
  readonly body?: Body;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers a request, an action or an event. The result is a {@link BackendResponse}, or any other value that JSON can hold, which is
 * sent with status 200; `undefined` is an error, but for hooks. It has a few seconds, and what it does after it has answered may never happen.
 *
 * `Body` and `Config` may be given where a handler is declared: `(req: BackendRequest<NewOrder>, ctx) => …`.
 */
export type Handler<Body = unknown, Config = Record<string, unknown>> = {
  // As a method, so that a handler may say more of its body and configuration than the server can promise.
  handle(request: BackendRequest<Body>, context: BackendContext<Config>): unknown;
}["handle"];

/** A method of HTTP that a route may name; `*` is any. */
export type RouteMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" | "*";

/** Which handler answers which requests: of several that fit, the one whose path is the most specific. */
export interface BackendRoute<Name extends string = string> {
  readonly method: RouteMethod;
  /** From `/`; segments may be `:name`s, and the last may be `*` for all that follows. */
  readonly path: `/${string}`;
  readonly handler: Name;
}

/** Which handler gets which events. */
export interface BackendHook<Name extends string = string> {
  /** The type of the events, or how they begin: `order.created`, `order.*`. */
  readonly event: string;
  readonly handler: Name;
}

/** What a lifecycle hook is called for. */
export interface LifecycleEvent {
  /** The same each time that the hook is called for it. */
  readonly id: string;
  /** Such as `jackfield.installation.created`. */
  readonly type: string;
  /** When it happened (RFC 3339). */
  readonly time: string;
  /** The version that was installed then. */
  readonly version: string;
  /** 1 for the first call. */
  readonly attempt: number;
}

/** What a lifecycle hook may use. `event` is there in each call; not in the contexts of `createTestContext` by themselves. */
export interface LifecycleContext<Config = Record<string, unknown>> extends BackendContext<Config> {
  readonly event?: LifecycleEvent;
}

/** What is done after a change of an installation: at least once, later than the change, and never in its way. */
export type LifecycleHandler<Config = Record<string, unknown>> = {
  handle(context: LifecycleContext<Config>): unknown;
}["handle"];

/** What `defineBackendPlugin` takes and gives. */
export interface BackendDefinition<Handlers extends Record<string, Handler> = Record<string, Handler>> {
  readonly handlers: Handlers;
  /** Besides those in the manifest. */
  readonly routes?: readonly BackendRoute<NoInfer<Extract<keyof Handlers, string>>>[];
  /** Besides those in the manifest. */
  readonly hooks?: readonly BackendHook<NoInfer<Extract<keyof Handlers, string>>>[];
  /** After a tenant has installed the plugin. */
  readonly onInstall?: LifecycleHandler;
  /** After a tenant has uninstalled it; then what it has kept there is deleted. */
  readonly onUninstall?: LifecycleHandler;
  /** After it was switched on, which installing does too. */
  readonly onEnable?: LifecycleHandler;
  /** After it was switched off; uninstalling does not call it. */
  readonly onDisable?: LifecycleHandler;
}

/** Any backend, whatever its handlers are called and expect. */
export interface AnyBackend {
  readonly handlers: Readonly<Record<string, Handler<any, any>>>;
  readonly routes?: readonly BackendRoute[];
  readonly hooks?: readonly BackendHook[];
  readonly onInstall?: LifecycleHandler<any>;
  readonly onUninstall?: LifecycleHandler<any>;
  readonly onEnable?: LifecycleHandler<any>;
  readonly onDisable?: LifecycleHandler<any>;
}
