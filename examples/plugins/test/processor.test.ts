// @vitest-environment node
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Processor } from "@jackfield/example-processor";
import { callHandler, callWebhook, createTestContext, type HttpCall, type TestContext } from "@jackfield/plugin-sdk/testing";
import Stripe from "stripe";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import backend from "../payment-card/backend";
import manifest from "../payment-card/plugin.json";

const ADDRESS = "http://127.0.0.1:4010";
const SECRET = "whsec_of_this_test";
const ann = { id: "ann", role: "user" } as const;
const card = { amount: 10450, currency: "EUR", brand: "visa", last4: "4242" };
// A machine that is busy elsewhere is no failure.
vi.setConfig({ testTimeout: 60_000 });
const until = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 10 });

let processor: Processor;
let door: Server;
let ctx: TestContext;
/** What the door says to webhooks before it lets any in. */
let refusals: number[];

beforeEach(async () => {
  refusals = [];
  // In the server's place: checks the signature, and gives the webhook to the plugin.
  door = createServer(async (request, response) => {
    let raw = "";
    for await (const chunk of request) raw += String(chunk);
    const refused = refusals.shift();
    if (refused !== undefined) return void response.writeHead(refused).end();
    Stripe.webhooks.constructEvent(raw, String(request.headers["stripe-signature"]), SECRET);
    const { status } = await callWebhook(backend, { body: raw, headers: { "content-type": String(request.headers["content-type"]) } }, ctx);
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
  const webhook = { url: `http://127.0.0.1:${(door.address() as AddressInfo).port}/`, secret: SECRET };
  processor = await new Processor({ key: "sk_1", webhook, settleAfter: 20, retries: [20, 20] }).start();
  ctx = createTestContext({
    manifest,
    config: { acceptedBrands: ["visa"], processorUrl: ADDRESS },
    secrets: { secretKey: "sk_1", webhookSecret: SECRET },
    outboundAllow: ["127.0.0.1:4010"],
  });
  ctx.http.on("*", new RegExp(`^${ADDRESS}/`), passOn);
});

afterEach(async () => {
  await processor.stop();
  door.close();
  door.closeAllConnections();
});

/** Sends a request of the plugin's to the real processor, as the server does: with the secret where its name stands. */
async function passOn({ method, url, headers, body }: HttpCall) {
  const opened = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace("${secretKey}", "sk_1")]));
  const sent = { ...opened, "content-type": "application/json" };
  const answer = await fetch(url.replace(ADDRESS, processor.url), { method, headers: sent, body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as unknown };
}

const pay = (body: object = card, key = "attempt-1") =>
  callHandler(backend, { method: "POST", path: "/payments", body, user: ann, headers: { "Idempotency-Key": key } }, ctx);
const stored = async (id: string) => (await callHandler(backend, { path: `/payments/${id}`, user: ann }, ctx)).body;

describe("a payment at the processor", () => {
  it("is pending until the processor's webhook says that it has succeeded, which is told to the tenant", async () => {
    const { status, body } = await pay();
    expect([status, body]).toMatchObject([201, { status: "pending", number: "P00001" }]);
    await until(() => expect(processor.sent.map((webhook) => webhook.status)).toEqual([200]));
    expect(await stored(body.id)).toMatchObject({ status: "succeeded", processorId: "pay_000001" });
    expect(ctx.events.emitted).toEqual([
      { id: expect.any(String), type: "payment.succeeded", subject: "P00001", data: { ...card, number: "P00001" } },
    ]);
    // What the processor knows of the card, and of who asks.
    expect(ctx.http.calls[0]).toMatchObject({
      headers: { authorization: "Bearer ${secretKey}", "idempotency-key": body.id },
      body: { amount: 10450, currency: "EUR", reference: body.id, card: { brand: "visa", last4: "4242" } },
    });
  });

  it("is made and told once, however often it is sent and its webhook comes", async () => {
    refusals = [500, 503];
    const answers = [await pay(), await pay()];
    await until(() => expect(processor.sent.map((webhook) => webhook.status)).toEqual([500, 503, 200]));
    expect(new Set(answers.map(({ body }) => body.number)).size).toBe(1);
    expect((await pay()).body.status).toBe("succeeded");
    const [last] = processor.sent;
    expect((await callWebhook(backend, { body: last?.body }, ctx)).body).toEqual({ taken: true });
    expect(ctx.events.emitted).toHaveLength(1);
  });

  it("says that a card is declined, also when it is sent again", async () => {
    for (const status of [402, 402]) {
      expect(await pay({ ...card, last4: "0002" })).toMatchObject({ status, body: { error: "the card was declined" } });
    }
    expect(ctx.http.calls).toHaveLength(1);
  });

  it("stays pending where the processor is away, and is made by sending it again", async () => {
    ctx.http.on("*", new RegExp(`^${ADDRESS}/`), new Error("connection refused"));
    expect(await pay()).toMatchObject({ status: 502, body: { error: expect.stringContaining("try again") } });
    ctx.http.on("*", new RegExp(`^${ADDRESS}/`), { status: 500, body: "oops" });
    expect((await pay()).status).toBe(502);
    ctx.http.on("*", new RegExp(`^${ADDRESS}/`), passOn);
    expect((await pay()).body).toMatchObject({ status: "pending", number: "P00001" });
    await until(() => expect(ctx.events.emitted).toHaveLength(1));
  });

  it("is not touched by webhooks that are about something else", async () => {
    processor.webhook = undefined;
    const { body } = await pay();
    const object = { id: "pay_1", reference: body.id, amount: card.amount, currency: card.currency };
    const events: unknown[] = [
      { type: "payment.succeeded", data: { object: { ...object, amount: 1 } } },
      { type: "payment.succeeded", data: { object: { ...object, currency: "USD" } } },
      { type: "payment.succeeded", data: { object: { ...object, reference: "f".repeat(32) } } },
      { type: "payment.succeeded", data: { object: { ...object, reference: "../x" } } },
      { type: "payment.failed", data: { object } }, { type: "payment.succeeded" }, [], null, "text", 7,
    ];
    for (const event of events) expect((await callWebhook(backend, { body: JSON.stringify(event) }, ctx)).body).toEqual({ taken: false });
    expect(await stored(body.id)).toMatchObject({ status: "pending" });
    expect(ctx.events.emitted).toEqual([]);
  });
});

describe("the processor", () => {
  const ask = (body: unknown, headers: Record<string, string> = {}) =>
    fetch(`${processor.url}/v1/payments`, {
      method: "POST",
      headers: { authorization: "Bearer sk_1", "idempotency-key": "k", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    }).then((answer) => answer.status);

  it("refuses strangers, and what is no payment", async () => {
    const payment = { amount: 1, currency: "EUR", reference: "r", card: { last4: "4242" } };
    expect(await ask(payment, { authorization: "Bearer other" })).toBe(401);
    expect(await ask(payment, { "idempotency-key": "" })).toBe(400);
    for (const wrong of ["{", "null", { ...payment, amount: -1 }, { ...payment, currency: "euro" }, { ...payment, card: null }]) {
      expect(await ask(wrong)).toBe(422);
    }
    expect(await ask("x".repeat(65 * 1024))).toBe(413);
    expect(await ask(payment)).toBe(201);
    expect((await fetch(`${processor.url}/v1/other`)).status).toBe(404);
  });
});
