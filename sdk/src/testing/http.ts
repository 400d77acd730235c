/** Requests that a test answers. */
import type { HttpBody, HttpClient, HttpOptions, HttpResponse } from "../server/context.js";
import { throughJson } from "./json.js";

/** A request that a handler sent. */
export interface HttpCall {
  readonly method: string;
  /** With its query; what the manifest's rule adds to the query stands there as `${name}`. */
  readonly url: string;
  /** By lower-case name. What the manifest's rule adds stands there as `${name}`, as the handler never sees it. */
  readonly headers: Readonly<Record<string, string>>;
  /** As it was given; null if there was none. */
  readonly body: unknown;
}

/** What is answered: a status (200 if not given), a body (JSON unless it is text), headers; or an Error, as if no answer came. */
export type HttpAnswer =
  | { readonly status?: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
  | Error;

/** Requests of a test. One that no answer is there for is an error. */
export interface TestHttp extends HttpClient {
  /**
   * Answers requests of `method` (`*` for any) to `url`: the whole of it, or without its query, or a pattern. A later `on` goes
   * before an earlier one; a function is asked each time.
   */
  on(method: string, url: string | RegExp, answer: HttpAnswer | ((call: HttpCall) => HttpAnswer | Promise<HttpAnswer>)): TestHttp;
  /** In their order, also those that no answer was there for. */
  readonly calls: readonly HttpCall[];
}

interface Expected {
  method: string;
  url: string | RegExp;
  answer: HttpAnswer | ((call: HttpCall) => HttpAnswer | Promise<HttpAnswer>);
}

/** How requests begin and end. */
export interface Door {
  /** `ctx.http` or `ctx.platform`. */
  readonly name: string;
  /** Judges where a request goes, and gives what is added to it. */
  judge(url: string): { readonly url: URL; readonly headers: Readonly<Record<string, string>>; readonly query: Readonly<Record<string, string>> };
  /** How a URL is shown and compared. */
  show(url: URL): string;
}

/** A request as bytes would carry it. */
export interface RawRequest {
  method: string;
  url: string;
  body: unknown;
  options: HttpOptions;
}

/** Requests through `door`, and the way in for `fetch`. */
export function createHttp(door: Door): TestHttp & { send(request: RawRequest): Promise<HttpResponse> } {
  const expected: Expected[] = [];
  const calls: HttpCall[] = [];

  const send = async ({ method, url, body, options }: RawRequest): Promise<HttpResponse> => {
    const call = recorded(door, method, url, body, options);
    calls.push(call);
    const found = expected.findLast((one) => (one.method === "*" || one.method === method) && isAt(one.url, call.url));
    if (found === undefined) {
      const known = expected.map((one) => `${one.method} ${one.url}`).join(", ");
      throw new Error(
        `${door.name}: no answer for ${method} ${call.url}; say .on("${method}", "${call.url}", { body: … })` +
          (known === "" ? "" : ` (there are answers for ${known})`),
      );
    }
    const answer = typeof found.answer === "function" ? await found.answer(call) : found.answer;
    if (answer instanceof Error) throw answer;
    return response(answer);
  };

  const http = {
    calls,
    send,
    on(method: string, url: string | RegExp, answer: Expected["answer"]) {
      expected.push({ method: method.toUpperCase(), url, answer });
      return http;
    },
    ...requests(send),
  };
  return Object.freeze(http);
}

function requests(send: (request: RawRequest) => Promise<HttpResponse>) {
  const without =
    (method: string) =>
    <Body>(url: string, options: HttpOptions = {}) =>
      send({ method, url, body: undefined, options }) as Promise<HttpResponse<Body>>;
  const withBody =
    (method: string) =>
    <Body>(url: string, body?: HttpBody, options: HttpOptions = {}) =>
      send({ method, url, body, options }) as Promise<HttpResponse<Body>>;
  return {
    get: without("GET"),
    delete: without("DELETE"),
    post: withBody("POST"),
    put: withBody("PUT"),
    patch: withBody("PATCH"),
  };
}

function recorded(door: Door, method: string, address: string, body: unknown, options: HttpOptions): HttpCall {
  options.signal?.throwIfAborted();
  const { url, headers: added, query } = door.judge(address);
  for (const [name, given] of Object.entries(options.query ?? {})) {
    for (const value of [given].flat()) if (value !== undefined && value !== null) url.searchParams.append(name, String(value));
  }
  const twice = Object.keys(query).find((name) => url.searchParams.has(name));
  if (twice !== undefined) throw new Error(`the parameter ${twice} is set by the manifest: leave it out`);
  const given = lowered(options.headers ?? {});
  const own = lowered(added);
  const header = Object.keys(given).find((name) => Object.hasOwn(own, name));
  if (header !== undefined) throw new Error(`the header ${header} is not set by plugins: leave it out`);
  const shown = door.show(url);
  const extra = Object.entries(query).map(([name, value]) => `${encodeURIComponent(name)}=${value}`);
  const isJson = body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array);
  return {
    method,
    url: extra.length === 0 ? shown : `${shown}${shown.includes("?") ? "&" : "?"}${extra.join("&")}`,
    headers: {
      ...(isJson ? { "content-type": "application/json" } : {}),
      ...given,
      ...own,
    },
    body: isJson ? throughJson(body, `the body of ${method} ${shown}`) : (body ?? null),
  };
}

function isAt(expected: string | RegExp, url: string): boolean {
  if (typeof expected !== "string") return expected.test(url);
  return expected === url || expected === url.split("?", 1)[0];
}

function response({ status = 200, body, headers = {} }: Exclude<HttpAnswer, Error>): HttpResponse {
  const isText = typeof body === "string";
  const text = body === undefined ? "" : isText ? body : JSON.stringify(body);
  const sent = lowered(headers);
  const type = sent["content-type"] ?? (isText || body === undefined ? "text/plain" : "application/json");
  const parsed = /[/+]json\b/.test(type) ? parse(text) : text;
  return { status, ok: status >= 200 && status < 300, headers: { "content-type": type, ...sent }, body: parsed, text };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** The same headers by lower-case name. */
export function lowered(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
}
