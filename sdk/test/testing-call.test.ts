// @vitest-environment node
import { describe, expect, it } from "vitest";
import { defineBackendPlugin, errorResponse, jsonResponse } from "../src/server/index.js";
import { callAction, callHandler, callHook, callLifecycle, createTestContext } from "../src/testing/index.js";
import { findRoute } from "../src/testing/routes.js";

const backend = defineBackendPlugin({
  routes: [
    { method: "GET", path: "/orders/:id", handler: "show" },
    { method: "POST", path: "/orders", handler: "show" },
    { method: "*", path: "/files/*", handler: "show" },
    { method: "GET", path: "/nothing", handler: "nothing" },
    { method: "GET", path: "/text", handler: "text" },
    { method: "GET", path: "/bytes", handler: "bytes" },
    { method: "GET", path: "/huge", handler: "huge" },
    { method: "GET", path: "/odd", handler: "odd" },
    { method: "GET", path: "/looks-like-one", handler: "order" },
    { method: "GET", path: "/throws", handler: "throws" },
    { method: "GET", path: "/standard", handler: "standard" },
    { method: "DELETE", path: "/orders/:id", handler: "empty" },
  ],
  hooks: [{ event: "order.paid", handler: "remember" }],
  handlers: {
    show: (req) => req,
    nothing: () => undefined,
    empty: () => ({ status: 204, body: null }),
    standard: () => Response.json({ a: 1 }, { status: 203 }),
    text: () => ({ status: 202, body: "hello", headers: { "X-One": "1" } }),
    bytes: () => ({ status: 200, body: new Uint8Array([1, 2]), headers: { "Content-Type": "image/png" } }),
    huge: () => "x".repeat(1024 * 1024 + 1),
    odd: () => ({ status: 1000 }),
    order: () => ({ status: 7, id: "o1", at: new Date(0) }),
    throws: () => {
      throw new RangeError("too far");
    },
    remember: (req, ctx) => ctx.storage.set("event", req.body),
    pay: (req) => (req.user === undefined ? errorResponse(401, "sign in first") : jsonResponse({ paid: req.body }, 201)),
  },
  onInstall: (ctx) => ctx.storage.set("welcome", true),
});

const user = { id: "u1", role: "admin" } as const;

