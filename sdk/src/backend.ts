/** A plugin's own backend, as its components call it. */
import { JackfieldRequestError, refusal } from "./client.js";
import type { BackendRequestOptions, PluginBackend } from "./types.js";

/** Calls through `send`, which is bound to the plugin's address, and actions through `act`. */
export function createBackend(
  send: (path: string, init: RequestInit) => Promise<Response>,
  act: (action: string, parameters: object) => Promise<unknown>,
): PluginBackend {
  const ask = async <Answer>(method: string, path: string, body: unknown, options: BackendRequestOptions = {}): Promise<Answer> => {
    const headers: Record<string, string> = { accept: "application/json", ...options.headers };
    const init: RequestInit = { method, headers };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      headers["content-type"] = "application/json";
    }
    if (options.signal !== undefined) init.signal = options.signal;
    const response = await send(withQuery(path, options.query), init);
    if (!response.ok) throw await refusal(response);
    return (await content(response)) as Answer;
  };
  return {
    get: (path, options) => ask("GET", path, undefined, options),
    post: (path, body, options) => ask("POST", path, body, options),
    put: (path, body, options) => ask("PUT", path, body, options),
    patch: (path, body, options) => ask("PATCH", path, body, options),
    delete: (path, options) => ask("DELETE", path, undefined, options),
    action: <Answer>(name: string, parameters: object = {}) => act(name, parameters) as Promise<Answer>,
  };
}

function withQuery(path: string, query: BackendRequestOptions["query"] = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  if (given.length === 0) return path;
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `${path}${path.includes("?") ? "&" : "?"}${text}`;
}

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/** JSON as what it says, other text as text, and null for nothing. */
async function content(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === "") return null;
  if (!JSON_TYPE.test(response.headers.get("content-type") ?? "")) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const message = "the plugin's answer says that it is JSON, and is not";
    throw new JackfieldRequestError(message, response.status, "", [], text);
  }
}
