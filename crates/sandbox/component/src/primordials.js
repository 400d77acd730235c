// The language as it was before a plugin could change it. What the prelude uses during calls comes from here.
const uncurry = (f) => Function.prototype.call.bind(f);
const getter = (object, key) => uncurry(Object.getOwnPropertyDescriptor(object, key).get);

export const { parse, stringify } = JSON;
export const { assign, create, defineProperty, entries, freeze, getPrototypeOf, hasOwn, keys } = Object;
export const { apply } = Reflect;
export const { isArray } = Array;
export const { isInteger } = Number;
export const ObjectPrototype = Object.prototype;
export const [PlainArray, PlainDate, PlainError, PlainMap, PlainPromise, PlainSet, PlainString, PlainNumber] = [Array, Date, Error, Map, Promise, Set, String, Number];
export const [PlainTypeError, PlainRangeError, Bytes, Buffer] = [TypeError, RangeError, Uint8Array, ArrayBuffer];
export const isView = ArrayBuffer.isView;
export const { floor, max, min } = Math;

export const mapGet = uncurry(Map.prototype.get);
export const mapSet = uncurry(Map.prototype.set);
export const mapDelete = uncurry(Map.prototype.delete);
export const mapForEach = uncurry(Map.prototype.forEach);
export const mapClear = uncurry(Map.prototype.clear);
export const mapSize = getter(Map.prototype, "size");
export const setAdd = uncurry(Set.prototype.add);
export const setDelete = uncurry(Set.prototype.delete);
export const setForEach = uncurry(Set.prototype.forEach);
export const setClear = uncurry(Set.prototype.clear);
export const setHas = uncurry(Set.prototype.has);
export const push = uncurry(Array.prototype.push);
export const shift = uncurry(Array.prototype.shift);
export const join = uncurry(Array.prototype.join);
export const slice = uncurry(String.prototype.slice);
export const lower = uncurry(String.prototype.toLowerCase);
export const upper = uncurry(String.prototype.toUpperCase);
export const startsWith = uncurry(String.prototype.startsWith);
const toWellFormed = uncurry(String.prototype.toWellFormed);
export const then = uncurry(Promise.prototype.then);

/** Any value as text that may cross to the host: one without lone surrogates. */
export const text = (value) => toWellFormed(typeof value === "string" ? value : PlainString(value));

/** A view of a buffer, a buffer or a list of bytes as bytes, or `undefined`. */
export const bytesOf = (value) => {
  if (value instanceof Bytes) return value;
  if (isView(value)) return new Bytes(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof Buffer) return new Bytes(value);
  return undefined;
};
