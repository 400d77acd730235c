// The globals that a plugin finds beside the language's own.
import { AbortController, AbortSignal } from "./abort.js";
import { structuredClone } from "./clone.js";
import { crypto, CryptoKey, random } from "./crypto.js";
import { TextDecoder, TextEncoder, atob, btoa } from "./encoding.js";
import { DOMException } from "./exception.js";
import { fetch, Response } from "./fetch.js";
import { Headers } from "./headers.js";
import { performance } from "./performance.js";
import { clearTimeout, setInterval, setTimeout } from "./timers.js";
import { URL, URLSearchParams } from "./url.js";

export const provide = (console) => {
  const provided = {
    AbortController, AbortSignal, CryptoKey, DOMException, Headers, Response, TextDecoder, TextEncoder, URL, URLSearchParams,
    atob, btoa, clearInterval: clearTimeout, clearTimeout, console, crypto, fetch, performance, setInterval, setTimeout, structuredClone,
  };
  for (const [name, value] of Object.entries(provided)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }
  Object.defineProperty(Math, "random", { value: random, writable: true, configurable: true });
};
