// TextEncoder and TextDecoder (https://encoding.spec.whatwg.org) for UTF-8, atob and btoa.
import { Bytes, PlainRangeError, PlainString, PlainTypeError, bytesOf, join, lower, member, push, slice, text } from "./primordials.js";
import { DOMException } from "./exception.js";
import { base64Decode, base64Encode, utf8Decode, utf8Encode } from "./tools.js";

const CHUNK = 8192;
const fromCharCode = PlainString.fromCharCode;
const charCodeAt = Function.prototype.call.bind(PlainString.prototype.charCodeAt);
const trim = Function.prototype.call.bind(PlainString.prototype.trim);

export const encode = (value) => utf8Encode(text(value));
export const decode = (bytes) => utf8Decode(bytes, true)[0];
export const toBase64 = (bytes) => base64Encode(bytes);
export const fromBase64 = (value) => base64Decode(value);

export class TextEncoder {
  get encoding() { return "utf-8"; }
  encode(value = "") { return encode(value); }
  encodeInto(value, target) {
    let [read, written] = [0, 0];
    for (const character of text(value)) {
      const bytes = encode(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

export class TextDecoder {
  #fatal;
  #ignoreBOM;
  #rest = new Bytes(0);
  #isBegun = false;

  constructor(label = "utf-8", options) {
    const name = lower(trim(text(label)));
    if (name !== "utf-8" && name !== "utf8" && name !== "unicode-1-1-utf-8") throw new PlainRangeError(`only UTF-8 is decoded here, not ${slice(name, 0, 40)}`);
    this.#fatal = !!member(options, "fatal");
    this.#ignoreBOM = !!member(options, "ignoreBOM");
  }
  get encoding() { return "utf-8"; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }

  decode(input, options) {
    const stream = !!member(options, "stream");
    const given = input === undefined ? new Bytes(0) : bytesOf(input);
    if (!given) throw new PlainTypeError("decode takes an ArrayBuffer or a view of one");
    const bytes = new Bytes(this.#rest.length + given.length);
    bytes.set(this.#rest);
    bytes.set(given, this.#rest.length);
    const [found, rest, isMalformed] = utf8Decode(bytes, !stream);
    this.#rest = bytes.slice(bytes.length - rest);
    if (isMalformed && this.#fatal) {
      this.#rest = new Bytes(0);
      throw new PlainTypeError("the bytes are not UTF-8");
    }
    const hasMark = !this.#isBegun && !this.#ignoreBOM && charCodeAt(found, 0) === 0xfeff;
    this.#isBegun = stream && (this.#isBegun || found.length > 0);
    return hasMark ? slice(found, 1) : found;
  }
}

export const btoa = (value) => {
  const from = PlainString(value);
  const bytes = new Bytes(from.length);
  for (let index = 0; index < from.length; index++) {
    const unit = charCodeAt(from, index);
    if (unit > 255) throw new DOMException("btoa takes characters up to U+00FF: encode the text to bytes first", "InvalidCharacterError");
    bytes[index] = unit;
  }
  return base64Encode(bytes);
};

export const atob = (value) => {
  const bytes = base64Decode(text(value));
  if (bytes === null || bytes === undefined) throw new DOMException("the text is not base64", "InvalidCharacterError");
  const parts = [];
  for (let index = 0; index < bytes.length; index += CHUNK) push(parts, fromCharCode(...bytes.subarray(index, index + CHUNK)));
  return join(parts, "");
};
