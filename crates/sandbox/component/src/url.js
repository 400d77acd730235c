// URL and URLSearchParams (https://url.spec.whatwg.org) over the host's parser.
import { PlainTypeError, entries, isArray, member, parse, push, slice, startsWith, stringify, text } from "./primordials.js";
import { formParse, formSerialize, urlParse, urlSet } from "./tools.js";

const PARTS = ["protocol", "username", "password", "host", "hostname", "port", "pathname", "hash"];

const pairsOf = (init) => {
  if (init === undefined || init === null) return [];
  if (typeof init !== "object") {
    const query = text(init);
    return parse(formParse(startsWith(query, "?") ? slice(query, 1) : query));
  }
  const pairs = [];
  for (const pair of member(init, Symbol.iterator) ? init : entries(init)) {
    if (!isArray(pair) || pair.length !== 2) throw new PlainTypeError("URLSearchParams takes pairs of a name and a value");
    push(pairs, [text(pair[0]), text(pair[1])]);
  }
  return pairs;
};

export class URLSearchParams {
  #pairs;
  #changed = null;

  constructor(init) {
    this.#pairs = pairsOf(init);
  }

  static of(query, changed) {
    const made = new URLSearchParams(query);
    made.#changed = changed;
    return made;
  }

  static refill(params, query) {
    params.#pairs = pairsOf(query);
  }

  #update(pairs) {
    this.#pairs = pairs;
    this.#changed?.(this.toString());
  }

  get size() { return this.#pairs.length; }
  append(name, value) { this.#update([...this.#pairs, [text(name), text(value)]]); }
  delete(name, value) { this.#update(this.#pairs.filter((pair) => pair[0] !== text(name) || (value !== undefined && pair[1] !== text(value)))); }
  get(name) { return this.#pairs.find((pair) => pair[0] === text(name))?.[1] ?? null; }
  getAll(name) { return this.#pairs.filter((pair) => pair[0] === text(name)).map((pair) => pair[1]); }
  has(name, value) { return this.#pairs.some((pair) => pair[0] === text(name) && (value === undefined || pair[1] === text(value))); }
  set(name, value) {
    const [key, pairs] = [text(name), []];
    let isSet = false;
    for (const pair of this.#pairs) {
      if (pair[0] !== key) pairs.push(pair);
      else if (!isSet) isSet = pairs.push([key, text(value)]) > 0;
    }
    this.#update(isSet ? pairs : [...pairs, [key, text(value)]]);
  }
  sort() { this.#update([...this.#pairs].sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))); }
  forEach(callback, self) { for (const [name, value] of this.#pairs) callback.call(self, value, name, this); }
  *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
  *keys() { for (const [name] of this.#pairs) yield name; }
  *values() { for (const [, value] of this.#pairs) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return formSerialize(stringify(this.#pairs)); }
}

export class URL {
  #parts;
  #query;

  constructor(url, base) {
    const found = urlParse(text(url), base === undefined ? null : text(base));
    if (found === null || found === undefined) throw new PlainTypeError(`Invalid URL: ${slice(text(url), 0, 200)}`);
    this.#parts = parse(found);
    this.#query = URLSearchParams.of(this.#parts.search, (query) => this.#set("search", query));
  }

  static canParse(url, base) { return URL.parse(url, base) !== null; }
  static parse(url, base) {
    try { return new URL(url, base); } catch { return null; }
  }
  /** Sets one of the parts; what is no value for it changes nothing. */
  static put(url, part, value) {
    url.#set(part, text(value));
    if (part === "search" || part === "href") URLSearchParams.refill(url.#query, url.#parts.search);
  }
  static part(url, part) { return url.#parts[part]; }

  #set(part, value) {
    const found = urlSet(this.#parts.href, part, value);
    if (found !== null && found !== undefined) this.#parts = parse(found);
    else if (part === "href") throw new PlainTypeError(`Invalid URL: ${slice(value, 0, 200)}`);
  }

  get origin() { return this.#parts.origin; }
  get searchParams() { return this.#query; }
  toString() { return this.#parts.href; }
  toJSON() { return this.#parts.href; }
}

const { part, put } = URL;
for (const name of ["href", "search", ...PARTS]) {
  Object.defineProperty(URL.prototype, name, {
    get() { return part(this, name); },
    set(value) { put(this, name, value); },
    enumerable: true,
    configurable: true,
  });
}
delete URL.part;
delete URL.put;
