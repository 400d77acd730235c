// What a handler gave, as the host takes it: {status, headers, body: {json} | {text} | {base64}}, body absent if there is none.
import { bytesOf, isInteger, keys, member, stringify, text } from "./primordials.js";
import { toBase64 } from "./encoding.js";
import { Refusal } from "./errors.js";
import { contentOf, Response } from "./fetch.js";
import { plainHeaders } from "./http.js";

const asJson = (value) => {
  let json;
  try {
    json = stringify(value);
  } catch (error) {
    throw new Refusal("not_json", `what the handler returned cannot be written as JSON: ${error?.message ?? error}`);
  }
  if (json === undefined) throw new Refusal("not_json", `the handler returned a ${typeof value}: return JSON values, bytes or a Response`);
  return json;
};

const body = (value) => {
  if (typeof value === "string") return `{"text":${asJson(text(value))}}`;
  const bytes = bytesOf(value);
  return bytes ? `{"base64":"${toBase64(bytes)}"}` : `{"json":${asJson(value)}}`;
};

const isResponse = (value) => {
  if (typeof value !== "object" || value === null || typeof member(value, "status") !== "number") return false;
  const names = keys(value);
  for (let index = 0; index < names.length; index++) {
    if (names[index] !== "status" && names[index] !== "body" && names[index] !== "headers") return false;
  }
  return true;
};

const checkedStatus = (status) => {
  if (!isInteger(status) || status < 200 || status > 599) throw new Refusal("not_json", `a response's status is a whole number from 200 to 599, not ${status}`);
  return status;
};

const wire = (status, headers, content) => `{"status":${status},"headers":${stringify(headers)}${content === undefined ? "" : `,"body":${content}`}}`;

/** The wire's JSON; `null` where nothing need be returned and nothing was. */
export const answerOf = (value, mayBeNothing) => {
  if (value === undefined) {
    if (mayBeNothing) return "null";
    throw new Refusal("nothing", "the handler returned nothing: return a value, or {status, body, headers}");
  }
  if (value instanceof Response) {
    const content = contentOf(value);
    return wire(checkedStatus(value.status), plainHeaders(value.headers), content && stringify(content));
  }
  if (!isResponse(value)) return wire(200, {}, body(value));
  const content = member(value, "body");
  const isEmpty = content === undefined || content === null;
  return wire(checkedStatus(member(value, "status")), plainHeaders(member(value, "headers")), isEmpty ? undefined : body(content));
};
