// The peer of webhooks coming in: Fastify that checks GitHub's signature and inserts each webhook by itself, as receivers that are
// written by hand do.
import { createHmac, timingSafeEqual } from "node:crypto";
import Fastify from "fastify";

const { PORT, SECRET, SQLITE, POSTGRES } = process.env;
const TABLE = "CREATE TABLE IF NOT EXISTS webhook (id TEXT PRIMARY KEY, headers TEXT NOT NULL, body TEXT NOT NULL, received_at BIGINT NOT NULL)";
const INSERT = "INSERT INTO webhook (id, headers, body, received_at) VALUES";

async function sqlite(file) {
  const { default: Database } = await import("better-sqlite3");
  const database = new Database(file);
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec(TABLE);
  const insert = database.prepare(`${INSERT} (?, ?, ?, ?) ON CONFLICT DO NOTHING`);
  return async (...row) => insert.run(...row);
}

async function postgres(address) {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString: address, max: 16 });
  await pool.query(TABLE);
  return (...row) => pool.query({ name: "insert", text: `${INSERT} ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, values: row });
}

const store = SQLITE ? await sqlite(SQLITE) : await postgres(POSTGRES);
const app = Fastify({ logger: false });
app.removeAllContentTypeParsers();
app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
app.post("/webhook", async (request, reply) => {
  const { "x-hub-signature-256": signature = "", "x-github-delivery": id } = request.headers;
  const expected = Buffer.from(`sha256=${createHmac("sha256", SECRET).update(request.body).digest("hex")}`);
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return reply.code(401).send();
  await store(id, JSON.stringify(request.headers), request.body.toString(), Date.now());
  return reply.code(202).send();
});
await app.listen({ host: "127.0.0.1", port: Number(PORT) });
console.log(JSON.stringify({ port: Number(PORT) }));
