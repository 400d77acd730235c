// What `fetch`, `ctx.http` and `ctx.platform` have in common: a request as the host takes it.
import { PlainPromise, assign, bytesOf, create, entries, isArray, keys, lower, member, parse, stringify, text, then } from "./primordials.js";
import { ask } from "./host.js";
import { fromBase64, decode, toBase64 } from "./encoding.js";
import { Headers } from "./headers.js";
import { URLSearchParams } from "./url.js";

/** Names in lower case and values as text, without a prototype. */
export const plainHeaders = (given) => {
  const plain = create(null);
  if (given === undefined || given === null) return plain;
  if (given instanceof Headers || typeof member(given, Symbol.iterator) === "function") {
    for (const [name, value] of given) plain[lower(text(name))] = text(value);
  } else {
    const names = keys(given);
    for (let index = 0; index < names.length; index++) {
      const value = given[names[index]];
      if (value !== undefined && value !== null) plain[lower(text(names[index]))] = text(value);
    }
  }
  return plain;
};

/** A body as the host takes it, with the media type that it has by itself. An object that is none of the known kinds is JSON. */
export const bodyOf = (body) => {
  if (body === undefined || body === null) return { content: undefined, type: undefined };
  if (typeof body === "string") return { content: { text: text(body) }, type: "text/plain; charset=utf-8" };
  const bytes = bytesOf(body);
  if (bytes) return { content: { base64: toBase64(bytes) }, type: "application/octet-stream" };
  if (body instanceof URLSearchParams) return { content: { text: body.toString() }, type: "application/x-www-form-urlencoded; charset=utf-8" };
  return { content: { text: stringify(body) }, type: "application/json" };
};

export const request = async (call, operation, target, { method, headers, body, timeout, signal }) => {
  const { content, type } = bodyOf(body);
  const sent = plainHeaders(headers);
  if (type && !sent["content-type"]) sent["content-type"] = type;
  const argument = assign({ method, headers: sent }, target, content && { body: content }, timeout !== undefined && { timeout: +timeout });
  if (!signal) return ask(call, operation, argument);
  signal.throwIfAborted();
  return new PlainPromise((resolve, reject) => {
    const abort = { isAborted: false, now: undefined };
    const stop = () => {
      reject(signal.reason);
      abort.isAborted = true;
      abort.now?.();
    };
    const ended = () => signal.removeEventListener("abort", stop);
    signal.addEventListener("abort", stop);
    const asked = ask(call, operation, argument, abort);
    then(asked, resolve, reject);
    then(asked, ended, ended);
  });
};

const textOfBody = (body) => {
  const base64 = member(body, "base64");
  return base64 === undefined ? (member(body, "text") ?? "") : decode(fromBase64(base64));
};

const isJson = (headers) => {
  const type = lower(text(headers["content-type"] ?? ""));
  return /^application\/(?:[\w.+-]+\+)?json\b/.test(type);
};

/** The answer as `ctx.http` gives it: `{status, ok, headers, body, text}`. */
export const answer = (found) => {
  const headers = plainHeaders(member(found, "headers"));
  const content = textOfBody(member(found, "body"));
  let body = content;
  if (isJson(headers)) {
    try { body = parse(content); } catch { body = content; }
  }
  return { status: found.status, ok: found.status >= 200 && found.status < 300, headers, body, text: content };
};

const withQuery = (url, query) => {
  if (query === undefined || query === null) return url;
  const pairs = query instanceof URLSearchParams ? query : new URLSearchParams(valuesOf(query));
  const added = pairs.toString();
  if (!added) return url;
  const [before, fragment] = cut(url, "#");
  const [path, old] = cut(before, "?");
  return `${path}?${old === undefined || old === "" ? added : `${old}&${added}`}${fragment === undefined ? "" : `#${fragment}`}`;
};
const cut = (value, mark) => {
  const at = value.indexOf(mark);
  return at < 0 ? [value, undefined] : [value.slice(0, at), value.slice(at + 1)];
};
const valuesOf = (query) => {
  if (typeof query !== "object") return query;
  const pairs = [];
  for (const [name, value] of entries(query)) {
    for (const each of isArray(value) ? value : [value]) if (each !== undefined && each !== null) pairs.push([name, each]);
  }
  return pairs;
};

/** `get(url, options)` … `patch(url, body, options)` over `operation`, whose argument names its target as `key`. */
export const methods = (call, operation, key) => {
  const send = async (method, target, body, options) => {
    const url = withQuery(text(target), member(options, "query"));
    const given = { method, headers: member(options, "headers"), body, timeout: member(options, "timeout"), signal: member(options, "signal") };
    return answer(await request(call, operation, { [key]: url }, given));
  };
  const bare = (method) => (target, options) => send(method, target, undefined, options);
  const full = (method) => (target, body, options) => send(method, target, body, options);
  return { get: bare("GET"), delete: bare("DELETE"), post: full("POST"), put: full("PUT"), patch: full("PATCH") };
};