describe("callHandler", () => {
  it("gives the handler what the server would", async () => {
    const context = createTestContext({ user });
    const answer = await callHandler(
      backend,
      { path: "/orders/a%20b?x=1&x=3", query: { y: "2" }, headers: { "X-Trace": "t" } },
      context,
    );
    expect(answer).toEqual({
      status: 200,
      headers: { "content-type": "application/json" },
      body: {
        method: "GET", path: "/orders/a%20b", query: { x: ["1", "3"], y: "2" }, headers: { "x-trace": "t" },
        params: { id: "a b" }, user,
      },
    });
    const posted = await callHandler(backend, { method: "post", path: "/orders", body: { at: new Date(0), no: undefined } }, context);
    expect(posted.body).toMatchObject({ body: { at: "1970-01-01T00:00:00.000Z" }, headers: { "content-type": "application/json" } });
    const text = await callHandler(backend, { method: "POST", path: "/orders", body: "[1]", headers: { "Content-Type": "application/json" } }, context);
    expect(text.body.body).toEqual([1]);
    const echo = async (body: unknown) => (await callHandler(backend, { method: "POST", path: "/orders", body }, context)).body.body;
    expect(await echo("[1]")).toBe("[1]");
    expect(await echo("")).toBeUndefined();
    expect(await echo(new TextEncoder().encode("ä"))).toBe("ä");
    expect(await echo(new Uint8Array([255, 1]))).toEqual({ "0": 255, "1": 1 });
  });

  it("reads answers as the server does", async () => {
    const ask = (path: string) => callHandler(backend, { path }, createTestContext());
    expect(await ask("/text")).toEqual({ status: 202, headers: { "content-type": "text/plain; charset=utf-8", "x-one": "1" }, body: "hello" });
    expect(await ask("/bytes")).toEqual({ status: 200, headers: { "content-type": "image/png" }, body: new Uint8Array([1, 2]) });
    expect((await ask("/looks-like-one")).body).toEqual({ status: 7, id: "o1", at: "1970-01-01T00:00:00.000Z" });
    expect(await ask("/standard")).toEqual({ status: 203, headers: { "content-type": "application/json" }, body: { a: 1 } });
    expect(await callHandler(backend, { method: "DELETE", path: "/orders/7" }, createTestContext())).toEqual({ status: 204, headers: {}, body: null });
    await expect(ask("/nothing")).rejects.toThrow("the handler returned nothing");
    await expect(ask("/huge")).rejects.toThrow("1048576 are allowed");
    await expect(ask("/odd")).rejects.toThrow("200 to 599");
    await expect(ask("/throws")).rejects.toThrow(RangeError);
  });

  it("answers where no route fits", async () => {
    const ask = async (method: string, path: string) => (await callHandler(backend, { method, path }, createTestContext())).status;
    expect([await ask("GET", "/nowhere"), await ask("PUT", "/orders"), await ask("GET", "/orders/%2e%2e")]).toEqual([404, 405, 400]);
  });

  it("takes the manifest's routes too, which may name handlers that are not there", async () => {
    const routes = [{ method: "GET", path: "/a", handler: "text" }, { method: "GET", path: "/b", handler: "gone" }];
    const context = createTestContext({ manifest: { backend: { routes } } });
    expect((await callHandler(backend, { path: "/a" }, context)).body).toBe("hello");
    await expect(callHandler(backend, { path: "/b" }, context)).rejects.toThrow('no handler "gone"');
    await expect(callAction(backend, "constructor", {}, context)).rejects.toThrow("no handler");
  });
});

