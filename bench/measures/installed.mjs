// `GET /plugins/installed` with a JWT: many tenants against few, on SQLite and on PostgreSQL.
//
// The catalog of 200 plugins is published over HTTP; the installations, 200,000 for 10,000 tenants, come from seed.sql,
// as installing each over HTTP would take an hour and leave the same rows. Requests go round all tenants, each with
// its own token, so no answer is asked for twice before every other tenant's was.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Server, token } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, load, together } from "../tools/load.mjs";
import { Postgres } from "../tools/postgres.mjs";
import { residentBytes } from "../tools/process.mjs";
import { table, thousands } from "../tools/report.mjs";

const CONNECTIONS = 16;
const PLUGINS = 200;
const INSTALLED = 20;
const FEW = 10;
const MANY = 10_000;
const TARGET_RATIO = 2;
const seed = readFileSync(new URL("../seed.sql", import.meta.url), "utf8");

/** A configuration's schema of about 1 KB, as a payment plugin has. */
const configSchema = {
  type: "object",
  properties: {
    title: { type: "string", maxLength: 80, description: "What the customer reads beside the logo at checkout." },
    currencies: {
      type: "array", items: { type: "string", enum: ["EUR", "USD", "GBP", "CHF", "SEK", "PLN", "CZK", "DKK", "NOK"] },
      minItems: 1, uniqueItems: true, description: "The currencies that the method is offered for.",
    },
    capture: {
      type: "string", enum: ["automatic", "manual"], default: "automatic",
      description: "Whether an authorised payment is captured at once, or by hand when the order leaves the warehouse.",
    },
    retries: {
      type: "integer", minimum: 0, maximum: 10, default: 3,
      description: "How often a payment that the acquirer did not answer is asked about before it counts as failed.",
    },
    sandbox: { type: "boolean", default: false, description: "Talk to the acquirer's test system: no money moves." },
    apiKey: { type: "string", minLength: 20, description: "The key that the acquirer's console shows once." },
  },
  required: ["apiKey"],
  sensitiveFields: ["apiKey"],
};

async function publishCatalog(server) {
  for (let n = 0; n < PLUGINS; n++) {
    const name = `Payment method ${n}`;
    await server.publish({
      id: `payment-method-${n}`, name, version: "1.2.0", category: "payment", configSchema,
      description: "Takes payments by card, with 3-D Secure where the bank asks for it, and refunds them in part or whole.",
      requiredPermissions: ["orders.read", "payments.write"],
      sourceCode: `
        const Method = () => <p>${name}</p>;
        export default { name: "${name}", extensionPoints: { "checkout.payment": Method } };
      `,
    });
  }
}

function tokens(folder, tenants) {
  const file = join(folder, `tokens-${tenants}`);
  const lines = Array.from({ length: tenants }, (_, n) => token({ sub: `user-${n}`, tenantId: `tenant-${n}`, role: "user" }));
  writeFileSync(file, lines.join("\n") + "\n");
  return file;
}

async function checked(server, tenants) {
  const bearer = token({ sub: "user", tenantId: `tenant-${tenants - 1}`, role: "user" });
  const answer = await fetch(`${server.base}/plugins/installed`, { headers: { authorization: `Bearer ${bearer}` } });
  const text = await answer.text();
  if (JSON.parse(text).length !== INSTALLED) throw new Error(`the seed is wrong: ${text.slice(0, 200)}`);
  return text.length;
}

/** A server whose data are in a copy of `template`, and what was written into its database by `fill`. */
async function onSqlite(programs, folder, template, tenants) {
  const home = join(folder, `sqlite-${tenants}`);
  cpSync(template, home, { recursive: true });
  execFileSync("sqlite3", [join(home, "data/jackfield.db")], { input: seed.replaceAll(":tenants", tenants) });
  return Server.start(programs.jackfield, home, SERVER_CORE);
}

