// The component's exports. Everything that a plugin does not bring itself comes from the files beside this.
import { apply, hasOwn, join, parse, slice, stringify, text } from "./primordials.js";
import { begin, end } from "./host.js";
import { describe, Refusal } from "./errors.js";
import { clearTimers } from "./timers.js";
import { context, consoleOf } from "./context.js";
import { answerOf } from "./answer.js";
import { backendOf, definition, handler, handlerNames, lifecycle } from "./backend.js";
import { fromBase64 } from "./encoding.js";
import { begun } from "./performance.js";
import { provide } from "./globals.js";
import { compare, remember } from "./unchanged.js";

provide(consoleOf());

const evaluate = globalThis.eval;
let backend = null;

const guarded = async (run) => {
  try {
    return await run();
  } catch (error) {
    throw describe(error);
  } finally {
    clearTimers();
    end();
    compare();
  }
};

export const load = (source) =>
  guarded(() => {
    begun();
    // On one line before the script's first, so that lines are counted as the script's source map counts them.
    const left = evaluate(`(function(){${source}\n;return typeof __plugin==="undefined"?undefined:__plugin})`)();
    backend = backendOf(left);
    remember();
    return "null";
  });

export const define = () => guarded(() => stringify(definition(backend)));

const find = ({ kind, name }) => {
  const found = kind === "lifecycle" ? lifecycle(backend, name) : handler(backend, name);
  if (found) return found;
  const known = join(handlerNames(backend), ", ");
  throw new Refusal("no_handler", `there is no handler "${slice(text(name), 0, 128)}"${known ? `; there are: ${slice(known, 0, 1000)}` : ""}`);
};

const requestOf = (json) => {
  const request = parse(json);
  if (typeof request !== "object" || request === null || !hasOwn(request, "bodyBase64") || typeof request.bodyBase64 !== "string") return request;
  const { bodyBase64, ...rest } = request;
  return { ...rest, body: fromBase64(bodyBase64) };
};

export const handle = (invocation, request, given) =>
  guarded(async () => {
    const { target, calls, output } = parse(invocation);
    const { called, self } = find(target);
    const ctx = context(begin(calls), given);
    const values = target.kind === "lifecycle" ? [ctx] : [requestOf(request), ctx];
    const answer = answerOf(await apply(called, self, values), target.kind !== "handler");
    if (answer.length > output) throw new Refusal("output", "");
    return answer;
  });