describe("the rules of a call", () => {
  const one = (handler: (...given: any[]) => unknown) => ({ handlers: { one: handler }, routes: [{ method: "*", path: "/", handler: "one" }] }) as const;
  const ask = (handler: (...given: any[]) => unknown, request: object = {}, context = createTestContext()) =>
    callHandler(one(handler), { path: "/", ...request }, context);

  it("finds handlers of classes, and what they belong to", async () => {
    class Base {
      greeting = "hello";
      greet() {
        return this.greeting;
      }
    }
    class Handlers extends Base {}
    class Shop {
      handlers = new Handlers() as unknown as Record<string, () => unknown>;
      routes = [{ method: "GET", path: "/greet", handler: "greet" }] as const;
      name = "shop";
      onInstall(this: Shop, ctx: { logger: { info(text: string): void } }) {
        ctx.logger.info(this.name);
      }
    }
    const context = createTestContext();
    expect((await callHandler(new Shop(), { path: "/greet" }, context)).body).toBe("hello");
    expect((await callAction(new Shop(), "greet", {}, context)).data).toBe("hello");
    await callLifecycle(new Shop(), "onInstall", context);
    expect(context.logger.lines[0]?.message).toBe("shop");
    for (const name of ["toString", "constructor", "onInstall", "handlers", "routes"]) {
      await expect(callAction(new Shop(), name, {}, context), name).rejects.toThrow("no handler");
    }
  });

  it("gives each call a context of its own, with bounds of its own", async () => {
    const context = createTestContext();
    context.http.on("GET", "https://a.example/", {});
    context.platform.on("GET", "/a", {});
    const times = (count: number, work: (ctx: any) => Promise<unknown>) => async (_: unknown, ctx: any) => {
      for (let n = 0; n < count; n += 1) await work(ctx);
      return { kept: "user" in ctx || "manifest" in ctx || "fetch" in ctx };
    };
    const bounds: [number, (ctx: any) => Promise<unknown>][] = [
      [1000, (ctx) => ctx.storage.get("k")],
      [64, (ctx) => ctx.http.get("https://a.example/")],
      [100, (ctx) => ctx.events.emit("order.paid")],
    ];
    for (const [most, work] of bounds) {
      expect((await ask(times(most, work), {}, context)).body).toEqual({ kept: false });
      expect((await ask(times(most, work), {}, context)).status).toBe(200);
      await expect(ask(times(most + 1, work), {}, context)).rejects.toThrow(`at most ${most} `);
    }
    const both = async (_: unknown, ctx: any) => {
      for (let n = 0; n < 33; n += 1) await Promise.all([ctx.http.get("https://a.example/"), ctx.platform.get("/a")]);
    };
    await expect(ask(both, {}, context)).rejects.toThrow("at most 64 requests");
  });

  it("uses connections of who asks this time", async () => {
    const context = createTestContext({ user });
    context.connections.on("gmail", "list", (call: { user: string | null }) => ({ of: call.user }));
    const list = (_: unknown, ctx: any) => ctx.connections.get("gmail").list();
    const bob = { id: "u2", email: "Bob@acme.example", role: "user" } as const;
    expect((await ask(list, { user: bob }, context)).body).toEqual({ of: "bob@acme.example" });
    expect((await ask((req) => req.user, { user: bob }, context)).body).toEqual({ ...bob, email: "bob@acme.example" });
  });

  it("lets callers and handlers see what the server would", async () => {
    const sent = { Cookie: "a=b", Authorization: "Bearer x", "X-Tenant-Id": "t", "X-Jackfield-User": "root", "X-Trace": "1" };
    expect((await ask((req) => [req.headers, req.query], { path: "/?session_token=s&a=1", headers: sent })).body).toEqual([{ "x-trace": "1" }, { a: "1" }]);
    const headers = { "Set-Cookie": "a=b", "Cache-Control": "public", "Access-Control-Allow-Origin": "*", "X-Jackfield-A": "1", "X-One": "1" };
    expect((await ask(() => ({ status: 204, headers }))).headers).toEqual({ "x-one": "1" });
    expect((await ask(() => null)).headers).toEqual({ "content-type": "application/json" });
  });

  it("refuses a body that is not the JSON it says it is, or too large", async () => {
    const reached = () => "reached";
    const type = { "Content-Type": "application/json; charset=utf-8" };
    expect(await ask(reached, { method: "POST", body: "{", headers: type })).toMatchObject({ status: 400, body: { detail: "the body is not JSON" } });
    expect((await ask(reached, { method: "POST", body: new Uint8Array([255]), headers: type })).status).toBe(400);
    expect((await ask(reached, { method: "POST", body: "x".repeat(1024 * 1024 + 1) })).status).toBe(413);
    expect((await ask((req) => req.body, { method: "POST", body: "{", headers: { "Content-Type": "text/jsonish" } })).body).toBe("{");
  });

  it("bounds an answer as it is handed over, bytes in base64", async () => {
    const of = (length: number) => () => new Uint8Array(length);
    expect((await ask(of(780_000))).body).toHaveLength(780_000);
    await expect(ask(of(790_000))).rejects.toThrow("at most 1048576");
    await expect(ask(() => '"'.repeat(600_000))).rejects.toThrow("at most 1048576");
  });

  it("gives lifecycle hooks the event", async () => {
    const seen: unknown[] = [];
    const backend = { handlers: {}, onEnable: (ctx: { event?: unknown }) => void seen.push(ctx.event) };
    await callLifecycle(backend, "onEnable", createTestContext({ version: "1.2.3" }));
    await callLifecycle(backend, "onEnable", createTestContext(), { id: "e7", attempt: 3 });
    expect(seen).toMatchObject([
      { id: "event-1", type: "jackfield.installation.enabled", version: "1.2.3", attempt: 1, time: expect.stringMatching(/^\d{4}-.*Z$/) },
      { id: "e7", type: "jackfield.installation.enabled", attempt: 3 },
    ]);
  });
});

