// AbortController and AbortSignal (https://dom.spec.whatwg.org/#aborting-ongoing-activities), without events of other kinds.
import { PlainSet, freeze, setAdd, setDelete, setForEach } from "./primordials.js";
import { DOMException } from "./exception.js";
import { setTimeout } from "./timers.js";

let isAllowed = false;

export class AbortSignal {
  #reason = undefined;
  #listeners = new PlainSet();
  onabort = null;

  constructor() {
    if (!isAllowed) throw new TypeError("an AbortSignal comes from an AbortController");
    isAllowed = false;
  }
  static fire(signal, reason = new DOMException("the operation was aborted", "AbortError")) {
    if (signal.aborted) return;
    signal.#reason = reason;
    const event = freeze({ type: "abort", target: signal });
    signal.onabort?.(event);
    setForEach(signal.#listeners, (listener) => (typeof listener === "function" ? listener(event) : listener.handleEvent(event)));
  }
  static abort(reason) {
    const signal = make();
    fire(signal, reason);
    return signal;
  }
  static timeout(milliseconds) {
    const signal = make();
    setTimeout(() => fire(signal, new DOMException(`${milliseconds} ms have passed`, "TimeoutError")), milliseconds);
    return signal;
  }
  static any(signals) {
    const signal = make();
    for (const each of signals) {
      if (each.aborted) fire(signal, each.reason);
      else each.addEventListener("abort", () => fire(signal, each.reason));
    }
    return signal;
  }
  get aborted() { return this.#reason !== undefined; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.aborted) throw this.#reason; }
  addEventListener(type, listener) { if (type === "abort" && listener) setAdd(this.#listeners, listener); }
  removeEventListener(type, listener) { if (type === "abort") setDelete(this.#listeners, listener); }
}

const { fire } = AbortSignal;
delete AbortSignal.fire;

const make = () => {
  isAllowed = true;
  return new AbortSignal();
};

export class AbortController {
  #signal = make();
  get signal() { return this.#signal; }
  abort(reason) { fire(this.#signal, reason); }
}
