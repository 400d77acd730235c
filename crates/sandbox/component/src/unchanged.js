// Whether a call has left the language's own prototypes as it found them: what one user's request has put there, the next one's
// would find.
import { getOwnPropertyDescriptor, hasOwn, ownKeys, push } from "./primordials.js";
import { taint } from "./host.js";

const WATCHED = [Object, Array, Function, Promise, String, Number, Map, Set, RegExp, Error].map((each) => each.prototype);
let known = [];

const read = (prototype) => {
  const names = ownKeys(prototype);
  const values = [];
  for (let index = 0; index < names.length; index++) {
    const found = getOwnPropertyDescriptor(prototype, names[index]);
    // Reading an accessor would call it.
    if (hasOwn(found, "value")) push(values, { name: names[index], value: found.value });
  }
  return { prototype, count: names.length, values };
};

const isAsBefore = ({ prototype, count, values }) => {
  if (ownKeys(prototype).length !== count) return false;
  for (let index = 0; index < values.length; index++) if (prototype[values[index].name] !== values[index].value) return false;
  return true;
};

/** Remembers the prototypes as the script has left them when it was loaded. */
export const remember = () => {
  known = [];
  for (let index = 0; index < WATCHED.length; index++) push(known, read(WATCHED[index]));
};

/** Tells the host if any is not as it was. */
export const compare = () => {
  try {
    for (let index = 0; index < known.length; index++) if (!isAsBefore(known[index])) return taint();
  } catch {
    taint();
  }
};
