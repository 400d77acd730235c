// What a plugin threw, as JSON, whatever it was.
import { PlainString, assign, create, slice, stringify, text } from "./primordials.js";
import { inspect } from "./inspect.js";

const MAX_MESSAGE = 2048;
const MAX_STACK = 8192;

/** An error of the prelude's own making, told to the host by its kind. */
export class Refusal {
  // Its own before they are set, so that no setter of every object's is called.
  kind;
  message;
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

/** Without a prototype, whose `toJSON` would be asked. */
const told = (kind, name, message, stack) => stringify(assign(create(null), { kind, name, message: slice(message, 0, MAX_MESSAGE), stack }));

const tell = (value) => {
  if (value instanceof Refusal) return told(value.kind, "", text(value.message), "");
  if (isError(value)) return told("threw", field(value, "name", 128) || "Error", field(value, "message", MAX_MESSAGE), field(value, "stack", MAX_STACK));
  return told("threw", "", typeof value === "string" ? text(value) : text(inspect(value)), "");
};

export const describe = (value) => {
  try {
    return tell(value);
  } catch {
    return told("threw", "", "[a value that cannot be shown]", "");
  }
};
