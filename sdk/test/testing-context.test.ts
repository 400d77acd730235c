// @vitest-environment node
import { describe, expect, it } from "vitest";
import { createTestContext } from "../src/testing/index.js";

const manifest = {
  id: "mail-orders",
  version: "2.1.0",
  hosts: [
    "plain.example",
    { host: "*.shop.example", headers: { Authorization: "Bearer ${apiKey}" }, query: { key: "${apiKey}" } },
    "local.example:8443",
    { host: "eu.shop.example", headers: { "x-region": "eu" } },
    "intern.example:80",
  ],
  connections: ["gmail", { connector: "jira", access: "write", whose: "tenant" }],
  requiredPermissions: ["orders:read"],
  requiredSecrets: ["signingKey"],
  emits: ["order.paid"],
};

describe("storage", () => {
  it("keeps copies, by key, until they expire", async () => {
    let now = 1_000_000;
    const { storage } = createTestContext({ storage: { "a:1": [1] }, now: () => now });
    const value = { when: new Date(0), list: [1, undefined] };
    await storage.set("a:2", value, { ttl: 60 });
    value.list.push(2);
    expect(await storage.get("a:2")).toEqual({ when: "1970-01-01T00:00:00.000Z", list: [1, null] });
    await storage.set("b", 1);
    expect(await storage.list("a:")).toEqual(["a:1", "a:2"]);
    expect(await storage.list()).toEqual(["a:1", "a:2", "b"]);
    await storage.set("brief", 1, { ttl: 59.5 });
    now += 59_999;
    expect(await storage.get("brief")).toBe(1);
    now += 1;
    expect([await storage.get("a:2"), await storage.get("brief")]).toEqual([null, null]);
    expect(await storage.delete("a:2")).toBe(false);
    expect(await storage.delete("b")).toBe(true);
    expect(storage.entries()).toEqual({ "a:1": [1] });
  });

  it("counts, and swaps what is expected", async () => {
    const { storage } = createTestContext({ storage: { text: "x" } });
    expect(await Promise.all([storage.increment("n"), storage.increment("n", 4), storage.increment("n", -1)])).toEqual([1, 5, 4]);
    await expect(storage.increment("text")).rejects.toThrow("no number");
    await storage.set("nothing", null);
    await expect(storage.increment("nothing")).rejects.toThrow("no number");
    for (const by of [NaN, Infinity, null as never]) await expect(storage.increment("n", by)).rejects.toThrow("by is a number");
    expect([await storage.increment("half", 0.5), await storage.increment("half", 0.5)]).toEqual([0.5, 1]);
    expect(await storage.compareAndSet("half", 1, 2)).toBe(true);
    await expect(storage.increment("half", 2 ** 60)).rejects.toThrow("beyond the numbers");
    await storage.set("most", Number.MAX_SAFE_INTEGER);
    await expect(storage.increment("most")).rejects.toThrow("beyond the numbers");
    expect(await storage.compareAndSet("lock", null, { by: "a", at: 1 })).toBe(true);
    expect(await storage.compareAndSet("lock", null, "b")).toBe(false);
    expect(await storage.compareAndSet("lock", { at: 1, by: "b" }, "b")).toBe(false);
    expect(await storage.compareAndSet("lock", { at: 1, by: "a" }, "b")).toBe(true);
    expect(await storage.get("lock")).toBe("b");
  });

  it("has the server's bounds", async () => {
    const { storage } = createTestContext();
    for (const key of ["", "k".repeat(257), "ä".repeat(129)]) await expect(storage.get(key)).rejects.toThrow("1 to 256 bytes");
    await expect(storage.set("k", "v".repeat(256 * 1024))).rejects.toThrow("at most 262144");
    await storage.set("k", "v".repeat(256 * 1024 - 2));
    for (const [what, value] of [["function", () => 1], ["bigint", 1n]] as const) {
      await expect(storage.set("k", value), what).rejects.toThrow(TypeError);
    }
    for (const ttl of [0, -1, Infinity, NaN, "60" as never]) await expect(storage.set("k", 1, { ttl })).rejects.toThrow("ttl is a number");
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
    await storage.set("deep", deep(127));
    for (const value of [deep(128), "\ud800", { "a\udc00": 1 }]) await expect(storage.set("k", value)).rejects.toThrow("no JSON that can be kept");
    await storage.set("pair", "\ud83d\ude00");
    for (const key of ["deep", "pair"]) await storage.delete(key);
    await storage.set("nothing", undefined);
    expect(await storage.list("nothing")).toEqual(["nothing"]);
    for (let n = 0; n < 38; n += 1) await storage.set(`big${n}`, "v".repeat(256 * 1024 - 2));
    await expect(storage.set("one more", "v".repeat(256 * 1024 - 2))).rejects.toThrow("no room");
    expect(await storage.get("one more")).toBeNull();
    await storage.delete("big7");
    await storage.set("one more", "v".repeat(256 * 1024 - 2));
  });

  it("holds a bounded number of keys, without those that have expired", async () => {
    let now = 0;
    const full = Object.fromEntries(Array.from({ length: 9_999 }, (_, n) => [`k${n}`, n]));
    const { storage } = createTestContext({ storage: full, now: () => now });
    await storage.set("brief", 1, { ttl: 1 });
    await expect(storage.set("one more", 1)).rejects.toThrow("10000 values");
    await storage.set("k1", "instead");
    now = 1000;
    await storage.set("one more", 1);
  });
});

