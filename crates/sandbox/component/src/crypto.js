// Web Crypto (https://w3c.github.io/webcrypto): random values, digests and HMAC.
import { Bytes, PlainTypeError, bytesOf, freeze, isView, join, member, push, slice, text, upper } from "./primordials.js";
import { randomBytes } from "./host.js";
import { DOMException } from "./exception.js";
import { digest, hmacSign, hmacVerify } from "./tools.js";

const MAX_RANDOM = 65536;

const bytes = (value, what) => {
  const found = bytesOf(value);
  if (!found) throw new PlainTypeError(`${what} is an ArrayBuffer or a view of one`);
  return found;
};
const nameOf = (algorithm) => upper(text(typeof algorithm === "object" && algorithm !== null ? member(algorithm, "name") : algorithm));
const notSupported = (what) => new DOMException(`${slice(text(what), 0, 60)} is not supported: there are SHA-1, SHA-256, SHA-384, SHA-512 and HMAC with them`, "NotSupportedError");
const known = (value, what) => {
  if (value === null || value === undefined) throw notSupported(what);
  return value;
};
const buffer = (made) => made.buffer.slice(made.byteOffset, made.byteOffset + made.byteLength);

export class CryptoKey {
  #raw;
  constructor(raw, hash, extractable, usages) {
    this.#raw = raw;
    this.type = "secret";
    this.extractable = !!extractable;
    this.algorithm = freeze({ name: "HMAC", hash: freeze({ name: hash }), length: raw.length * 8 });
    this.usages = freeze([...usages]);
    freeze(this);
  }
  static raw(key, usage) {
    if (!key.usages.includes(usage)) throw new DOMException(`the key was not imported for "${usage}"`, "InvalidAccessError");
    return key.#raw;
  }
  static exported(key) {
    if (!key.extractable) throw new DOMException("the key is not extractable", "InvalidAccessError");
    return key.#raw;
  }
}
const { exported, raw } = CryptoKey;
delete CryptoKey.raw;
delete CryptoKey.exported;

const subtle = freeze({
  async digest(algorithm, data) {
    return buffer(known(digest(nameOf(algorithm), bytes(data, "what is digested")), nameOf(algorithm)));
  },
  async importKey(format, data, algorithm, extractable, usages) {
    if (format !== "raw" || nameOf(algorithm) !== "HMAC") throw notSupported(`importKey of ${format} for ${nameOf(algorithm)}`);
    const hash = nameOf(member(algorithm, "hash"));
    known(digest(hash, new Bytes(0)), hash);
    return new CryptoKey(bytes(data, "a raw key").slice(), hash, extractable, usages);
  },
  async exportKey(format, key) {
    if (format !== "raw") throw notSupported(`exportKey as ${format}`);
    return buffer(exported(key));
  },
  async generateKey(algorithm, extractable, usages) {
    if (nameOf(algorithm) !== "HMAC") throw notSupported(`generateKey for ${nameOf(algorithm)}`);
    const hash = nameOf(member(algorithm, "hash"));
    known(digest(hash, new Bytes(0)), hash);
    const bits = member(algorithm, "length");
    return new CryptoKey(randomBytes(bits ? bits >> 3 : 64), hash, extractable, usages);
  },
  async sign(algorithm, key, data) {
    return buffer(known(hmacSign(key.algorithm.hash.name, raw(key, "sign"), bytes(data, "what is signed")), nameOf(algorithm)));
  },
  async verify(algorithm, key, signature, data) {
    return known(hmacVerify(key.algorithm.hash.name, raw(key, "verify"), bytes(data, "what is verified"), bytes(signature, "a signature")), nameOf(algorithm));
  },
});

const hex = [];
for (let value = 0; value < 256; value++) hex.push(value.toString(16).padStart(2, "0"));

export const crypto = freeze({
  subtle,
  getRandomValues(array) {
    if (!isView(array)) throw new PlainTypeError("getRandomValues takes an array of integers");
    if (array.byteLength > MAX_RANDOM) throw new DOMException(`at most ${MAX_RANDOM} bytes at once`, "QuotaExceededError");
    new Bytes(array.buffer, array.byteOffset, array.byteLength).set(randomBytes(array.byteLength));
    return array;
  },
  randomUUID() {
    const random = randomBytes(16);
    random[6] = (random[6] & 0x0f) | 0x40;
    random[8] = (random[8] & 0x3f) | 0x80;
    const parts = [];
    for (let index = 0; index < 16; index++) {
      if (index === 4 || index === 6 || index === 8 || index === 10) push(parts, "-");
      push(parts, hex[random[index]]);
    }
    return join(parts, "");
  },
});

/** Math.random of unpredictable bits: the engine's own is the same in every instance. */
export const random = () => {
  const [a, b, c, d, e, f, g] = randomBytes(7);
  return (((a & 0x1f) << 16 | b << 8 | c) * 2 ** 32 + ((d << 24 | e << 16 | f << 8 | g) >>> 0)) / 2 ** 53;
};
