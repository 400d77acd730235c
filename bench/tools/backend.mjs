// A plugin with a backend, and tenants that have it installed.
import { token } from "./jackfield.mjs";

/** What the handlers read and answer: a note of about 1 KB. */
export const NOTE = "A note that the tenant keeps. ".repeat(34).trim();

/** A plugin whose backend keeps a note, and can do harm. */
export const notes = {
  id: "notes",
  name: "Notes",
  version: "1.0.0",
  category: "productivity",
  files: {
    "backend/index.ts": `
      import { defineBackendPlugin, errorResponse, jsonResponse } from "@jackfield/plugin-sdk/server";

      export default defineBackendPlugin({
        routes: [
          { method: "GET", path: "/note", handler: "read" },
          { method: "PUT", path: "/note", handler: "write" },
          { method: "GET", path: "/for-ever", handler: "loop" },
        ],
        handlers: {
          async read(_request, { storage, tenantId }) {
            const note = await storage.get("note");
            return note === null ? errorResponse(404, "no note") : jsonResponse({ tenant: tenantId, note });
          },
          async write({ body }, { storage }) {
            await storage.set("note", body);
            return { status: 204, body: null };
          },
          loop() {
            for (;;);
          },
        },
      });
    `,
  },
  backend: { entryPoint: "backend/index.ts" },
};

/** The `Authorization` of a tenant's admin. */
export const admin = (tenantId) => `Bearer ${token({ sub: `admin-of-${tenantId}`, tenantId, role: "admin" })}`;

/** Where a plugin's backend is to be called. */
export const route = (server, path, plugin = notes.id) => `${server.base}/api/plugin-proxy/${plugin}${path}`;

/** Makes a request as the tenant's admin; fails unless it has that status. */
export async function ask(status, method, url, tenant, body) {
  const headers = { authorization: admin(tenant), ...(body === undefined ? {} : { "content-type": "application/json" }) };
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  if (answer.status !== status) throw new Error(`${method} ${url} answers ${answer.status} instead of ${status}: ${text}`);
  return text;
}

/** Installs the plugin for a tenant and has it keep its note. */
export async function install(server, tenant, pluginId = notes.id) {
  await ask(201, "POST", `${server.base}/plugins/install`, tenant, { pluginId });
}

/** A figure of the server's own, from /metrics: the sum over all labels. */
export async function metric(server, name) {
  const text = await (await fetch(`${server.base}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(name) && /^[ {]/.test(line.slice(name.length)));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
