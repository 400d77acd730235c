/** Storage in memory, with the server's bounds. */
import type { PluginStorage } from "../server/context.js";
import { sameJson, sizeOf, toJson } from "./json.js";

const MAX_KEY_BYTES = 256;
const MAX_VALUE_BYTES = 256 * 1024;
/** Ten years, in seconds. */
const MAX_TTL = 10 * 366 * 24 * 3600;
const MAX_KEYS = 10_000;
const MAX_BYTES = 10 * 1024 * 1024;

/** The storage of a test. */
export interface TestStorage extends PluginStorage {
  /** What is kept now, by key. */
  entries(): Record<string, unknown>;
}

interface Entry {
  json: string;
  /** Milliseconds since 1970; never if absent. */
  expires?: number;
}

/** Storage that holds `initial`, and forgets by the clock `now` (milliseconds since 1970). */
export function createStorage(initial: Readonly<Record<string, unknown>>, now: () => number): TestStorage {
  const kept = new Map<string, Entry>();

  let used = 0;

  const live = (key: string): Entry | undefined => {
    const entry = kept.get(key);
    if (entry?.expires === undefined || entry.expires > now()) return entry;
    forget(key, entry);
    return undefined;
  };
  const forget = (key: string, entry: Entry): boolean => {
    used -= sizeOf(key) + sizeOf(entry.json);
    return kept.delete(key);
  };
  const read = (key: string): unknown => {
    const entry = live(key);
    return entry === undefined ? null : (JSON.parse(entry.json) as unknown);
  };
  const keys = (): string[] => [...kept.keys()].filter((key) => live(key) !== undefined).sort();
  const write = (key: string, value: unknown, expires?: number): void => {
    const json = toJson(value, `the value of "${key}"`);
    const size = sizeOf(json);
    if (size > MAX_VALUE_BYTES) {
      throw new Error(`the value has ${size} bytes as JSON; one value may have at most ${MAX_VALUE_BYTES}: keep it in parts`);
    }
    const before = live(key);
    const full = () => before === undefined && kept.size >= MAX_KEYS;
    const after = () => used + sizeOf(key) + size - (before === undefined ? 0 : sizeOf(key) + sizeOf(before.json));
    // What has expired does not count.
    if (full() || after() > MAX_BYTES) keys();
    // What makes less of it is always let through.
    if ((full() || after() > MAX_BYTES) && after() >= used) {
      const room = `this plugin may keep ${MAX_KEYS} values and ${MAX_BYTES} bytes here`;
      throw new Error(`there is no room for it: ${room}: delete some, or give them a ttl`);
    }
    used = after();
    kept.set(key, expires === undefined ? { json } : { json, expires });
  };

  const storage: TestStorage = {
    get: async <Value>(key: string) => read(checked(key)) as Value | null,
    async set(key, value, options) {
      const ttl = options?.ttl;
      if (ttl !== undefined && !(Number.isInteger(ttl) && ttl >= 1 && ttl <= MAX_TTL)) {
        throw new Error(`ttl is a number of seconds from 1 to ${MAX_TTL}`);
      }
      write(checked(key), value ?? null, ttl === undefined ? undefined : now() + ttl * 1000);
    },
    async delete(key) {
      const entry = live(checked(key));
      return entry !== undefined && forget(key, entry);
    },
    list: async (prefix = "") => keys().filter((key) => key.startsWith(prefix)),
    async increment(key, by = 1) {
      const before = read(checked(key)) ?? 0;
      if (typeof before !== "number") throw new Error("what is kept under this key is no number, so it cannot be incremented");
      if (!Number.isFinite(by)) throw new Error("by is a number");
      const sum = before + by;
      const isExact = !Number.isInteger(before) || !Number.isInteger(by) || Number.isSafeInteger(sum);
      if (!isExact || !Number.isFinite(sum)) throw new Error("the sum is beyond the numbers that JavaScript tells apart");
      write(key, sum, kept.get(key)?.expires);
      return sum;
    },
    async compareAndSet(key, expected, value) {
      if (!sameJson(read(checked(key)), expected ?? null)) return false;
      write(key, value ?? null);
      return true;
    },
    entries: () => Object.fromEntries(keys().map((key) => [key, read(key)])),
  };
  for (const [key, value] of Object.entries(initial)) write(checked(key), value);
  return Object.freeze(storage);
}

function checked(key: string): string {
  if (typeof key === "string" && key !== "" && sizeOf(key) <= MAX_KEY_BYTES) return key;
  throw new Error(`a key is a text of 1 to ${MAX_KEY_BYTES} bytes`);
}
