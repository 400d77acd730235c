// What a plugin threw, as JSON, whatever it was.
import { PlainString, slice, stringify, text } from "./primordials.js";
import { inspect } from "./inspect.js";

const MAX_MESSAGE = 2048;
const MAX_STACK = 8192;

/** An error of the prelude's own making, told to the host by its kind. */
export class Refusal {
  constructor(kind, message) {
    this.kind = kind;
    this.message = message;
  }
}

const field = (value, name, limit) => {
  try {
    const found = value[name];
    return found === undefined || found === null ? "" : slice(text(PlainString(found)), 0, limit);
  } catch {
    return "";
  }
};

const isError = (value) => {
  try {
    return typeof value === "object" && value !== null && ("stack" in value || "message" in value);
  } catch {
    return false;
  }
};

export const describe = (value) => {
  if (value instanceof Refusal) return stringify({ kind: value.kind, name: "", message: slice(text(value.message), 0, MAX_MESSAGE), stack: "" });
  if (isError(value)) {
    return stringify({ kind: "threw", name: field(value, "name", 128) || "Error", message: field(value, "message", MAX_MESSAGE), stack: field(value, "stack", MAX_STACK) });
  }
  const message = typeof value === "string" ? text(value) : inspect(value);
  return stringify({ kind: "threw", name: "", message: slice(message, 0, MAX_MESSAGE), stack: "" });
};
