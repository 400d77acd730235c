// The peer of plugin backends: Fastify in front of worker threads, each with the handler and the storage's file.
import jwt from "@fastify/jwt";
import Fastify from "fastify";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";

const { PORT, SECRET, STORAGE, THREADS } = process.env;
const threads = Number(THREADS);
const pool = new Piscina({
  filename: fileURLToPath(new URL("handler.mjs", import.meta.url)),
  workerData: { storage: STORAGE },
  minThreads: threads,
  maxThreads: threads,
});
const app = Fastify({ logger: false });
await app.register(jwt, { secret: SECRET });
app.addHook("onRequest", (request) => request.jwtVerify());
app.get("/note", async (request, reply) => {
  const { status, body } = await pool.run({ tenant: request.user.tenantId });
  return reply.code(status).send(body);
});
await app.listen({ host: "127.0.0.1", port: Number(PORT) });
console.log(JSON.stringify({ port: Number(PORT) }));
