/**
 * A payment processor to try things with: a server of its own that takes payments by HTTP, settles them a moment later, and tells so by
 * webhooks that npm `stripe` signs. It moves no money.
 */
import http from "node:http";
import Stripe from "stripe";

/**
 * Where webhooks go, and what they are signed with.
 * @typedef {{ url: string, secret: string }} WebhookTarget
 *
 * @typedef {object} ProcessorOptions
 * @property {number} [port] one that is free if not given; on 127.0.0.1 alone
 * @property {string} key what callers send as `Authorization: Bearer …`
 * @property {WebhookTarget | undefined} [webhook] may be set later
 * @property {number} [settleAfter] milliseconds from a payment to its webhook
 * @property {readonly number[]} [retries] milliseconds before a webhook is sent again that was not answered with 2xx
 * @property {(line: string) => void} [log]
 *
 * @typedef {object} Payment
 * @property {string} id
 * @property {number} amount
 * @property {string} currency
 * @property {string} reference the caller's own name for it
 * @property {"processing" | "succeeded" | "declined"} status
 *
 * What was sent, and how it was answered; the status is 0 where no answer came.
 * @typedef {{ body: string, signature: string, status: number }} SentWebhook
 */

const MAX_BODY = 64 * 1024;
const MAX_PAYMENTS = 10_000;
const ANSWER_WITHIN_MS = 10_000;
/** A card that ends so is declined, as the test card 4000 0000 0000 0002 of a real processor is. */
const DECLINED = "0002";

/** A running processor. */
export class Processor {
  /** @type {Map<string, Payment>} by their idempotency key */
  #payments = new Map();
  /** @type {Set<NodeJS.Timeout>} */
  #timers = new Set();
  #count = 0;
  /** @type {SentWebhook[]} */
  sent = [];
  /** @type {WebhookTarget | undefined} */
  webhook;

  /** @param {ProcessorOptions} options */
  constructor(options) {
    this.options = { settleAfter: 300, retries: [1_000, 5_000, 30_000], log: () => undefined, ...options };
    this.webhook = options.webhook;
    this.server = http.createServer((request, response) => {
      this.#answer(request).then(
        ({ status, body }) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body)),
        () => response.destroy(),
      );
    });
  }

  /** Its address. */
  get url() {
    const address = /** @type {import("node:net").AddressInfo} */ (this.server.address());
    return `http://127.0.0.1:${address.port}`;
  }

  /** @returns {Promise<this>} */
  start() {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(this.options.port ?? 0, "127.0.0.1", () => resolve(this));
    });
  }

  /** Ends it; webhooks that are still to be sent are not. */
  stop() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  /**
   * @param {http.IncomingMessage} request
   * @returns {Promise<{ status: number, body: unknown }>}
   */
  async #answer(request) {
    if (request.method === "GET" && request.url === "/health") return { status: 200, body: { ok: true } };
    if (request.method !== "POST" || request.url !== "/v1/payments") return refusal(404, "there is only POST /v1/payments");
    if (request.headers.authorization !== `Bearer ${this.options.key}`) return refusal(401, "this is no key of ours");
    const key = request.headers["idempotency-key"];
    if (typeof key !== "string" || key === "") return refusal(400, "send an Idempotency-Key");
    const text = await bodyOf(request);
    if (text === undefined) return refusal(413, `a payment has at most ${MAX_BODY} bytes`);
    const known = this.#payments.get(key);
    if (known !== undefined) return answerOf(known);
    if (this.#payments.size >= MAX_PAYMENTS) return refusal(503, "that is enough for a trial: start the processor again");
    const payment = this.#accept(text);
    if (payment === undefined) return refusal(422, "a payment has amount, currency, reference and card");
    this.#payments.set(key, payment);
    this.options.log(`${payment.id} ${payment.reference}: ${payment.amount} ${payment.currency}, ${payment.status}`);
    if (payment.status === "processing") this.#later(this.options.settleAfter, () => this.#settle(payment));
    return answerOf(payment);
  }

  /**
   * @param {string} text
   * @returns {Payment | undefined}
   */
  #accept(text) {
    const { amount, currency, reference, card } = /** @type {Record<string, any>} */ (parsed(text) ?? {});
    const isWhole = Number.isSafeInteger(amount) && amount > 0 && /^[A-Z]{3}$/.test(currency) && typeof reference === "string";
    if (!isWhole || !/^\d{4}$/.test(card?.last4)) return undefined;
    this.#count += 1;
    const id = `pay_${String(this.#count).padStart(6, "0")}`;
    return { id, amount, currency, reference, status: card.last4 === DECLINED ? "declined" : "processing" };
  }

  /** @param {Payment} payment */
  #settle(payment) {
    payment.status = "succeeded";
    this.#count += 1;
    const id = `evt_${String(this.#count).padStart(6, "0")}`;
    this.send({ id, object: "event", type: "payment.succeeded", created: Math.floor(Date.now() / 1000), data: { object: payment } });
  }

  /**
   * Signs an event and sends it to the webhook's address, again with growing pauses until it is taken.
   * @param {object} event
   * @param {number} [attempt]
   */
  async send(event, attempt = 0) {
    if (this.webhook === undefined) return this.options.log("nobody has asked for webhooks: set WEBHOOK_URL and WEBHOOK_SECRET");
    const body = JSON.stringify(event, null, 2);
    const signature = Stripe.webhooks.generateTestHeaderString({ payload: body, secret: this.webhook.secret });
    const headers = { "content-type": "application/json; charset=utf-8", "stripe-signature": signature };
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const answer = await fetch(this.webhook.url, { method: "POST", headers, body, signal }).catch(() => undefined);
    await answer?.body?.cancel();
    this.sent.push({ body, signature, status: answer?.status ?? 0 });
    this.sent.splice(0, this.sent.length - 1_000);
    this.options.log(`webhook answered with ${answer?.status ?? "nothing"}`);
    const pause = this.options.retries[attempt];
    if (answer?.ok !== true && pause !== undefined) this.#later(pause, () => void this.send(event, attempt + 1));
  }

  /**
   * @param {number} milliseconds
   * @param {() => void} work
   */
  #later(milliseconds, work) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, milliseconds);
    this.#timers.add(timer);
  }
}

/** @param {Payment} payment */
function answerOf(payment) {
  if (payment.status === "declined") return refusal(402, "the card was declined");
  return { status: 201, body: payment };
}

/**
 * @param {number} status
 * @param {string} message
 */
function refusal(status, message) {
  return { status, body: { error: { message } } };
}

/**
 * The body as text, if it is not too large.
 * @param {http.IncomingMessage} request
 */
async function bodyOf(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
