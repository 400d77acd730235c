/** Events and webhooks, as the server gives them to handlers. */
import type { CloudEvent } from "../event-types.js";
import { isOf } from "../live/pattern.js";
import type { AnyBackend, WebhookRequest } from "../server/types.js";
import { type TestAnswer, normalised } from "./answer.js";
import { type Context, grouped, MAX_BODY_BYTES, problem, run, textOf } from "./call.js";
import { contextOfOneCall } from "./context.js";
import { forHandlers } from "./headers.js";
import { lowered } from "./http.js";
import { isJsonType, sizeOf, throughJson } from "./json.js";

/** An event, of which what is left out is made up. */
export type TestEvent = Pick<CloudEvent, "type"> & Partial<CloudEvent<string, unknown>>;

/** A webhook whose signature the server has found right. */
export interface TestWebhook {
  /** POST if not given. */
  readonly method?: string;
  /** Behind the plugin's address, with a query if there is one; `/` if not given. */
  readonly path?: string;
  /** Text and bytes arrive as they are; all else is sent as JSON. */
  readonly body?: unknown;
  /** `content-type` is that of JSON if not given. */
  readonly headers?: Readonly<Record<string, string>>;
}

const HANDLER = "webhook";

/**
 * Gives an event to the handlers that have a hook for its type, in their order; the event is their `req.body`. What they throw is
 * thrown here, where the server gives them the event again later.
 */
export async function callHook(backend: AnyBackend, event: TestEvent, context: Context): Promise<void> {
  const hooks = [...(context.manifest?.backend?.hooks ?? []), ...(backend.hooks ?? [])].filter((hook) => isOf(hook.event, event.type));
  if (hooks.length === 0) throw new Error(`the backend has no hook for "${event.type}"`);
  const made = { specversion: "1.0", id: "event-1", source: "test", time: new Date().toISOString(), data: null };
  const body = throughJson({ ...made, ...event }, "the event");
  for (const hook of hooks) {
    const request = { method: "POST", path: "/", body, query: {}, headers: {}, params: {} };
    await run(backend, hook.handler, request, contextOfOneCall(context, undefined), undefined);
  }
}

/**
 * Gives a webhook to the handler that the manifest's `webhook` names, or to `webhook`. No signature is looked at: that is done before
 * any handler is called. What the handler throws is thrown here, where the server gives it the webhook again later.
 */
export async function callWebhook(backend: AnyBackend, webhook: TestWebhook, context: Context): Promise<TestAnswer> {
  const { body: given } = webhook;
  const isRaw = typeof given === "string" || given instanceof Uint8Array;
  const sent = given === undefined ? "" : isRaw ? given : JSON.stringify(throughJson(given, "the body of the webhook"));
  if ((typeof sent === "string" ? sizeOf(sent) : sent.length) > MAX_BODY_BYTES) {
    return problem(413, `the body must have at most ${MAX_BODY_BYTES} bytes`);
  }
  const headers = forHandlers({ "content-type": "application/json", ...lowered(webhook.headers ?? {}) });
  const rawBody = typeof sent === "string" ? sent : textOf(sent);
  const [path = "/", search = ""] = (webhook.path ?? "/").split(/\?(.*)/s);
  const request: WebhookRequest = {
    method: (webhook.method ?? "POST").toUpperCase(),
    path: path.startsWith("/") ? path : `/${path}`,
    query: grouped(search),
    headers,
    params: {},
    body: read(rawBody ?? sent, headers["content-type"]),
    ...(rawBody === undefined ? {} : { rawBody }),
  };
  const handler = context.manifest?.webhook?.handler ?? HANDLER;
  return await normalised(await run(backend, handler, request, contextOfOneCall(context, undefined), undefined));
}

/** Unlike that of a request, a body that is not the JSON it says it is arrives as it is: it was signed so. */
function read(sent: string | Uint8Array, type: string | undefined): unknown {
  if (sent.length === 0) return undefined;
  if (typeof sent !== "string" || !isJsonType(type)) return sent;
  try {
    return JSON.parse(sent) as unknown;
  } catch {
    return sent;
  }
}
