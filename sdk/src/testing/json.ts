/** What is left of a value when it has been to the server and back. */

/**
 * A copy of `value` as JSON carries it.
 *
 * @throws TypeError if JSON cannot hold it: undefined, a function, a BigInt, a circle.
 */
export function throughJson<T>(value: T, what: string): T {
  return JSON.parse(toJson(value, what)) as T;
}

/** `value` as JSON text; throws as {@link throughJson}. */
export function toJson(value: unknown, what: string): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new TypeError(`${what} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (text === undefined) throw new TypeError(`${what} is ${typeof value}, which JSON cannot hold`);
  return text;
}

/** Whether a media type is one of JSON. */
export function isJsonType(type: string | undefined): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type ?? "");
}

/** Bytes of `text` as UTF-8. */
export function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Whether two JSON values say the same; the order of an object's members does not matter. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, at) => sameJson(item, b[at]));
  }
  const keys = Object.keys(a);
  const get = (from: object, key: string) => (from as Record<string, unknown>)[key];
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(get(a, key), get(b, key)));
}
