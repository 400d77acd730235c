/** Calls of handlers, as the server makes them. */
import type { BackendContext } from "../server/context.js";
import type { AnyBackend, BackendRequest, BackendUser, Handler } from "../server/types.js";
import { lowered } from "./http.js";
import { sizeOf, throughJson, toJson } from "./json.js";
import { routesOf, type TestManifest } from "./manifest.js";
import { findRoute } from "./routes.js";

/** The most bytes of an answer. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** A request to a plugin's address. */
export interface TestRequest {
  /** GET if not given. */
  readonly method?: string;
  /** Below the plugin's own root, such as `/orders/7?full=1`. */
  readonly path: string;
  /** Text arrives as it is, unless the headers say that it is JSON; bytes too, as text if they are that; all else as JSON. */
  readonly body?: unknown;
  /** Added to that of the path. */
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Who asks; the context's `user` if not given. */
  readonly user?: BackendUser;
}

/** What the caller gets. */
export interface TestAnswer<Body = any> {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** Text, bytes, or what JSON carries. */
  readonly body: Body;
}

type Context = BackendContext<any> & { readonly user?: BackendUser | undefined; readonly manifest?: TestManifest | undefined };

/**
 * Sends a request through the backend's routes, those of the context's manifest among them. Where no route fits the answer is that
 * of the server: 404, 405, or 400 for a path that leads elsewhere. What the handler throws is thrown here, where the server answers
 * 502 `plugin_failed`.
 */
export async function callHandler(backend: AnyBackend, request: TestRequest, context: Context): Promise<TestAnswer> {
  const method = (request.method ?? "GET").toUpperCase();
  const [path = "", search = ""] = request.path.split(/\?(.*)/s);
  const route = findRoute(routesOf(context.manifest, backend.routes), method, path);
  if (!route.found) {
    return { status: route.status, headers: { "content-type": "application/problem+json" }, body: { status: route.status, detail: route.detail } };
  }
  const headers = lowered(request.headers ?? {});
  const { body, type } = received(request.body, headers["content-type"]);
  const answer = await run(
    backend,
    route.handler,
    {
      method,
      path: path.startsWith("/") ? path : `/${path}`,
      body,
      query: { ...grouped(search), ...request.query },
      headers: type === undefined ? headers : { ...headers, "content-type": type },
      params: route.params,
      ...asking(request.user ?? context.user),
    },
    context,
  );
  return await normalised(answer);
}

/**
 * Runs a handler by its name, as `POST /plugins/{id}/actions` does, and gives what that answers: what the handler refuses or throws
 * is its `error`.
 */
export async function callAction(
  backend: AnyBackend,
  action: string,
  parameters: unknown,
  context: Context,
  metadata: Readonly<Record<string, unknown>> = {},
): Promise<{ success: boolean; data?: any; error?: string; action: string }> {
  const request: BackendRequest = {
    method: "POST",
    path: `/actions/${action}`,
    body: throughJson(parameters ?? null, "parameters"),
    query: {},
    headers: { "content-type": "application/json" },
    params: {},
    metadata: throughJson(metadata, "metadata"),
    ...asking(context.user),
  };
  handlerOf(backend, action);
  let result: unknown;
  try {
    result = await run(backend, action, request, context);
  } catch (error) {
    return { success: false, error: error instanceof Error ? error.message : String(error), action };
  }
  const { status, body } = await normalised(result);
  if (status < 400) return { success: true, ...(body === null ? {} : { data: body }), action };
  const said = typeof body === "string" ? body : [body?.error, body?.message, body?.detail].find((text) => typeof text === "string");
  const error = typeof said === "string" && said !== "" ? said : `the plugin has answered with the status ${status}`;
  return { success: false, ...(body === null || typeof body === "string" ? {} : { data: body }), error, action };
}

/** Gives an event to the handlers that have a hook for its type, in their order; the event is their `req.body`. */
export async function callHook(backend: AnyBackend, event: { readonly type: string; readonly data?: unknown }, context: Context): Promise<void> {
  const hooks = [...(context.manifest?.backend?.hooks ?? []), ...(backend.hooks ?? [])].filter((hook) => hook.event === event.type);
  if (hooks.length === 0) throw new Error(`the backend has no hook for "${event.type}"`);
  const body = throughJson({ ...event }, "the event");
  for (const hook of hooks) {
    await run(backend, hook.handler, { method: "POST", path: "/", body, query: {}, headers: {}, params: {} }, context);
  }
}

