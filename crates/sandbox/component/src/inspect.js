// Values as text for the log, whatever they are.
import { PlainDate, PlainError, PlainMap, PlainSet, PlainString, getPrototypeOf, isArray, isView, join, keys, mapForEach, push, setForEach, slice, stringify, text } from "./primordials.js";

const MAX_LENGTH = 16384;
const MAX_DEPTH = 6;
const MAX_ENTRIES = 200;

/** The arguments of `console.log` as one line. */
export const line = (values) => {
  const parts = [];
  for (let index = 0; index < values.length && index < MAX_ENTRIES; index++) {
    push(parts, typeof values[index] === "string" ? values[index] : inspect(values[index]));
  }
  return text(slice(join(parts, " "), 0, MAX_LENGTH));
};

/** JSON where it is that, and else what a reader needs to know. */
export const inspect = (value) => {
  try {
    return show(value, [], { left: MAX_ENTRIES });
  } catch {
    return "[a value that cannot be shown]";
  }
};

const show = (value, above, budget) => {
  switch (typeof value) {
    case "string": return stringify(slice(value, 0, MAX_LENGTH));
    case "bigint": return `${value}n`;
    case "function": return `[Function ${value.name || "(anonymous)"}]`;
    case "object": return value === null ? "null" : showObject(value, above, budget);
    default: return PlainString(value);
  }
};

const showObject = (value, above, budget) => {
  if (value instanceof PlainError) return above.length ? `[${value}]` : `${value}${value.stack ? `\n${value.stack}` : ""}`;
  for (let index = 0; index < above.length; index++) if (above[index] === value) return "[Circular]";
  if (above.length >= MAX_DEPTH || budget.left <= 0) return isArray(value) ? "[Array]" : "[Object]";
  if (value instanceof PlainDate) return stringify(value);
  push(above, value);
  const shown = contents(value, above, budget);
  above.length--;
  return shown;
};

const contents = (value, above, budget) => {
  const parts = [];
  const add = (prefix, each) => {
    if (budget.left-- > 0) push(parts, prefix + show(each, above, budget));
    else if (budget.left === -1) push(parts, "…");
  };
  if (isArray(value) || isView(value)) {
    for (let index = 0; index < value.length && budget.left >= 0; index++) add("", value[index]);
    return `[${join(parts, ",")}]`;
  }
  if (value instanceof PlainMap) {
    mapForEach(value, (each, key) => add(`${show(key, above, budget)} => `, each));
    return `Map {${join(parts, ",")}}`;
  }
  if (value instanceof PlainSet) {
    setForEach(value, (each) => add("", each));
    return `Set {${join(parts, ",")}}`;
  }
  const names = keys(value);
  for (let index = 0; index < names.length && budget.left >= 0; index++) add(`${stringify(names[index])}:`, value[names[index]]);
  const name = getPrototypeOf(value)?.constructor?.name;
  return `${typeof name === "string" && name !== "Object" ? `${name} ` : ""}{${join(parts, ",")}}`;
};
