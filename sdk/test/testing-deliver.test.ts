// @vitest-environment node
import { createHmac } from "node:crypto";
import { describe, expect, expectTypeOf, it } from "vitest";
import { defineBackendPlugin, errorResponse, type HookRequest, type WebhookRequest } from "../src/server/index.js";
import { callHook, callWebhook, createTestContext } from "../src/testing/index.js";

declare module "../src/event-types.js" {
  interface EventMap {
    "test.paid": { amount: number };
  }
}

const backend = defineBackendPlugin({
  hooks: [{ event: "test.paid", handler: "paid" }, { event: "test.*", handler: "any" }, { event: "other.*", handler: "fails" }],
  handlers: {
    paid: (req: HookRequest<"test.paid">, ctx) => ctx.storage.increment("paid", req.body.data.amount),
    any: (req: HookRequest<"test.*">, ctx) => ctx.storage.set(`seen:${req.body.id}`, [req.body.type, req.body.subject ?? null, req.user ?? null]),
    fails: () => {
      throw new Error("not now");
    },
    webhook: (req: WebhookRequest, ctx) => ctx.storage.set("last", { ...req, of: "webhook" }).then(() => ({ taken: true })),
    other: async (req: WebhookRequest<{ id?: string }>) =>
      req.body.id === undefined ? errorResponse(422, "no id") : { status: 202, body: req.body.id, headers: { "Set-Cookie": "no" } },
  },
});

describe("callHook", () => {
  it("gives an event to all that have a hook for it, in their order", async () => {
    const context = createTestContext({ user: { id: "ann", role: "user" } });
    await callHook(backend, { type: "test.paid", data: { amount: 5 }, id: "e7", subject: "order-7" }, context);
    await callHook(backend, { type: "test.other.late" }, context);
    expect(context.storage.entries()).toEqual({
      paid: 5, "seen:e7": ["test.paid", "order-7", null], "seen:event-1": ["test.other.late", null, null],
    });
  });

  it("takes the manifest's hooks too, and throws what they throw", async () => {
    const manifest = { backend: { hooks: [{ event: "shop.opened", handler: "any" }] } };
    const context = createTestContext({ manifest });
    await callHook(backend, { type: "shop.opened" }, context);
    expect(Object.keys(context.storage.entries())).toEqual(["seen:event-1"]);
    await expect(callHook(backend, { type: "other.x" }, context)).rejects.toThrow("not now");
    await expect(callHook(backend, { type: "test" }, context)).rejects.toThrow('no hook for "test"');
  });

  it("has the event's data as declared", () => {
    expectTypeOf<HookRequest<"test.paid">["body"]["data"]>().toEqualTypeOf<{ amount: number }>();
    expectTypeOf<HookRequest<"test.*">["body"]["data"]>().toEqualTypeOf<unknown>();
    createTestContext().events.emit("test.paid", { amount: 1 });
    // @ts-expect-error A declared event carries what it is declared to.
    createTestContext().events.emit("test.paid", { amount: "1" });
  });
});

describe("callWebhook", () => {
  const taken = async (webhook: Parameters<typeof callWebhook>[1]) => {
    const context = createTestContext();
    expect(await callWebhook(backend, webhook, context)).toMatchObject({ status: 200, body: { taken: true } });
    return context.storage.entries()["last"] as Record<string, unknown>;
  };

  it("gives what was signed, byte for byte, and what it says", async () => {
    const raw = '{ "id":"evt_1", "amount":1.0 }';
    const signature = createHmac("sha256", "s").update(raw).digest("hex");
    expect(await taken({ body: raw, headers: { "X-Signature": signature, Authorization: "Bearer x", Cookie: "a=b" }, path: "in/x?a=1&a=2" })).toEqual({
      method: "POST", path: "/in/x", params: {}, query: { a: ["1", "2"] }, of: "webhook",
      headers: { "content-type": "application/json", "x-signature": signature }, body: { id: "evt_1", amount: 1 }, rawBody: raw,
    });
    expect(await taken({ body: { at: new Date(0) } })).toMatchObject({ rawBody: '{"at":"1970-01-01T00:00:00.000Z"}' });
  });

  it("gives what is no JSON as it is", async () => {
    expect(await taken({ body: "{" })).toMatchObject({ body: "{", rawBody: "{" });
    expect(await taken({ body: "a=1", headers: { "content-type": "application/x-www-form-urlencoded" } })).toMatchObject({ body: "a=1" });
    const bytes = await taken({ body: Uint8Array.of(0xff, 1) });
    expect([bytes["body"], bytes["rawBody"]]).toEqual([{ "0": 255, "1": 1 }, undefined]);
    expect("body" in (await taken({ method: "get" }))).toBe(false);
  });

  it("calls the manifest's handler, and reads its answer as the server does", async () => {
    const context = createTestContext({ manifest: { webhook: { scheme: "stripe", secret: "key", handler: "other" } } });
    expect(await callWebhook(backend, { body: { id: "evt_1" } }, context)).toEqual({
      status: 202, headers: { "content-type": "text/plain; charset=utf-8" }, body: "evt_1",
    });
    expect((await callWebhook(backend, { body: {} }, context)).status).toBe(422);
    expect((await callWebhook(backend, { body: "x".repeat(1024 * 1024 + 1) }, context)).status).toBe(413);
    const missing = createTestContext({ manifest: { webhook: { scheme: "stripe", handler: "gone" } } });
    await expect(callWebhook(backend, {}, missing)).rejects.toThrow('no handler "gone"');
  });
});
