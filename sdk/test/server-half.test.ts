import { describe, expect, it } from "vitest";
import { type BackendContext, type BackendRequest, defineBackendPlugin, errorResponse, jsonResponse } from "../src/server/index.js";

describe("defineBackendPlugin", () => {
  it("gives back what it was given", () => {
    const definition = { routes: [{ method: "GET", path: "/", handler: "home" }] as const, handlers: { home: () => "hello" } };
    expect(defineBackendPlugin(definition)).toBe(definition);
  });

  it("takes only handlers that are there", () => {
    const handlers = { add: () => null, list: () => null };
    defineBackendPlugin({ handlers, routes: [{ method: "POST", path: "/notes", handler: "add" }] });
    // @ts-expect-error: there is no such handler
    defineBackendPlugin({ handlers, routes: [{ method: "GET", path: "/notes", handler: "lsit" }] });
    // @ts-expect-error: there is no such handler
    defineBackendPlugin({ handlers, hooks: [{ event: "note.added", handler: "onAdded" }] });
    // @ts-expect-error: paths begin with a slash
    defineBackendPlugin({ handlers, routes: [{ method: "GET", path: "notes", handler: "list" }] });
    // @ts-expect-error: methods are in capitals
    defineBackendPlugin({ handlers, routes: [{ method: "get", path: "/notes", handler: "list" }] });
  });

  it("lets handlers say what they expect, and has all else checked", () => {
    const backend = defineBackendPlugin({
      handlers: {
        add: (req: BackendRequest<{ text: string }>, ctx) => ctx.storage.set("last", req.body.text.trim()),
        title: (_, ctx: BackendContext<{ title: string }>) => ctx.config.title.trim(),
        list: async (req, ctx) => {
          // @ts-expect-error: a body is unknown until it is checked
          void req.body.text;
          return ctx.storage.list();
        },
      },
      routes: [{ method: "GET", path: "/notes", handler: "list" }],
    });
    expect(Object.keys(backend.handlers)).toEqual(["add", "title", "list"]);
  });
});

describe("answers", () => {
  it("have a status, a body and headers", () => {
    expect(jsonResponse({ id: 7 })).toEqual({ status: 200, body: { id: 7 } });
    expect(jsonResponse(null, 201, { location: "/7" })).toEqual({ status: 201, body: null, headers: { location: "/7" } });
    expect(errorResponse(404, "there is no such note")).toEqual({ status: 404, body: { error: "there is no such note" } });
    expect(errorResponse(422, "wrong", { field: "text" })).toEqual({ status: 422, body: { error: "wrong", field: "text" } });
  });
});
