// What a handler gets as `ctx`: made anew for each call and frozen, so that nothing of one call reaches the next.
import { PlainRangeError, freeze, hasOwn, isFinite, keys, member, parse, push, text } from "./primordials.js";
import { ask, log } from "./host.js";
import { line } from "./inspect.js";
import { methods } from "./http.js";

const MOST_KEYS = 10000;
const LEVELS = ["debug", "info", "warn", "error"];

/** A number as JSON has it: what is none would be written as null. */
const number = (value, what) => {
  if (typeof value !== "number" || !isFinite(value)) throw new PlainRangeError(`${what} is a finite number`);
  return value;
};

const ttlOf = (options) => {
  const ttl = member(options, "ttl");
  return ttl === undefined || ttl === null ? undefined : number(ttl, "ttl");
};

const storage = (call) => ({
  get: (key) => ask(call, "storage.get", { key: text(key) }),
  set: async (key, value, options) => ask(call, "storage.set", { key: text(key), value: value === undefined ? null : value, ttl: ttlOf(options) }),
  delete: (key) => ask(call, "storage.delete", { key: text(key) }),
  list: async (prefix = "") => {
    const all = [];
    let after;
    do {
      const page = await ask(call, "storage.list", { prefix: text(prefix), limit: MOST_KEYS - all.length, after });
      for (let index = 0; index < page.keys.length; index++) push(all, page.keys[index]);
      after = page.keys.length ? member(page, "next") : undefined;
    } while (after !== undefined && after !== null && all.length < MOST_KEYS);
    return all;
  },
  increment: async (key, by = 1) => ask(call, "storage.increment", { key: text(key), by: number(by, "what is added") }),
  compareAndSet: (key, expected, value) =>
    ask(call, "storage.compareAndSet", { key: text(key), expected: expected === undefined ? null : expected, value: value === undefined ? null : value }),
});

const connection = (call, connector, user) => {
  const run = (operation, values = {}) => ask(call, "connections.call", { connector, operation, user, arguments: values });
  return freeze({
    call: run,
    list: (filters) => run("list", filters),
    item: (id) => run("get", { id }),
    create: (body) => run("create", { body }),
    update: (id, body) => run("update", { id, body }),
    delete: (id) => run("delete", { id }),
    search: (query, filters) => run("search", { ...filters, query }),
  });
};

const logger = () => {
  const made = {};
  for (let index = 0; index < LEVELS.length; index++) {
    const level = LEVELS[index];
    made[level] = (message, fields) => log(level, line(fields === undefined ? [message] : [message, fields]));
  }
  return made;
};

/** `given` is the host's `{tenantId, pluginId, version, config, …}`. */
export const context = (call, given) => {
  const ctx = {
    http: freeze(methods(call, "http.request", "url")),
    platform: freeze(methods(call, "platform.request", "path")),
    secrets: freeze({ get: (name) => ask(call, "secrets.get", { name: text(name) }) }),
    storage: freeze(storage(call)),
    events: freeze({
      emit: (type, data, options) =>
        ask(call, "events.emit", {
          type: text(type),
          data: data === undefined ? null : data,
          subject: member(options, "subject"),
          key: member(options, "key"),
        }),
    }),
    connections: freeze({ get: (connector, options) => connection(call, text(connector), member(options, "user")) }),
    logger: freeze(logger()),
  };
  const known = parse(given);
  const names = keys(known);
  for (let index = 0; index < names.length; index++) {
    if (!hasOwn(ctx, names[index])) ctx[names[index]] = deepFreeze(known[names[index]]);
  }
  return freeze(ctx);
};

const deepFreeze = (value) => {
  if (typeof value !== "object" || value === null) return value;
  const names = keys(value);
  for (let index = 0; index < names.length; index++) deepFreeze(value[names[index]]);
  return freeze(value);
};

export const consoleOf = () => {
  const made = {};
  for (const [name, level] of [["debug", "debug"], ["trace", "debug"], ["log", "info"], ["info", "info"], ["dir", "info"], ["warn", "warn"], ["error", "error"]]) {
    made[name] = (...values) => log(level, line(values));
  }
  made.assert = (holds, ...values) => { if (!holds) log("error", line(["assertion failed", ...values])); };
  return made;
};