/** Runs `onInstall`, `onUninstall`, `onEnable` or `onDisable`. */
export async function callLifecycle(
  backend: AnyBackend,
  step: "onInstall" | "onUninstall" | "onEnable" | "onDisable",
  context: Context,
): Promise<void> {
  const handler = backend[step];
  if (handler === undefined) throw new Error(`the backend has no ${step}`);
  await handler(context);
}

async function run(backend: AnyBackend, name: string, request: BackendRequest, context: Context): Promise<unknown> {
  return handlerOf(backend, name)(Object.freeze(request), context);
}

function handlerOf(backend: AnyBackend, name: string): Handler<any, any> {
  const handler = Object.hasOwn(backend.handlers, name) ? backend.handlers[name] : undefined;
  if (typeof handler === "function") return handler;
  throw new Error(`there is no handler "${name}"; there are: ${Object.keys(backend.handlers).join(", ")}`);
}

function asking(user: BackendUser | undefined): { user?: BackendUser } {
  return user === undefined ? {} : { user: Object.freeze({ ...user }) };
}

/** A query as handlers get it: what is there several times is an array. */
function grouped(search: string): Record<string, string | string[]> {
  const query = new URLSearchParams(search);
  const valueOf = (all: string[]) => (all.length === 1 ? (all[0] ?? "") : all);
  return Object.fromEntries([...new Set(query.keys())].map((name) => [name, valueOf(query.getAll(name))]));
}

/** A body as it arrives. */
function received(body: unknown, given: string | undefined): { body: unknown; type?: string } {
  if (body === undefined || body === "") return { body: undefined };
  if (body instanceof Uint8Array) return { body: textOf(body) ?? body, type: given ?? "application/octet-stream" };
  if (typeof body !== "string") return { body: throughJson(body, "the body of the request"), type: given ?? "application/json" };
  const type = given ?? "text/plain";
  return { body: /[/+]json\b/.test(type) ? (JSON.parse(body) as unknown) : body, type };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** What the server makes of a handler's result. */
async function normalised(result: unknown): Promise<TestAnswer> {
  if (result === undefined) throw new Error("the handler returned nothing: return a value, or {status, body, headers}");
  if (result instanceof Response) {
    const headers = lowered(Object.fromEntries(result.headers));
    const text = await result.text();
    const isJson = /[/+]json\b/.test(headers["content-type"] ?? "");
    return { status: checkedStatus(result.status), headers, body: text === "" ? null : isJson ? JSON.parse(text) : bounded(text, sizeOf(text)) };
  }
  if (!isResponse(result)) return { status: 200, ...content(result, {}) };
  const headers = lowered(result.headers ?? {});
  const status = checkedStatus(result.status);
  return result.body == null ? { status, headers, body: null } : { status, ...content(result.body, headers) };
}

function content(body: unknown, headers: Record<string, string>): { headers: Record<string, string>; body: unknown } {
  const as = (type: string, value: unknown) => ({ headers: { "content-type": type, ...headers }, body: value });
  if (typeof body === "string") return as("text/plain; charset=utf-8", bounded(body, sizeOf(body)));
  if (body instanceof Uint8Array) return as("application/octet-stream", bounded(body, body.length));
  const json = toJson(body, "what the handler returned");
  return as("application/json", JSON.parse(bounded(json, sizeOf(json))));
}

function bounded<T>(value: T, size: number): T {
  if (size <= MAX_ANSWER_BYTES) return value;
  throw new Error(`the handler's answer has ${size} bytes; at most ${MAX_ANSWER_BYTES} are allowed`);
}

function checkedStatus(status: number): number {
  if (Number.isInteger(status) && status >= 200 && status <= 599) return status;
  throw new Error(`a response's status is a whole number from 200 to 599, not ${status}`);
}

function isResponse(value: unknown): value is { status: number; body?: unknown; headers?: Record<string, string> } {
  if (typeof value !== "object" || value === null || typeof (value as { status?: unknown }).status !== "number") return false;
  return Object.keys(value).every((key) => key === "status" || key === "body" || key === "headers");
}
