/** The sandbox's `fetch`: the standard's, with bodies that are whole, by way of `ctx.http`. */
import type { HttpSignal } from "../server/context.js";
import type { Content, RawRequest } from "./http.js";

/** What the sandbox's `fetch` takes. */
export interface TestFetchInit {
  method?: string;
  headers?: HeadersInit | Readonly<Record<string, string>>;
  /** Text, bytes or a form; anything else is turned into text. */
  body?: string | Uint8Array | ArrayBuffer | URLSearchParams | null;
  signal?: HttpSignal | null;
}

/** What the sandbox's `fetch` gives. */
export interface TestFetchResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly url: string;
  readonly bodyUsed: boolean;
  readonly headers: Headers;
  text(): Promise<string>;
  json(): Promise<unknown>;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
  clone(): TestFetchResponse;
}

/** The `fetch` over `send`. */
export function createFetch(send: (request: RawRequest) => Promise<Content>) {
  return async (input: string | { toString(): string }, init: TestFetchInit = {}): Promise<TestFetchResponse> => {
    const { method = "GET", headers, body, signal } = init;
    const options = { headers: Object.fromEntries(new Headers(headers as HeadersInit)), ...(signal == null ? {} : { signal }) };
    const url = String(input);
    const sent = body == null || typeof body === "string" || isBytes(body) || body instanceof URLSearchParams ? body : String(body);
    const { status, headers: answered, bytes } = await send({ method: method.toUpperCase(), url, body: sent ?? undefined, options });
    return new Fetched(status, url, new Headers(answered), bytes);
  };
}

function isBytes(body: unknown): boolean {
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body);
}

class Fetched implements TestFetchResponse {
  #isUsed = false;
  readonly #bytes: Uint8Array;

  constructor(
    readonly status: number,
    readonly url: string,
    readonly headers: Headers,
    bytes: Uint8Array,
  ) {
    this.#bytes = bytes;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get bodyUsed(): boolean {
    return this.#isUsed;
  }

  clone(): TestFetchResponse {
    if (this.#isUsed) throw new TypeError("the body has been read already");
    return new Fetched(this.status, this.url, new Headers(this.headers), this.#bytes);
  }

  async bytes(): Promise<Uint8Array> {
    if (this.#isUsed) throw new TypeError("the body has been read already");
    this.#isUsed = true;
    return this.#bytes.slice();
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer as ArrayBuffer;
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text()) as unknown;
  }
}
