// The host's tools, with bounds on what is handed to them: beyond, the engine would stop the whole call.
import * as raw from "jackfield:sandbox/tools@1.0.0";
import { PlainRangeError } from "./primordials.js";

/** Characters of any text, each at most three bytes of UTF-8. */
const MOST_CHARACTERS = 4 << 20;
/** Bytes, or characters of a text that is ASCII if it is anything: the largest answer of another server, in base64. */
const MOST_BYTES = 6 << 20;
/** Bytes of a form, and of its pairs as JSON. The host counts them. */
const MOST_FORM = 64 << 10;

const sized = (value, most) => {
  if (value !== null && value.length > most) throw new PlainRangeError(`at most ${most} characters or bytes are taken at once`);
  return value;
};
const text = (value) => sized(value, MOST_CHARACTERS);
const bytes = (value) => sized(value, MOST_BYTES);

const form = (made) => {
  if (typeof made !== "string") throw new PlainRangeError(`a form, and its pairs as JSON, have at most ${MOST_FORM} bytes`);
  return made;
};

export const urlParse = (input, base) => raw.urlParse(text(input), text(base));
export const urlSet = (href, part, value) => raw.urlSet(text(href), part, text(value));
export const formParse = (input) => form(raw.formParse(text(input)));
export const formSerialize = (pairs) => form(raw.formSerialize(text(pairs)));
export const utf8Encode = (value) => raw.utf8Encode(text(value));
export const utf8Decode = (value, flush) => raw.utf8Decode(bytes(value), flush);
export const base64Encode = (value) => raw.base64Encode(bytes(value));
export const base64Decode = (value) => raw.base64Decode(bytes(value));
export const digest = (algorithm, value) => raw.digest(algorithm, bytes(value));
export const hmacSign = (hash, key, value) => raw.hmacSign(hash, bytes(key), bytes(value));
export const hmacVerify = (hash, key, value, signature) => raw.hmacVerify(hash, bytes(key), bytes(value), bytes(signature));
