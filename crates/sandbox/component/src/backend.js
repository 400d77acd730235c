// The backend that a script exports: its handlers, wherever they stand, and what it declares.
import { ObjectPrototype, PlainPromise, getPrototypeOf, isArray, join, member, push, slice, text } from "./primordials.js";
import { Refusal } from "./errors.js";

const LIFECYCLE = ["onInstall", "onUninstall", "onEnable", "onDisable"];
const MOST = 500;
const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

const refuse = (message) => { throw new Refusal("definition", message); };

/** The default export of what the script left. */
export const backendOf = (left) => {
  const found = isObject(left) && left.default !== undefined ? left.default : left;
  if (found instanceof PlainPromise) refuse("the default export is a Promise: export the backend itself");
  if (!isObject(found) || isArray(found)) refuse("the script has no default export that is a backend: export default defineBackendPlugin({ handlers: { … } })");
  return found;
};

const isSpecial = (name) => name === "handlers" || name === "routes" || name === "hooks" || isLifecycle(name);
const isLifecycle = (name) => {
  for (let index = 0; index < LIFECYCLE.length; index++) if (LIFECYCLE[index] === name) return true;
  return false;
};

/** The function of this name and what it is a member of, as `{called, self}`; else `undefined`. */
export const handler = (backend, name) => {
  if (isLifecycle(name) || name === "handlers" || name === "constructor") return undefined;
  const { handlers } = backend;
  const own = isObject(handlers) ? member(handlers, name) : undefined;
  if (typeof own === "function") return { called: own, self: handlers };
  const direct = isSpecial(name) ? undefined : member(backend, name);
  return typeof direct === "function" ? { called: direct, self: backend } : undefined;
};

export const lifecycle = (backend, name) => {
  const found = isLifecycle(name) ? member(backend, name) : undefined;
  return typeof found === "function" ? { called: found, self: backend } : undefined;
};

const functions = (object, names) => {
  for (let at = object; isObject(at) && at !== ObjectPrototype && at !== Function.prototype; at = getPrototypeOf(at)) {
    const own = Object.getOwnPropertyNames(at);
    for (let index = 0; index < own.length && names.length <= MOST; index++) {
      const name = own[index];
      if (name !== "constructor" && !names.includes(name) && typeof object[name] === "function") push(names, name);
    }
  }
  return names;
};

export const handlerNames = (backend) => {
  const direct = typeof backend === "function" ? [] : functions(backend, []).filter((name) => !isSpecial(name));
  return isObject(backend.handlers) ? functions(backend.handlers, direct) : direct;
};

const list = (backend, name, fields) => {
  const given = backend[name];
  if (given === undefined || given === null) return [];
  const shape = `an array of {${join(fields, ", ")}}`;
  if (!isArray(given)) refuse(`\`${name}\` is ${shape}`);
  if (given.length > MOST) refuse(`\`${name}\` has ${given.length} entries: at most ${MOST} are allowed`);
  return given.map((each, index) => entry(each, fields, `${name}[${index}]`));
};

const entry = (given, fields, where) => {
  const made = {};
  for (const field of fields) {
    const value = isObject(given) ? given[field] : undefined;
    if (typeof value !== "string" || value === "") refuse(`\`${where}.${field}\` is a text that is not empty${typeof value === "function" ? ": name a handler, and write the function under `handlers`" : ""}`);
    if (value.length > 1024) refuse(`\`${where}.${field}\` has at most 1024 characters`);
    made[field] = text(value);
  }
  return made;
};

export const definition = (backend) => {
  const handlers = handlerNames(backend);
  if (handlers.length > MOST) refuse(`there are more than ${MOST} handlers`);
  const isLong = handlers.find((name) => name.length > 128);
  if (isLong !== undefined) refuse(`the name of the handler ${slice(isLong, 0, 40)}… has more than 128 characters`);
  return {
    handlers: handlers.map(text),
    routes: list(backend, "routes", ["method", "path", "handler"]),
    hooks: list(backend, "hooks", ["event", "handler"]),
    lifecycle: LIFECYCLE.filter((name) => lifecycle(backend, name)),
  };
};
