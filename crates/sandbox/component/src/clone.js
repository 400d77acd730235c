// structuredClone (https://html.spec.whatwg.org/multipage/structured-data.html) of what exists here.
import { Buffer, PlainArray, PlainDate, PlainError, PlainMap, PlainSet, getPrototypeOf, hasOwn, isArray, isView, keys, mapForEach, mapGet, mapSet, setAdd, setForEach } from "./primordials.js";
import { DOMException } from "./exception.js";

const ERRORS = new Map([Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((each) => [each.prototype, each]));
const { RegExp, DataView } = globalThis;
const sliceBuffer = Function.prototype.call.bind(ArrayBuffer.prototype.slice);
const WRAPPERS = [Boolean, Number, String, BigInt];
const toObject = Object;

const refuse = (what) => { throw new DOMException(`${what} cannot be cloned`, "DataCloneError"); };

export const structuredClone = (value) => clone(value, new PlainMap());

const clone = (value, seen) => {
  if (typeof value === "function" || typeof value === "symbol") refuse(`a ${typeof value}`);
  if (typeof value !== "object" || value === null) return value;
  const known = mapGet(seen, value);
  if (known) return known;
  const note = (made) => (mapSet(seen, value, made), made);
  if (isArray(value)) return copyInto(note(new PlainArray(value.length)), value, seen);
  if (value instanceof PlainDate) return note(new PlainDate(+value));
  if (value instanceof RegExp) return note(new RegExp(value.source, value.flags));
  if (value instanceof Buffer) return note(sliceBuffer(value, 0));
  if (isView(value)) return note(copyView(value, seen));
  if (value instanceof PlainMap) return copyMap(note(new PlainMap()), value, seen);
  if (value instanceof PlainSet) return copySet(note(new PlainSet()), value, seen);
  if (value instanceof PlainError) return copyError(value, note, seen);
  for (const wrapper of WRAPPERS) if (value instanceof wrapper) return note(toObject(value.valueOf()));
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) refuse("a Promise or a weak collection");
  return copyInto(note({}), value, seen);
};

const copyInto = (made, value, seen) => {
  for (const key of keys(value)) {
    Object.defineProperty(made, key, { value: clone(value[key], seen), writable: true, enumerable: true, configurable: true });
  }
  return made;
};

const copyView = (value, seen) => {
  const buffer = clone(value.buffer, seen);
  if (value instanceof DataView) return new DataView(buffer, value.byteOffset, value.byteLength);
  return new value.constructor(buffer, value.byteOffset, value.length);
};

const copyMap = (made, value, seen) => {
  mapForEach(value, (each, key) => mapSet(made, clone(key, seen), clone(each, seen)));
  return made;
};

const copySet = (made, value, seen) => {
  setForEach(value, (each) => setAdd(made, clone(each, seen)));
  return made;
};

const copyError = (value, note, seen) => {
  let prototype = getPrototypeOf(value);
  while (prototype && !mapGet(ERRORS, prototype)) prototype = getPrototypeOf(prototype);
  const made = note(new (mapGet(ERRORS, prototype) ?? PlainError)(value.message));
  for (const key of ["stack", "cause"]) {
    if (hasOwn(value, key)) Object.defineProperty(made, key, { value: clone(value[key], seen), writable: true, configurable: true });
  }
  return made;
};
