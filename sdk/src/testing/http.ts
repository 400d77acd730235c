/** Requests that a test answers. */
import type { HttpBody, HttpClient, HttpOptions, HttpResponse, HttpSignal } from "../server/context.js";
import { isJsonType, sizeOf, toJson } from "./json.js";
import { UNBOUNDED, type Used } from "./limits.js";

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

/** What is answered: a status (200 if not given), a body (JSON unless it is text or bytes), headers; or an Error, as if no answer came. */
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
  /** Whether a header, in lower case, is set by the server alone. */
  isOwn(header: string): boolean;
  /** How a URL is shown and compared. */
  show(url: URL): string;
}

/** A request as it is given. */
export interface RawRequest {
  method: string;
  url: string;
  body: unknown;
  options: HttpOptions;
}

/** An answer as it is carried. */
export interface Content {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Uint8Array;
}

/** The same requests, for whom they are counted. */
export type HttpFor = (used: Used) => TestHttp;

const MAX_SENT_BYTES = 1024 * 1024;
const MAX_READ_BYTES = 4 * 1024 * 1024;
const MAX_HEADERS = 64;
const MAX_HEADER_BYTES = 16 * 1024;

/** Headers that belong to the connection, and those that would make an answer that the server cannot search for secrets. */
const NOT_SETTABLE = new Set([
  "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
  "proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade",
]);

