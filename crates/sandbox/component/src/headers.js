// Headers (https://fetch.spec.whatwg.org/#headers-class).
import { PlainMap, PlainTypeError, lower, member, slice, text } from "./primordials.js";

const NAME = /^[!#$%&'*+.^_`|~\w-]+$/;
const VALUE = /[\0\r\n]/;
const { entries } = Object;

const checkedName = (name) => {
  const found = lower(text(name));
  if (!NAME.test(found)) throw new PlainTypeError(`"${slice(found, 0, 60)}" is not the name of a header`);
  return found;
};
const checkedValue = (value) => {
  const found = text(value).trim();
  if (VALUE.test(found)) throw new PlainTypeError("a header's value has no line breaks");
  return found;
};

export class Headers {
  #values = new PlainMap();

  constructor(init) {
    if (init === undefined || init === null) return;
    for (const [name, value] of typeof member(init, Symbol.iterator) === "function" ? init : entries(init)) this.append(name, value);
  }
  append(name, value) {
    const old = this.get(name);
    this.set(name, old === null ? value : `${old}, ${checkedValue(value)}`);
  }
  delete(name) { this.#values.delete(checkedName(name)); }
  get(name) { return this.#values.get(checkedName(name)) ?? null; }
  has(name) { return this.#values.has(checkedName(name)); }
  set(name, value) { this.#values.set(checkedName(name), checkedValue(value)); }
  forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }
  *entries() { yield* [...this.#values].sort((a, b) => (a[0] < b[0] ? -1 : 1)); }
  *keys() { for (const [name] of this) yield name; }
  *values() { for (const [, value] of this) yield value; }
  [Symbol.iterator]() { return this.entries(); }
}