async function onPostgres(programs, folder, template, tenants, postgres) {
  const home = join(folder, `postgres-${tenants}`);
  cpSync(template, home, { recursive: true });
  const DATABASE_URL = postgres.database(`tenants_${tenants}`, "catalog");
  // What autovacuum does soon after so many rows came.
  postgres.sql(`tenants_${tenants}`, `${seed.replaceAll(":tenants", tenants)}; VACUUM ANALYZE;`);
  return Server.start(programs.jackfield, home, SERVER_CORE, { DATABASE_URL });
}

/** A folder with the catalog published into it. */
async function catalog(programs, home, settings) {
  mkdirSync(home);
  const server = await Server.start(programs.jackfield, home, `${SERVER_CORE},${LOAD_CORE}`, settings);
  await publishCatalog(server);
  await server.stop();
  return home;
}

async function measured(servers, folder, { rounds, seconds, memory, name }) {
  const runs = { [FEW]: [], [MANY]: [] };
  let bytes = 0;
  for (const tenants of [FEW, MANY]) bytes = await checked(servers[tenants], tenants);
  // The first round warms the caches of both and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const tenants of [FEW, MANY]) {
      const server = servers[tenants];
      const run = await load(`${server.base}/plugins/installed`, {
        connections: CONNECTIONS, seconds: round === 0 ? 2 : seconds, tokens: tokens(folder, tenants), pids: [server.pid],
      });
      if (round > 0) runs[tenants].push(run);
    }
  }
  memory[`after GET /plugins/installed, ${name}`] = residentBytes(servers[MANY].pid);
  await Promise.all(Object.values(servers).map((server) => server.stop()));
  return { name, bytes, few: together(runs[FEW]), many: together(runs[MANY]) };
}

/** Measures and gives the section of the report; notes the server's memory after the load in `memory`. */
export async function installed({ programs, quick, folder, memory }) {
  const load = { rounds: quick ? 1 : 3, seconds: quick ? 2 : 10, memory };
  const sqliteCatalog = await catalog(programs, join(folder, "catalog-sqlite"), {});
  const sqlite = await measured({
    [FEW]: await onSqlite(programs, folder, sqliteCatalog, FEW),
    [MANY]: await onSqlite(programs, folder, sqliteCatalog, MANY),
  }, folder, { ...load, name: "SQLite" });

  const database = await Postgres.start(join(folder, "postgres"), LOAD_CORE);
  const DATABASE_URL = database.database("catalog");
  const postgresCatalog = await catalog(programs, join(folder, "catalog-postgres"), { DATABASE_URL });
  const postgres = await measured({
    [FEW]: await onPostgres(programs, folder, postgresCatalog, FEW, database),
    [MANY]: await onPostgres(programs, folder, postgresCatalog, MANY, database),
  }, folder, { ...load, name: "PostgreSQL" });
  await database.stop();

  const row = (name, tenants, figures) => [
    `${name}, ${thousands(tenants)} tenants`, thousands(figures.perSecond), figures.p50.toFixed(2),
    figures.p99.toFixed(2), figures.cpuMicroseconds.toFixed(0),
  ];
  const target = ({ name, few, many }) => ({
    name: `installed, ${name}: p99 with ${thousands(MANY)} tenants within ${TARGET_RATIO} times that with ${FEW}`,
    value: (many.p99 / few.p99).toFixed(2),
    met: many.p99 <= TARGET_RATIO * few.p99,
  });
  return {
    title: "`GET /plugins/installed` with a JWT",
    notes: `Each tenant has ${INSTALLED} of ${PLUGINS} plugins with a schema of 1 KB each: ${thousands(sqlite.bytes)} ` +
      `bytes of JSON. ${CONNECTIONS} connections that always have a request open; each request is of the next tenant, with its ` +
      `own HS256 token. ${load.rounds} runs of ${load.seconds} s each, taking turns. Jackfield on core ${SERVER_CORE}; ` +
      `wrk and PostgreSQL on core ${LOAD_CORE}. Rate limits off, a log line for each request. The installations were ` +
      "written by SQL, everything else by the API.",
    table: table(["", "requests/s", "p50 ms", "p99 ms", "processor µs per request"],
      [sqlite, postgres].flatMap(({ name, few, many }) => [row(name, FEW, few), row(name, MANY, many)])),
    targets: [target(sqlite), target(postgres)],
  };
}
