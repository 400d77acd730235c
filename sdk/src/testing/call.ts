/** Calls of handlers, as the server makes them. */
import type { BackendContext } from "../server/context.js";
import type { AnyBackend, BackendRequest, BackendUser, LifecycleEvent } from "../server/types.js";
import { type TestAnswer, normalised } from "./answer.js";
import { contextOfOneCall } from "./context.js";
import { forHandlers } from "./headers.js";
import { lowered } from "./http.js";
import { isJsonType, sizeOf, throughJson } from "./json.js";
import { routesOf, type TestManifest } from "./manifest.js";
import { findRoute } from "./routes.js";

/** The most bytes of a request's body, as the server has it by default. */
export const MAX_BODY_BYTES = 1024 * 1024;

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

/** A context, and what the test's own has beside. */
export type Context = BackendContext<any> & { readonly user?: BackendUser | undefined; readonly manifest?: TestManifest | undefined };

/** The steps of a plugin's life in a tenant, and the events that they follow. */
const STEPS = {
  onInstall: "jackfield.installation.created",
  onUninstall: "jackfield.installation.removed",
  onEnable: "jackfield.installation.enabled",
  onDisable: "jackfield.installation.disabled",
};

/**
 * Sends a request through the backend's routes, those of the context's manifest among them. Where no route fits the answer is that
 * of the server: 404, 405, or 400 for a path that leads elsewhere and for a body that is not the JSON it says it is. What the handler
 * throws is thrown here, where the server answers 502 `plugin_failed`.
 */
export async function callHandler(backend: AnyBackend, request: TestRequest, context: Context): Promise<TestAnswer> {
  const method = (request.method ?? "GET").toUpperCase();
  const [path = "", search = ""] = request.path.split(/\?(.*)/s);
  const route = findRoute(routesOf(context.manifest, backend.routes), method, path);
  if (!route.found) return problem(route.status, route.detail);
  const headers = lowered(request.headers ?? {});
  const got = received(request.body, headers["content-type"]);
  if ("refused" in got) return got.refused;
  const user = request.user ?? context.user;
  const answer = await run(
    backend,
    route.handler,
    {
      method,
      path: path.startsWith("/") ? path : `/${path}`,
      body: got.body,
      query: { ...grouped(search), ...request.query },
      headers: forHandlers(got.type === undefined ? headers : { ...headers, "content-type": got.type }),
      params: route.params,
    },
    contextOfOneCall(context, user),
    user,
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
  };
  handlerOf(backend, action);
  let result: unknown;
  try {
    result = await run(backend, action, request, contextOfOneCall(context, context.user), context.user);
  } catch (error) {
    return { success: false, error: error instanceof Error ? error.message || error.name : String(error), action };
  }
  const { status, body: answered } = await normalised(result);
  const body = answered instanceof Uint8Array ? new TextDecoder().decode(answered) : answered;
  if (status < 400) return { success: true, ...(body === null ? {} : { data: body }), action };
  const said = typeof body === "string" ? body : [body?.error, body?.message, body?.detail].find((text) => typeof text === "string");
  const error = typeof said === "string" && said !== "" ? said : `the plugin has answered with the status ${status}`;
  return { success: false, ...(body === null || typeof body === "string" ? {} : { data: body }), error, action };
}

/** Runs `onInstall`, `onUninstall`, `onEnable` or `onDisable` for `event`, of which what is left out is made up. */
export async function callLifecycle(
  backend: AnyBackend,
  step: keyof typeof STEPS,
  context: Context,
  event: Partial<LifecycleEvent> = {},
): Promise<void> {
  const handler: unknown = member(backend, step);
  if (typeof handler !== "function") throw new Error(`the backend has no ${step}`);
  const whole = { id: "event-1", type: STEPS[step], time: new Date().toISOString(), version: context.version, attempt: 1, ...event };
  const told = Object.freeze(throughJson(whole, "the event"));
  await handler.call(backend, contextOfOneCall(context, undefined, { event: told }));
}

/** Calls a handler by its name. */
export async function run(
  backend: AnyBackend,
  name: string,
  request: BackendRequest,
  context: BackendContext<any>,
  user: BackendUser | undefined,
): Promise<unknown> {
  const { called, self } = handlerOf(backend, name);
  return called.call(self, Object.freeze({ ...request, ...asking(user) }), context) as unknown;
}

/** The function of a handler, and what it is a member of, as the server finds them: also those of classes. */
function handlerOf(backend: AnyBackend, name: string): { called: Function; self: object } {
  for (const self of name in STEPS || name === "handlers" ? [] : [backend.handlers, backend]) {
    const called = self === backend && (name === "routes" || name === "hooks") ? undefined : member(self, name);
    if (typeof called === "function") return { called, self };
  }
  throw new Error(`there is no handler "${name}"; there are: ${Object.keys(backend.handlers).join(", ")}`);
}

/** A member that is the object's own or its class's, but not every object's. */
function member(object: object, name: string): unknown {
  for (let at = object; at && at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    if (Object.hasOwn(at, name)) return name === "constructor" ? undefined : (object as Record<string, unknown>)[name];
  }
  return undefined;
}

function asking(user: BackendUser | undefined): { user?: BackendUser } {
  if (user === undefined) return {};
  const email = user.email === undefined ? {} : { email: user.email.toLowerCase() };
  return { user: Object.freeze({ ...user, ...email }) };
}

/** A query as handlers get it: what is there several times is an array. The session token is not theirs. */
export function grouped(search: string): Record<string, string | string[]> {
  const query = new URLSearchParams(search);
  query.delete("session_token");
  const valueOf = (all: string[]) => (all.length === 1 ? (all[0] ?? "") : all);
  return Object.fromEntries([...new Set(query.keys())].map((name) => [name, valueOf(query.getAll(name))]));
}

/** A body as it arrives, or what the server says instead. */
function received(given: unknown, type: string | undefined): { body: unknown; type?: string | undefined } | { refused: TestAnswer } {
  if (given === undefined || given === "" || (given instanceof Uint8Array && given.length === 0)) return { body: undefined, type };
  const isText = typeof given === "string";
  const isRaw = isText || given instanceof Uint8Array;
  const content = isRaw ? (isText ? given : (textOf(given) ?? given)) : JSON.stringify(throughJson(given, "the body of the request"));
  if ((typeof content === "string" ? sizeOf(content) : content.length) > MAX_BODY_BYTES) {
    return { refused: problem(413, `the body must have at most ${MAX_BODY_BYTES} bytes`) };
  }
  const of = type ?? (isText ? "text/plain" : isRaw ? "application/octet-stream" : "application/json");
  if (!isJsonType(of)) return { body: content, type: of };
  try {
    return { body: JSON.parse(typeof content === "string" ? content : "") as unknown, type: of };
  } catch {
    return { refused: problem(400, "the body is not JSON") };
  }
}

/** What the server says itself. */
export function problem(status: number, detail: string): TestAnswer {
  return { status, headers: { "content-type": "application/problem+json" }, body: { status, detail } };
}

/** Bytes as text, if they are UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
