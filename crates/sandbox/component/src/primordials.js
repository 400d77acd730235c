// The language as it was before a plugin could change it: what decides during a call comes from here. What merely computes for
// the plugin itself (`for … of`, spreading, the methods of URLSearchParams) is looked up when it is used, and after a plugin has
// changed it does what the plugin has made of it, for that plugin alone. An instance whose built-in prototypes a call has changed
// serves no other call (`unchanged.js`).
const uncurry = (f) => Function.prototype.call.bind(f);
const getter = (object, key) => uncurry(Object.getOwnPropertyDescriptor(object, key).get);

export const { parse, stringify } = JSON;
export const { assign, create, defineProperty, entries, freeze, getOwnPropertyDescriptor, getPrototypeOf, hasOwn, keys } = Object;
export const { apply, ownKeys } = Reflect;
export const { isArray } = Array;
export const { isFinite, isInteger } = Number;
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

/** What `object` or its class has under `name`, but not what every object has: that is anybody's who could change it before. */
export const member = (object, name) => {
  if ((typeof object !== "object" && typeof object !== "function") || object === null) return undefined;
  for (let at = object; at && at !== ObjectPrototype; at = getPrototypeOf(at)) {
    if (hasOwn(at, name)) return object[name];
  }
  return undefined;
};

/** A view of a buffer, a buffer or a list of bytes as bytes, or `undefined`. */
export const bytesOf = (value) => {
  if (value instanceof Bytes) return value;
  if (isView(value)) return new Bytes(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof Buffer) return new Bytes(value);
  return undefined;
};
