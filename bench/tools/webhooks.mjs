// A plugin that takes webhooks, and a receiver of webhooks that is written by hand.
import { createHmac } from "node:crypto";
import { fileURLToPath } from "node:url";
import { ask } from "./backend.mjs";
import { firstLine, freePort, start, stop } from "./process.mjs";

const program = fileURLToPath(new URL("../receiver/server.mjs", import.meta.url));

/** What webhooks are signed with. */
export const SECRET = "a secret of the benchmark's webhooks";

/** A webhook of about 1 KB. */
export const BODY = JSON.stringify({ action: "opened", number: 7, text: "What has happened, in some words. ".repeat(28).trim() });

/** `X-Hub-Signature-256` of a body. */
export const signature = (body) => `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}`;

/** A plugin that tells of each webhook by an event. */
export const listener = {
  id: "listener",
  name: "Listener",
  version: "1.0.0",
  category: "productivity",
  files: {
    "backend/index.ts": `
      import { defineBackendPlugin } from "@jackfield/plugin-sdk/server";

      export default defineBackendPlugin({
        handlers: {
          async webhook({ body }, { events }) {
            if (body.tell !== undefined) await events.emit("listener.heard", { tell: body.tell });
            return { status: 204, body: null };
          },
        },
      });
    `,
  },
  backend: { entryPoint: "backend/index.ts" },
  configSchema: { type: "object", properties: { secret: { type: "string" } }, sensitiveFields: ["secret"] },
  webhook: { scheme: "github", secret: "secret", mode: "queue" },
  emits: ["listener.heard"],
};

/** A plugin whose handler waits for as long as it may. */
export const waiting = {
  ...listener,
  id: "waiting",
  name: "Waiting",
  files: {
    "backend/index.ts": `
      import { defineBackendPlugin } from "@jackfield/plugin-sdk/server";

      export default defineBackendPlugin({
        handlers: {
          async webhook() {
            await new Promise((resolve) => setTimeout(resolve, 8_000));
            return { status: 204, body: null };
          },
        },
      });
    `,
  },
  emits: [],
};

/** Has a tenant take webhooks for a plugin, and gives the address. */
export async function listen(server, tenant, plugin = listener) {
  const at = `${server.base}/plugins/${plugin.id}`;
  await ask(201, "POST", `${server.base}/plugins/install`, tenant, { pluginId: plugin.id });
  await ask(200, "PUT", `${at}/config`, tenant, { secret: SECRET });
  return JSON.parse(await ask(200, "GET", `${at}/webhook-url`, tenant)).url;
}

/** Fastify that inserts each webhook: `store` is `{ SQLITE: file }` or `{ POSTGRES: address }`. */
export class Receiver {
  constructor(base, child) {
    Object.assign(this, { base, child, pid: child.pid });
  }

  static async start(cores, store) {
    const port = await freePort();
    const env = { PATH: process.env.PATH, PORT: String(port), SECRET, ...store };
    const child = start(cores, process.execPath, [program], { env, stdio: ["ignore", "pipe", "inherit"] });
    await firstLine(child);
    return new Receiver(`http://127.0.0.1:${port}`, child);
  }

  stop() {
    return stop(this.child);
  }
}