describe("actions, events and steps", () => {
  it("answer as the server says", async () => {
    expect(await callAction(backend, "pay", { amount: 5 }, createTestContext({ user }))).toEqual({ success: true, data: { paid: { amount: 5 } }, action: "pay" });
    expect(await callAction(backend, "pay", {}, createTestContext())).toEqual({
      success: false, data: { error: "sign in first" }, error: "sign in first", action: "pay",
    });
    expect(await callAction(backend, "throws", {}, createTestContext())).toEqual({ success: false, error: "too far", action: "throws" });
    expect(await callAction(backend, "empty", {}, createTestContext())).toEqual({ success: true, action: "empty" });
    expect((await callAction(backend, "show", { a: 1 }, createTestContext(), { from: "page" })).data).toMatchObject({
      path: "/actions/show", body: { a: 1 }, metadata: { from: "page" },
    });
  });

  it("reach their handlers", async () => {
    const context = createTestContext();
    await callHook(backend, { type: "order.paid", data: { id: 7 } }, context);
    await callLifecycle(backend, "onInstall", context);
    expect(context.storage.entries()).toEqual({
      event: { specversion: "1.0", id: "event-1", source: "test", time: expect.any(String), type: "order.paid", data: { id: 7 } },
      welcome: true,
    });
    await expect(callHook(backend, { type: "order.lost" }, context)).rejects.toThrow("no hook");
    await expect(callLifecycle(backend, "onEnable", context)).rejects.toThrow("no onEnable");
  });
});

// The same cases as the server's own, so that both choose alike.
describe("routes", () => {
  const list = (...routes: [string, string, string][]) => routes.map(([method, path, handler]) => ({ method, path, handler }));
  const shop = list(
    ["*", "/*", "other"],
    ["GET", "/orders/:id", "get"],
    ["*", "/orders/:id", "any"],
    ["GET", "/orders/mine", "mine"],
    ["POST", "/orders", "create"],
    ["GET", "/orders/:id/lines/:line", "line"],
    ["GET", "/", "home"],
  );

  it.each([
    ["GET", "/orders/mine", "mine"], ["GET", "/orders/7", "get"], ["HEAD", "/orders/7", "any"], ["PUT", "/orders/7", "any"],
    ["DELETE", "/orders/mine", "any"], ["POST", "/orders", "create"], ["POST", "orders/", "create"], ["GET", "/orders", "other"],
    ["GET", "/", "home"], ["GET", "", "home"], ["HEAD", "/", "other"], ["GET", "/elsewhere/1/2", "other"],
  ])("%s %s goes to %s", (method, path, handler) => {
    expect(findRoute(shop, method, path)).toMatchObject({ found: true, handler });
  });

  it("name decoded segments", () => {
    expect(findRoute(shop, "GET", "/orders/a%20b%C3%A4/lines/100%25")).toMatchObject({ params: { id: "a bä", line: "100%" } });
    expect(findRoute(shop, "GET", "/x/y%20z")).toMatchObject({ params: { "*": "x/y z" } });
  });

  it("tell a wrong method from a wrong path", () => {
    const routes = list(["GET", "/a", "a"], ["PUT", "/a", "b"], ["GET", "/b/:id", "c"]);
    expect(findRoute(routes, "POST", "/a")).toMatchObject({ found: false, status: 405, detail: expect.stringContaining("GET, PUT") });
    expect(findRoute(routes, "HEAD", "/a")).toMatchObject({ handler: "a" });
    for (const path of ["/", "/c", "/a/b", "/b", "/b/1/2", "/A"]) expect(findRoute(routes, "GET", path), path).toMatchObject({ status: 404 });
  });

  it.each([
    "/orders/..", "/orders/%2e%2e", "/orders/%252e%252e", "/orders/a%2fb", "/orders/a%252Fb", "/orders/a%5cb", "/orders/a\\b",
    "/orders//x", "/orders/%00", "/orders/%0d%0a", "/orders/..;a", "/orders/%ff", "/orders/%2", "/orders/%zz",
    "/orders/%2525252525252e", "/a".repeat(65), `/${"a".repeat(2048)}`,
  ])("refuse %s", (path) => {
    expect(findRoute(shop, "GET", path)).toMatchObject({ found: false, status: 400 });
  });
});
