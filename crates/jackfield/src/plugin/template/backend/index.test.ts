import { callHandler, createTestContext } from "@jackfield/plugin-sdk/testing";
import { expect, it } from "vitest";
import backend from "./index";

it("counts clicks", async () => {
  const ctx = createTestContext({ user: { id: "ann", role: "user" } });
  await callHandler(backend, { method: "POST", path: "/clicks" }, ctx);
  const answer = await callHandler(backend, { method: "POST", path: "/clicks", body: { count: 2 } }, ctx);
  expect(answer).toMatchObject({ status: 200, body: { clicks: 3 } });
  expect((await callHandler(backend, { path: "/clicks" }, ctx)).body).toEqual({ clicks: 3 });
  expect(ctx.logger.lines.at(-1)).toEqual({ level: "info", message: "clicked", fields: { clicks: 3, by: "ann" } });
});

it("refuses what is no number of clicks", async () => {
  const ctx = createTestContext();
  for (const count of [0, -1, 1.5, 101, "2", null]) {
    expect((await callHandler(backend, { method: "POST", path: "/clicks", body: { count } }, ctx)).status).toBe(422);
  }
  expect(ctx.storage.entries()).toEqual({});
});
