// Timers, which end with the call that set them.
import { PlainMap, PlainTypeError, apply, floor, mapClear, mapDelete, mapGet, mapSet, max, min } from "./primordials.js";
import { log, pause, withinCall } from "./host.js";
import { inspect } from "./inspect.js";

const LONGEST = 2 ** 31 - 1;
const timers = new PlainMap();
let next = 1;

const run = async (id, callback, milliseconds, values, repeats) => {
  try {
    do {
      const { passed, giveUp } = pause(milliseconds);
      mapSet(timers, id, giveUp);
      if (!(await passed) || mapGet(timers, id) !== giveUp) return;
      if (!repeats) mapDelete(timers, id);
      apply(callback, undefined, values);
    } while (repeats && mapGet(timers, id));
  } catch (error) {
    mapDelete(timers, id);
    log("error", `a timer failed: ${inspect(error)}`);
  }
};

const start = (callback, milliseconds, values, repeats) => {
  if (typeof callback !== "function") throw new PlainTypeError("a timer takes a function");
  withinCall("a timer");
  const id = next++;
  run(id, callback, floor(min(LONGEST, max(1, +milliseconds || 1))), values, repeats);
  return id;
};

export const setTimeout = (callback, milliseconds = 0, ...values) => start(callback, milliseconds, values, false);
export const setInterval = (callback, milliseconds = 0, ...values) => start(callback, milliseconds, values, true);

export const clearTimeout = (id) => {
  const giveUp = mapGet(timers, id);
  if (!giveUp) return;
  mapDelete(timers, id);
  giveUp();
};

/** Forgets every timer, at the end of a call. */
export const clearTimers = () => mapClear(timers);
