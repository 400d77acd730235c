import { afterEach, beforeEach, expect, it } from "vitest";
import { createBackend } from "../src/backend.js";
import { createClient, JackfieldRequestError } from "../src/client.js";
import type { PluginBackend } from "../src/types.js";
import { type Answer, startServer, type TestServer } from "./server.js";

let server: TestServer;
let answer: Answer;
let backend: PluginBackend;

beforeEach(async () => {
  answer = { status: 200, body: { id: 7 } };
  server = await startServer(() => answer);
  const client = createClient({ server: server.url, getToken: () => "t0ken" });
  backend = createBackend(
    (path, init) => client.fetchFromPlugin("acme", "shop", path, init),
    (action, parameters) => client.runAction("acme", "shop", action, parameters),
  );
});

afterEach(() => server.close());

it("sends JSON to the plugin's own address, as the user, and gives what is answered", async () => {
  expect(await backend.post("/orders?a=1", { items: [] }, { query: { b: 2, c: undefined }, headers: { "idempotency-key": "k" } })).toEqual({ id: 7 });
  expect(server.asked).toEqual(["POST /api/plugin-proxy/shop/orders?a=1&b=2"]);
  const { headers, body } = server.requests[0] ?? { headers: {}, body: "" };
  expect(JSON.parse(body)).toEqual({ items: [] });
  expect(headers).toMatchObject({
    authorization: "Bearer t0ken", "x-tenant-id": "acme", "content-type": "application/json", "idempotency-key": "k",
  });
  await backend.get("/orders", { query: { q: "a b" } });
  await backend.delete("/orders/7");
  expect(server.asked.slice(1)).toEqual(["GET /api/plugin-proxy/shop/orders?q=a+b", "DELETE /api/plugin-proxy/shop/orders/7"]);
  expect(server.requests.slice(1).map(({ body }) => body)).toEqual(["", ""]);
});

it("rejects with what the server, or the handler, says", async () => {
  answer = { status: 403, body: { code: "plugin_disabled", detail: "the plugin is switched off" } };
  const refused = await backend.get("/orders").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(JackfieldRequestError);
  expect(refused).toMatchObject({ status: 403, code: "plugin_disabled", message: "the plugin is switched off" });
  answer = { status: 422, body: { error: "the amount is missing", field: "amount" } };
  await expect(backend.post("/orders", {})).rejects.toMatchObject({ status: 422, message: "the amount is missing", body: answer.body });
  answer = { status: 503, body: "closed for lunch\n", type: "text/plain" };
  await expect(backend.get("/orders")).rejects.toMatchObject({ message: "closed for lunch", body: "closed for lunch\n" });
  for (const body of ["<html>no</html>", "x".repeat(301), ""]) {
    answer = { status: 502, body, type: "text/html" };
    await expect(backend.get("/orders")).rejects.toMatchObject({ message: "the server answered 502", body: body || null });
  }
  await expect(backend.get("//elsewhere.example/")).rejects.toThrow("own routes only");
});

it("tells JSON from text by its type", async () => {
  for (const type of ["application/json; charset=utf-8", "application/vnd.shop+json", "Application/JSON"]) {
    answer = { status: 200, body: '{"id":1}', type };
    expect(await backend.get("/orders"), type).toEqual({ id: 1 });
  }
  for (const type of ["text/plain", "application/json-seq", "text/x+jsonx", "application/jsonp"]) {
    answer = { status: 200, body: '{"id":1}', type };
    expect(await backend.get("/orders"), type).toBe('{"id":1}');
  }
  answer = { status: 200, body: '{"id":', type: "application/json" };
  const broken = await backend.get("/orders").catch((error: unknown) => error);
  expect(broken).toBeInstanceOf(JackfieldRequestError);
  expect(broken).toMatchObject({ status: 200, body: '{"id":', message: expect.stringContaining("says that it is JSON") });
});

it("runs actions by their name", async () => {
  answer = { status: 200, body: { success: true, data: { sent: 2 }, action: "remind" } };
  expect(await backend.action("remind", { days: 3 })).toEqual({ sent: 2 });
  expect(server.asked).toEqual(["POST /plugins/shop/actions"]);
  expect(JSON.parse(server.requests[0]?.body ?? "")).toEqual({ action: "remind", parameters: { days: 3 } });
  answer = { status: 200, body: { success: false, error: "nobody to remind", action: "remind" } };
  await expect(backend.action("remind")).rejects.toMatchObject({ message: "nobody to remind", body: null });
  answer = { status: 200, body: { success: false, error: "too many", data: { error: "too many", most: 3 }, action: "remind" } };
  await expect(backend.action("remind")).rejects.toMatchObject({ message: "too many", body: { error: "too many", most: 3 } });
});