describe("http", () => {
  it("answers as the test says, and keeps what was asked", async () => {
    const { http } = createTestContext();
    http
      .on("GET", "https://a.example/orders", { body: { orders: [] } })
      .on("POST", /\/orders$/, (call) => ({ status: 201, body: { echo: call.body } }))
      .on("GET", "https://a.example/text", { status: 404, body: "not here" })
      .on("GET", "https://a.example/down", new Error("the connection broke"));
    const listed = await http.get("https://a.example/orders", { query: { page: 2, tag: ["a", "b"], none: undefined }, headers: { "X-One": "1" } });
    expect(listed).toMatchObject({ status: 200, ok: true, body: { orders: [] }, text: '{"orders":[]}' });
    expect((await http.post("https://a.example/orders", { n: 1, at: new Date(0) })).body).toEqual({ echo: { n: 1, at: "1970-01-01T00:00:00.000Z" } });
    expect(await http.get("https://a.example/text")).toMatchObject({ status: 404, ok: false, body: "not here" });
    await expect(http.get("https://a.example/down")).rejects.toThrow("the connection broke");
    expect(http.calls.slice(0, 2)).toEqual([
      { method: "GET", url: "https://a.example/orders?page=2&tag=a&tag=b", headers: { "x-one": "1" }, body: null },
      { method: "POST", url: "https://a.example/orders", headers: { "content-type": "application/json" }, body: { n: 1, at: "1970-01-01T00:00:00.000Z" } },
    ]);
  });

  it("fails where no answer is there, saying how to give one", async () => {
    const { http } = createTestContext();
    http.on("POST", "https://a.example/x", {});
    await expect(http.get("https://a.example/x")).rejects.toThrow('no answer for GET https://a.example/x; say .on("GET", "https://a.example/x"');
    await expect(http.get("/x")).rejects.toThrow("absolute URL");
  });

  it("goes to the manifest's hosts alone, and never shows what is added on the way", async () => {
    const { http } = createTestContext({ manifest, secrets: { apiKey: "sk_real" } });
    http.on("*", /./, { body: null });
    await http.get("https://us.shop.example/orders?a=1");
    expect(http.calls).toEqual([
      {
        method: "GET",
        url: "https://us.shop.example/orders?a=1&key=${apiKey}",
        headers: { authorization: "Bearer ${apiKey}" },
        body: null,
      },
    ]);
    await http.get("https://plain.example/");
    await http.get("https://local.example:8443/");
    for (const url of [
      "https://other.example/",
      "https://shop.example/",
      "https://evilshop.example/",
      "https://plain.example:8443/",
      "https://local.example/",
    ]) {
      await expect(http.get(url), url).rejects.toThrow("to hosts in the manifest");
    }
    expect(http.calls).toHaveLength(3);
    await expect(http.get("https://us.shop.example/", { query: { key: "mine" } })).rejects.toThrow("parameter key is set by the manifest");
    await expect(http.get("https://us.shop.example/", { headers: { authorization: "x" } })).rejects.toThrow("header authorization is not set by plugins");
    await expect(createTestContext({ manifest }).http.get("https://us.shop.example/")).rejects.toThrow("the secret apiKey");
    // The rule that names most of the host is the one.
    await http.get("https://eu.shop.example/");
    expect(http.calls.at(-1)?.headers).toEqual({ "x-region": "eu" });
  });

  it("sends by https, unless the operator has let the host in", async () => {
    const { http } = createTestContext({ manifest });
    await expect(http.get("http://intern.example/")).rejects.toThrow("must be called by https");
    await expect(createTestContext().http.get("http://intern.example/")).rejects.toThrow("must be called by https");
    for (const allowed of ["intern.example", "intern.example:80"]) {
      const { http } = createTestContext({ manifest, outboundAllow: [allowed] });
      http.on("GET", "http://intern.example/", { body: 1 });
      expect((await http.get("http://intern.example/")).body).toBe(1);
    }
    await expect(http.get("https://ann:secret@plain.example/")).rejects.toThrow("without a user name");
  });

  it("sets what a plugin may set of a request", async () => {
    const { http, platform } = createTestContext();
    http.on("*", /./, {});
    platform.on("*", /./, {});
    const sent = (headers: Record<string, string>) => http.get("https://a.example/", { headers });
    for (const name of ["Host", "content-length", "Accept-Encoding", "range", "X-Jackfield-Context", "te"]) {
      await expect(sent({ [name]: "x" }), name).rejects.toThrow("is not set by plugins");
    }
    await expect(sent({ "x-a": "b\r\nhost: c" })).rejects.toThrow("characters that no header may have");
    await expect(sent({ "a b": "c" })).rejects.toThrow("no name of a header");
    await expect(sent(Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`x-${n}`, ""])))).rejects.toThrow("at most 64 headers");
    for (const name of ["Authorization", "cookie", "x-tenant-id", "x-forwarded-for"]) {
      await expect(platform.get("/orders", { headers: { [name]: "x" } }), name).rejects.toThrow("is not set by plugins");
    }
    await expect(http.post("https://a.example/", "x".repeat(1024 * 1024 + 1))).rejects.toThrow("at most 1048576 are sent");
    await http.post("https://a.example/", "text");
    await http.post("https://a.example/", new URLSearchParams({ a: "1 2" }));
    expect(http.calls.slice(-2).map(({ headers, body }) => [headers["content-type"], body])).toEqual([
      ["text/plain; charset=utf-8", "text"],
      ["application/x-www-form-urlencoded; charset=utf-8", "a=1+2"],
    ]);
  });

  it("also stands behind fetch", async () => {
    const { http, fetch } = createTestContext({ manifest });
    http.on("PUT", "https://plain.example/a", { status: 418, body: { a: 1 } });
    const response = await fetch("https://plain.example/a", { method: "put", body: "x" });
    expect([response.ok, response.status, response.headers.get("Content-Type"), await response.json()]).toEqual([
      false, 418, "application/json", { a: 1 },
    ]);
    await expect(fetch("https://other.example/")).rejects.toThrow("to hosts in the manifest");
  });

  it("gives fetch what the sandbox's has", async () => {
    const { http, fetch } = createTestContext();
    http.on("GET", "https://a.example/bytes", { body: new Uint8Array([255, 0]), headers: { "X-One": "1" } });
    const response = await fetch(new URL("https://a.example/bytes"), { headers: new Headers({ "X-Two": "2" }) });
    expect(http.calls[0]?.headers).toEqual({ "x-two": "2" });
    const copy = response.clone();
    expect(await response.bytes()).toEqual(new Uint8Array([255, 0]));
    expect([response.bodyUsed, copy.bodyUsed, [...copy.headers]]).toEqual([true, false, [["content-type", "application/octet-stream"], ["x-one", "1"]]]);
    expect((await copy.arrayBuffer()).byteLength).toBe(2);
    await expect(response.text()).rejects.toThrow("has been read already");
    expect(() => response.clone()).toThrow("has been read already");
    const giveUp = new AbortController();
    http.on("GET", "https://a.example/slow", () => new Promise(() => undefined));
    const slow = fetch("https://a.example/slow", { signal: giveUp.signal });
    giveUp.abort(new Error("long enough"));
    await expect(slow).rejects.toThrow("long enough");
    await expect(fetch("https://a.example/slow", { signal: giveUp.signal })).rejects.toThrow("long enough");
  });
});

