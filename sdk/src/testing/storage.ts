/** Storage in memory, with the server's bounds. */
import type { PluginStorage } from "../server/context.js";
import { sameJson, sizeOf, toJson } from "./json.js";
import { UNBOUNDED, type Used } from "./limits.js";

const MAX_KEY_BYTES = 256;
const MAX_VALUE_BYTES = 256 * 1024;
/** Ten years, in seconds. */
const MAX_TTL = 10 * 366 * 24 * 3600;
const MAX_DEPTH = 127;
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
  expires?: number | undefined;
}

/** The same values, for whom they are counted. */
export type StorageFor = (used: Used) => TestStorage;

/** Storage that holds `initial`, and forgets by the clock `now` (milliseconds since 1970). */
export function createStorage(initial: Readonly<Record<string, unknown>>, now: () => number): StorageFor {
  const kept = new Kept(now);
  for (const [key, value] of Object.entries(initial)) kept.write(checkedKey(key), checkedValue(key, value));
  return (used = UNBOUNDED) => storage(kept, used, now);
}

function storage(kept: Kept, used: Used, now: () => number): TestStorage {
  const counted = <Result>(work: () => Result): Promise<Result> =>
    new Promise((resolve) => {
      used.count("operations of storage");
      resolve(work());
    });
  const at = <Result>(key: string, work: (key: string) => Result) => counted(() => work(checkedKey(key)));
  return Object.freeze<TestStorage>({
    get: <Value>(key: string) => at(key, (key) => kept.read(key) as Value | null),
    set: (key, value, options) => at(key, (key) => kept.write(key, checkedValue(key, value), endOf(options?.ttl, now))),
    delete: (key) => at(key, (key) => kept.delete(key)),
    list: (prefix = "") => counted(() => kept.keys().filter((key) => key.startsWith(checkedPrefix(prefix)))),
    increment: (key, by = 1) =>
      at(key, (key) => {
        const before = kept.live(key);
        const sum = added(before === undefined ? 0 : (JSON.parse(before.json) as unknown), by);
        kept.write(key, String(sum), before?.expires);
        return sum;
      }),
    compareAndSet: (key, expected, value) =>
      at(key, (key) => {
        const json = checkedValue(key, value);
        if (!sameJson(kept.read(key), expected ?? null)) return false;
        kept.write(key, json);
        return true;
      }),
    entries: () => Object.fromEntries(kept.keys().map((key) => [key, kept.read(key)])),
  });
}

/** The values, and how much they take. */
class Kept {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  #used = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry?.expires === undefined || entry.expires > this.#now()) return entry;
    this.#forget(key, entry);
    return undefined;
  }

  read(key: string): unknown {
    const entry = this.live(key);
    return entry === undefined ? null : (JSON.parse(entry.json) as unknown);
  }

  keys(): string[] {
    return [...this.#entries.keys()].filter((key) => this.live(key) !== undefined).sort();
  }

  delete(key: string): boolean {
    const entry = this.live(key);
    return entry !== undefined && this.#forget(key, entry);
  }

  write(key: string, json: string, expires?: number): void {
    const before = this.live(key);
    const size = sizeOf(key) + sizeOf(json);
    const full = () => before === undefined && this.#entries.size >= MAX_KEYS;
    const after = () => this.#used + size - (before === undefined ? 0 : sizeOf(key) + sizeOf(before.json));
    // What has expired does not count.
    if (full() || after() > MAX_BYTES) this.keys();
    // What makes less of it is always let through.
    if ((full() || after() > MAX_BYTES) && after() >= this.#used) {
      const room = `this plugin may keep ${MAX_KEYS} values and ${MAX_BYTES} bytes here`;
      throw new Error(`there is no room for it: ${room}: delete some, or give them a ttl`);
    }
    this.#used = after();
    this.#entries.set(key, { json, expires });
  }

  #forget(key: string, entry: Entry): boolean {
    this.#used -= sizeOf(key) + sizeOf(entry.json);
    return this.#entries.delete(key);
  }
}

function added(before: unknown, by: number): number {
  if (typeof by !== "number" || !Number.isFinite(by)) throw new RangeError("by is a number");
  if (typeof before !== "number") throw new Error("what is kept under this key is no number, so it cannot be incremented");
  const sum = before + by;
  if (Number.isInteger(sum) ? Number.isSafeInteger(sum) : Number.isFinite(sum)) return sum;
  throw new Error("the sum is beyond the numbers that JavaScript tells apart");
}

/** When a value ends, after whole seconds, rounded up. */
function endOf(ttl: number | undefined, now: () => number): number | undefined {
  if (ttl === undefined || ttl === null) return undefined;
  const seconds = Math.ceil(ttl);
  if (typeof ttl === "number" && seconds >= 1 && seconds <= MAX_TTL) return now() + seconds * 1000;
  throw new RangeError(`ttl is a number of seconds from 1 to ${MAX_TTL}`);
}

function checkedKey(key: string): string {
  const text = String(key);
  if (text !== "" && sizeOf(text) <= MAX_KEY_BYTES) return text;
  throw new Error(`a key is a text of 1 to ${MAX_KEY_BYTES} bytes`);
}

function checkedPrefix(prefix: string): string {
  const text = String(prefix);
  if (sizeOf(text) <= MAX_KEY_BYTES) return text;
  throw new Error(`a prefix has at most ${MAX_KEY_BYTES} bytes`);
}

function canBeKept(value: unknown, depth: number): boolean {
  if (typeof value === "string") return !/\p{Surrogate}/u.test(value);
  if (typeof value !== "object" || value === null) return true;
  return depth < MAX_DEPTH && Object.entries(value).every(([name, each]) => canBeKept(name, depth) && canBeKept(each, depth + 1));
}

function checkedValue(key: string, value: unknown): string {
  const json = toJson(value ?? null, `the value of "${key}"`);
  if (!canBeKept(JSON.parse(json), 0)) {
    throw new Error(`the value is no JSON that can be kept: it nests at most ${MAX_DEPTH} deep, and its texts are whole UTF-16`);
  }
  const size = sizeOf(json);
  if (size <= MAX_VALUE_BYTES) return json;
  throw new Error(`the value has ${size} bytes as JSON; one value may have at most ${MAX_VALUE_BYTES}: keep it in parts`);
}
