// performance.now and timeOrigin (https://w3c.github.io/hr-time), from when the script was loaded: the engine's own count from
// when the component was made.
import { freeze } from "./primordials.js";

const { now: dateNow } = Date;
const engine = globalThis.performance;
const engineNow = engine.now.bind(engine);
const origin = { now: 0, date: 0 };

export const begun = () => {
  origin.now = engineNow();
  origin.date = dateNow();
};

export const performance = freeze({
  now: () => engineNow() - origin.now,
  get timeOrigin() { return origin.date; },
});