describe("the rest of the context", () => {
  it("asks the platform by path", async () => {
    const { platform } = createTestContext({ manifest });
    platform.on("GET", "/orders/7", { body: { id: 7 } });
    expect((await platform.get("/orders/7", { query: { full: true } })).body).toEqual({ id: 7 });
    expect(platform.calls[0]?.url).toBe("/orders/7?full=true");
    await expect(platform.get("orders")).rejects.toThrow("no answer for GET /orders;");
    for (const path of ["//evil.example/", "https://evil.example/", "/a/../b", "/%2e%2e/b", "/a%2fb", "/a#b", "/..;/a"]) {
      await expect(platform.get(path), path).rejects.toThrow("needs a path");
    }
    await expect(createTestContext({ manifest: {} }).platform.get("/orders")).rejects.toThrow("no permission in the product");
  });

  it("gives the secrets that the manifest asks for", async () => {
    const { secrets } = createTestContext({ manifest, secrets: { signingKey: "s3cret", apiKey: "sk_real" } });
    expect(await secrets.get("signingKey")).toBe("s3cret");
    await expect(secrets.get("apiKey")).rejects.toThrow('to requiredSecrets in the manifest');
    expect(await createTestContext({ manifest }).secrets.get("signingKey")).toBeNull();
    expect(await createTestContext().secrets.get("toString")).toBeNull();
  });

  it("keeps events and lines of the log", async () => {
    const { events, logger } = createTestContext({ manifest });
    const { id } = await events.emit("order.paid", { order: 7 });
    expect(events.emitted).toEqual([{ id, type: "order.paid", data: { order: 7 } }]);
    await events.emit("order.paid", null, { subject: "order-7", key: "ä".repeat(128) });
    expect(events.emitted[1]).toMatchObject({ subject: "order-7", key: "ä".repeat(128) });
    for (const options of [{ subject: "" }, { key: "ä".repeat(129) }, { key: 7 as never }]) {
      await expect(events.emit("order.paid", null, options)).rejects.toThrow("must have 1 to 256 bytes");
    }
    await expect(events.emit("order.lost")).rejects.toThrow('to emits in the manifest');
    for (const type of ["jackfield.order", "1st", "a b"]) await expect(createTestContext().events.emit(type), type).rejects.toThrow("no type of an event");
    logger.warn("slow", { ms: 900 });
    logger.info("done");
    expect(logger.lines).toEqual([{ level: "warn", message: "slow", fields: { ms: 900 } }, { level: "info", message: "done" }]);
  });

  it("uses connections as far as the manifest asks", async () => {
    const user = { id: "1", email: "ann@acme.example", role: "user" } as const;
    const { connections } = createTestContext({ manifest, user });
    connections.on("gmail", "list", { items: [{ id: "m1" }] }).on("jira", "create", (call: { arguments: object }) => ({ item: call.arguments }));
    expect(await connections.get("gmail").list({ query: "is:unread" })).toEqual({ items: [{ id: "m1" }] });
    expect(await connections.get("jira", { user: "bob@acme.example" }).create({ summary: "A" })).toEqual({ item: { body: { summary: "A" } } });
    expect(connections.calls.map(({ connector, user }) => [connector, user])).toEqual([
      ["gmail", "ann@acme.example"], ["jira", "bob@acme.example"],
    ]);
    await expect(connections.get("slack").list()).rejects.toThrow('may not use the connector slack');
    await expect(connections.get("gmail").delete("m1")).rejects.toThrow("may not change anything with");
    await expect(connections.get("gmail", { user: "bob@acme.example" }).list()).rejects.toThrow("of the user who calls it alone");
    await expect(connections.get("gmail").search("x")).rejects.toThrow('no answer for "search" of "gmail"');
    await expect(connections.get("gmail").call("raw" as never)).rejects.toThrow("no operation raw");
    expect(await connections.get("atlassian").create({ summary: "B" })).toEqual({ item: { body: { summary: "B" } } });
    expect(connections.calls.at(-1)?.connector).toBe("jira");
  });

  it("uses the connection of the tenant itself where the caller has no e-mail address", async () => {
    const { connections } = createTestContext({ manifest, user: { id: "key-1", role: "admin" } });
    connections.on("gmail", "list", { items: [] });
    expect(await connections.get("gmail").list()).toEqual({ items: [] });
    expect(connections.calls[0]?.user).toBeNull();
    await expect(connections.get("gmail", { user: "ann@acme.example" }).list()).rejects.toThrow("of the user who calls it alone");
    await expect(createTestContext({ manifest }).connections.get("gmail").list()).rejects.toThrow("no user calls the plugin now");
  });

  it("is frozen, and names plugin and tenant", () => {
    const context = createTestContext({ manifest, config: { title: "Hi" } });
    expect([context.pluginId, context.version, context.tenantId, context.config.title]).toEqual(["mail-orders", "2.1.0", "test-tenant", "Hi"]);
    for (const part of [context, context.http, context.storage, context.config, context.secrets, context.logger]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});
