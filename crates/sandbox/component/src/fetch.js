// fetch and Response (https://fetch.spec.whatwg.org), with bodies that are whole.
import { PlainRangeError, PlainTypeError, isInteger, member, parse, stringify, text, upper } from "./primordials.js";
import { currentCall } from "./host.js";
import { decode, encode, fromBase64 } from "./encoding.js";
import { Headers } from "./headers.js";
import { bodyOf, request } from "./http.js";
import { URL } from "./url.js";

export class Response {
  #body;
  #isUsed = false;
  #url = "";

  constructor(body, init) {
    const { status, statusText } = { status: member(init, "status") ?? 200, statusText: member(init, "statusText") ?? "" };
    if (!isInteger(status) || status < 200 || status > 599) throw new PlainRangeError("a Response's status is from 200 to 599");
    const { content, type } = bodyOf(body);
    this.#body = content;
    this.status = status;
    this.statusText = text(statusText);
    this.headers = new Headers(member(init, "headers"));
    if (type && !this.headers.has("content-type")) this.headers.set("content-type", type);
  }
  static json(value, init) {
    const headers = new Headers(member(init, "headers"));
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    return new Response(stringify(value), { status: member(init, "status"), statusText: member(init, "statusText"), headers });
  }
  static received(found) {
    const { status, headers, body, url } = { status: found.status, headers: member(found, "headers"), body: member(found, "body"), url: member(found, "url") };
    const made = new Response(null, { status: status < 200 ? 200 : status, headers });
    made.#body = body;
    made.#url = url ?? "";
    return made;
  }
  /** What goes to the host, and is then used up. */
  static content(response) {
    response.#use();
    return response.#body;
  }
  #use() {
    if (this.#isUsed) throw new PlainTypeError("the body has been read already");
    this.#isUsed = true;
  }
  get ok() { return this.status >= 200 && this.status < 300; }
  get url() { return this.#url; }
  get bodyUsed() { return this.#isUsed; }
  clone() {
    if (this.#isUsed) throw new PlainTypeError("the body has been read already");
    return received({ status: this.status, headers: this.headers, body: this.#body, url: this.#url });
  }
  async text() {
    this.#use();
    const body = this.#body;
    const base64 = member(body, "base64");
    return !body ? "" : base64 === undefined ? body.text : decode(fromBase64(base64));
  }
  async json() { return parse(await this.text()); }
  async bytes() {
    this.#use();
    const body = this.#body;
    const base64 = member(body, "base64");
    return !body ? encode("") : base64 === undefined ? encode(body.text) : fromBase64(base64);
  }
  async arrayBuffer() {
    const bytes = await this.bytes();
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  }
}

const { content, received } = Response;
delete Response.content;
delete Response.received;
export { content as contentOf };

/** A body that the standard takes: what is no text, bytes or form is turned into text. */
const standardBody = (body) => {
  const { content: known, type } = bodyOf(body);
  if (!known || type !== "application/json") return body;
  return text(body);
};

export const fetch = async (input, init) => {
  const url = input instanceof URL ? undefined : member(input, "url");
  const given = (name) => member(init, name) ?? (url === undefined ? undefined : member(input, name));
  const method = upper(text(given("method") ?? "GET"));
  const target = { url: text(url ?? input) };
  const found = await request(currentCall(), "http.request", target, { method, headers: given("headers"), body: standardBody(given("body")), timeout: undefined, signal: given("signal") });
  return received(found);
};
