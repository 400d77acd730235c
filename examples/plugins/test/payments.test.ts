import { callAction, callHandler, callLifecycle, createTestContext, type TestContext } from "@jackfield/plugin-sdk/testing";
import { beforeEach, describe, expect, it } from "vitest";
import backend from "../payment-card/backend";
import manifest from "../payment-card/plugin.json";

const ann = { id: "ann", role: "user" } as const;
const bob = { id: "bob", role: "user" } as const;
const admin = { id: "root", role: "admin" } as const;
const card = { amount: 10450, currency: "EUR", brand: "visa", last4: "4242" };

let ctx: TestContext;
beforeEach(() => {
  ctx = createTestContext({ manifest, config: { acceptedBrands: ["visa", "amex"] } });
});

const pay = (body: unknown, { user = ann, key = "attempt-1" }: { user?: typeof ann | typeof bob; key?: string } = {}) =>
  callHandler(backend, { method: "POST", path: "/payments", body, user, headers: { "Idempotency-Key": key } }, ctx);

describe("a payment", () => {
  it("is kept under a number", async () => {
    const paid = await pay({ ...card, number: "4242424242424242" });
    expect(paid.status).toBe(201);
    expect(paid.body).toMatchObject({ ...card, number: "P00001", status: "recorded", payer: "ann" });
    expect(JSON.stringify(ctx.storage.entries())).not.toContain("4242424242424242");
    expect(ctx.logger.lines).toEqual([
      { level: "info", message: "payment recorded", fields: { number: "P00001", amount: 10450, currency: "EUR" } },
    ]);
    expect((await pay(card, { key: "attempt-2" })).body.number).toBe("P00002");
  });

  it("is kept once, however often and however fast it is sent", async () => {
    const answers = await Promise.all([pay(card), pay(card), pay(card)]);
    const again = await pay(card);
    expect(again.status).toBe(200);
    expect(new Set([...answers, again].map(({ body }) => body.number)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const listed = await callHandler(backend, { path: "/payments", user: admin }, ctx);
    expect(listed.body.payments).toHaveLength(1);
    expect((await pay({ ...card, amount: 1 })).status).toBe(422);
  });

  it("belongs to who made it, also where two choose the same key", async () => {
    const [anns, bobs] = [await pay(card), await pay(card, { user: bob })];
    expect(anns.body.id).not.toBe(bobs.body.id);
    const read = async (user: object) => (await callHandler(backend, { path: `/payments/${anns.body.id}`, user: user as typeof ann }, ctx)).status;
    expect([await read(ann), await read(bob), await read(admin)]).toEqual([200, 404, 200]);
    // The longest is longer than a key may be.
    for (const id of ["nothing", "x".repeat(300), "..".padEnd(32, "0")]) {
      expect((await callHandler(backend, { path: `/payments/${id}`, user: admin }, ctx)).status, id).toBe(404);
    }
  });

  it.each([
    [{ ...card, amount: 0 }, "amount"],
    [{ ...card, amount: 1.5 }, "amount"],
    [{ ...card, amount: "10450" }, "amount"],
    [{ ...card, currency: "euro" }, "currency"],
    [{ ...card, brand: "mastercard" }, "brand"],
    [{ ...card, last4: "42424242" }, "last4"],
    [null, "amount"],
  ])("%o is refused", async (body, field) => {
    expect(await pay(body)).toMatchObject({ status: 422, body: { field } });
    expect(ctx.storage.entries()).toEqual({});
  });

  it("needs somebody who pays, and a key", async () => {
    expect((await pay(card, { key: "" })).status).toBe(400);
    expect((await callHandler(backend, { method: "POST", path: "/payments", body: card }, ctx)).status).toBe(401);
  });
});

describe("for administrators", () => {
  it("payments are listed, newest first", async () => {
    for (let n = 1; n <= 25; n += 1) await pay(card, { key: `attempt-${n}` });
    const { body } = await callHandler(backend, { path: "/payments", user: admin }, ctx);
    expect(body.payments).toHaveLength(20);
    expect([body.payments[0].number, body.payments[19].number]).toEqual(["P00025", "P00006"]);
    expect((await callHandler(backend, { path: "/payments", user: ann }, ctx)).status).toBe(403);
  });

  it("the stored key is told by its fingerprint", async () => {
    const check = (secrets: Record<string, string>, user: typeof admin | typeof ann) =>
      callAction(backend, "checkKey", {}, createTestContext({ manifest, secrets, user }));
    const found = await check({ secretKey: "sk_test_1" }, admin);
    expect(found.data).toEqual({ stored: true, fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/) });
    expect((await check({ secretKey: "sk_test_2" }, admin)).data.fingerprint).not.toBe(found.data.fingerprint);
    expect((await check({}, admin)).data).toEqual({ stored: false });
    expect(await check({ secretKey: "sk_test_1" }, ann)).toMatchObject({ success: false });
  });
});

it("says that it is ready, once it is installed", async () => {
  await callLifecycle(backend, "onInstall", ctx);
  expect(ctx.logger.lines).toEqual([{ level: "info", message: "ready to take payments", fields: { version: "1.2.0" } }]);
});