/** Requests through `door`, and the way in for `fetch`. */
export function createHttp(door: Door): { http: HttpFor; send(request: RawRequest, used: Used): Promise<Content> } {
  const expected: Expected[] = [];
  const calls: HttpCall[] = [];

  const send = async ({ method, url, body, options }: RawRequest, used: Used): Promise<Content> => {
    const call = recorded(door, { method, url, body, options });
    used.count("requests to other servers");
    calls.push(call);
    const found = expected.findLast((one) => (one.method === "*" || one.method === method) && isAt(one.url, call.url));
    if (found === undefined) {
      const known = expected.map((one) => `${one.method} ${one.url}`).join(", ");
      throw new Error(
        `${door.name}: no answer for ${method} ${call.url}; say .on("${method}", "${call.url}", { body: … })` +
          (known === "" ? "" : ` (there are answers for ${known})`),
      );
    }
    const answer = typeof found.answer === "function" ? await orAborted(options.signal, found.answer(call)) : found.answer;
    if (answer instanceof Error) throw answer;
    return contentOf(answer);
  };

  const http: HttpFor = (used = UNBOUNDED) => {
    const made: TestHttp = Object.freeze({
      calls,
      on(method: string, url: string | RegExp, answer: Expected["answer"]) {
        expected.push({ method: method.toUpperCase(), url, answer });
        return made;
      },
      ...requests(async (request) => response(await send(request, used))),
    });
    return made;
  };
  return { http, send };
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

function recorded(door: Door, { method, url: address, body, options }: RawRequest): HttpCall {
  options.signal?.throwIfAborted();
  if (/^(?:CONNECT|TRACE)$/.test(method) || !/^[!#$%&'*+.^_`|~\w-]+$/.test(method)) throw new Error(`${method} is no method that can be sent`);
  const { url, headers: added, query } = door.judge(address);
  for (const [name, given] of Object.entries(options.query ?? {})) {
    for (const value of [given].flat()) if (value !== undefined && value !== null) url.searchParams.append(name, String(value));
  }
  const twice = Object.keys(query).find((name) => url.searchParams.has(name));
  if (twice !== undefined) throw new Error(`the parameter ${twice} is set by the manifest: leave it out`);
  const own = lowered(added);
  const given = checkedHeaders(options.headers, (name) => Object.hasOwn(own, name) || door.isOwn(name));
  const { content, type } = sentBody(body, `the body of ${method} ${door.show(url)}`);
  const shown = door.show(url);
  const extra = Object.entries(query).map(([name, value]) => `${encodeURIComponent(name)}=${value}`);
  return {
    method,
    url: extra.length === 0 ? shown : `${shown}${shown.includes("?") ? "&" : "?"}${extra.join("&")}`,
    headers: { ...(type === undefined ? {} : { "content-type": type }), ...given, ...own },
    body: content,
  };
}

/** What a handler may set of a request's headers. */
function checkedHeaders(given: HttpOptions["headers"], isOwn: (name: string) => boolean): Record<string, string> {
  const headers = lowered(given ?? {});
  const all = Object.entries(headers);
  const size = all.reduce((sum, [name, value]) => sum + sizeOf(name) + sizeOf(value), 0);
  if (all.length > MAX_HEADERS || size > MAX_HEADER_BYTES) {
    throw new Error(`a request has at most ${MAX_HEADERS} headers with ${MAX_HEADER_BYTES} bytes in all`);
  }
  for (const [name, value] of all) {
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) throw new Error(`${JSON.stringify(name)} is no name of a header`);
    if (NOT_SETTABLE.has(name) || name.startsWith("x-jackfield-") || isOwn(name)) {
      throw new Error(`the header ${name} is not set by plugins: leave it out`);
    }
    if (/[^\t\x20-\x7e\x80-\uffff]/.test(value)) throw new Error(`the header ${name} has characters that no header may have`);
  }
  return headers;
}

/** A body as a test sees it, with the media type that it has by itself. */
function sentBody(body: unknown, what: string): { content: unknown; type?: string } {
  if (body === undefined || body === null) return { content: null };
  const bounded = (size: number) => {
    if (size > MAX_SENT_BYTES) throw new Error(`the body has ${size} bytes; at most ${MAX_SENT_BYTES} are sent`);
  };
  if (typeof body === "string") {
    bounded(sizeOf(body));
    return { content: body, type: "text/plain; charset=utf-8" };
  }
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) {
    bounded(body.byteLength);
    return { content: body, type: "application/octet-stream" };
  }
  if (body instanceof URLSearchParams) {
    bounded(sizeOf(String(body)));
    return { content: String(body), type: "application/x-www-form-urlencoded; charset=utf-8" };
  }
  const json = toJson(body, what);
  bounded(sizeOf(json));
  return { content: JSON.parse(json) as unknown, type: "application/json" };
}

/** What `work` gives, unless the signal comes first. */
function orAborted<Result>(signal: HttpSignal | undefined, work: Result | Promise<Result>): Result | Promise<Result> {
  if (!(work instanceof Promise) || !(signal instanceof AbortSignal)) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

function isAt(expected: string | RegExp, url: string): boolean {
  if (typeof expected !== "string") return expected.test(url);
  return expected === url || expected === url.split("?", 1)[0];
}

function contentOf({ status = 200, body, headers = {} }: Exclude<HttpAnswer, Error>): Content {
  const isText = typeof body === "string" || body === undefined;
  const type = body instanceof Uint8Array ? "application/octet-stream" : isText ? "text/plain" : "application/json";
  const bytes = body instanceof Uint8Array ? body : new TextEncoder().encode(isText ? (body ?? "") : JSON.stringify(body));
  if (bytes.length > MAX_READ_BYTES) throw new Error(`the answer has more than ${MAX_READ_BYTES} bytes`);
  return { status, headers: { "content-type": type, ...lowered(headers) }, bytes };
}

function response({ status, headers, bytes }: Content): HttpResponse {
  const text = new TextDecoder().decode(bytes);
  const body = isJsonType(headers["content-type"]) ? parse(text) : text;
  return { status, ok: status >= 200 && status < 300, headers, body, text };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** The same headers by lower-case name, without those that have no value. */
export function lowered(headers: Readonly<Record<string, string>> | Headers): Record<string, string> {
  const all = headers instanceof Headers ? [...headers] : Object.entries(headers);
  const given = all.filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(given.map(([name, value]) => [name.toLowerCase(), String(value)]));
}
