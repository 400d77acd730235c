/** What the server makes of a handler's result. */
import { forCallers } from "./headers.js";
import { lowered } from "./http.js";
import { isJsonType, sizeOf, toJson } from "./json.js";

/** The most bytes of an answer as the sandbox hands it over: JSON, with bytes in base64. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** What the caller gets. */
export interface TestAnswer<Body = any> {
  readonly status: number;
  /** By lower-case name, without those that the server leaves out. */
  readonly headers: Readonly<Record<string, string>>;
  /** Text, bytes, or what JSON carries. */
  readonly body: Body;
}

/** The answer to a caller. @throws Error for what the server takes for a fault of the plugin. */
export async function normalised(result: unknown): Promise<TestAnswer> {
  if (result === undefined) throw new Error("the handler returned nothing: return a value, or {status, body, headers}");
  if (result instanceof Response) {
    const bytes = new Uint8Array(await result.arrayBuffer());
    const headers = lowered(result.headers);
    const text = textOf(bytes);
    return answer(result.status, headers, bytes.length === 0 ? null : (text ?? bytes), isJsonType(headers["content-type"]));
  }
  if (result === null) return { status: 200, headers: { "content-type": "application/json" }, body: null };
  if (!isResponse(result)) return answer(200, {}, result);
  return answer(result.status, lowered(result.headers ?? {}), result.body ?? null);
}

function answer(status: number, given: Record<string, string>, body: unknown, isJsonText = false): TestAnswer {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new Error(`a response's status is a whole number from 200 to 599, not ${status}`);
  }
  const { type, wire, value } = content(body);
  const size = sizeOf(JSON.stringify({ status, headers: given })) + sizeOf(wire);
  if (size > MAX_ANSWER_BYTES) {
    throw new Error(`the handler's answer has ${size} bytes as JSON, with bytes in base64; at most ${MAX_ANSWER_BYTES} are allowed`);
  }
  const headers = forCallers({ ...(type === undefined ? {} : { "content-type": type }), ...given });
  return { status, headers, body: isJsonText && typeof value === "string" ? (JSON.parse(value) as unknown) : value };
}

/** A body, its media type by itself, and as it is handed over. */
function content(body: unknown): { type?: string; wire: string; value: unknown } {
  if (body === null) return { wire: "", value: null };
  if (typeof body === "string") return { type: "text/plain; charset=utf-8", wire: `,"body":{"text":${JSON.stringify(body)}}`, value: body };
  if (body instanceof Uint8Array) {
    return { type: "application/octet-stream", wire: `,"body":{"base64":"${"=".repeat(Math.ceil(body.length / 3) * 4)}"}`, value: body };
  }
  const json = toJson(body, "what the handler returned");
  return { type: "application/json", wire: `,"body":{"json":${json}}`, value: JSON.parse(json) as unknown };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function isResponse(value: unknown): value is { status: number; body?: unknown; headers?: Record<string, string> } {
  if (typeof value !== "object" || value === null || typeof (value as { status?: unknown }).status !== "number") return false;
  return Object.keys(value).every((key) => key === "status" || key === "body" || key === "headers");
}
