// What publishing and reading cost where the log is long.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { admin, ask } from "../tools/backend.mjs";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, median } from "../tools/load.mjs";
import { Postgres } from "../tools/postgres.mjs";
import { table, thousands } from "../tools/report.mjs";

const EVENTS = 1_000_000;
const TENANT = "tenant-0";
const AT_ONCE = 8;
const TARGET_RATIO = 1.5;

const event = (run, n) => JSON.stringify({
  specversion: "1.0", type: "order.paid", source: "bench", id: `${run}-${n}`, subject: `order-${n % 100}`, data: { amount: n, text: "x".repeat(200) },
});

/** Events as they stand in the log, of one tenant. */
const seeding = (numbers, count) => `
  INSERT INTO event (id, tenant, source, source_id, kind, subject, sender, hops, data, size, recorded_at)
  SELECT 'seed-' || n, '${TENANT}', 'seed', 'seed-' || n, 'order.' || (n % 50), 'order-' || (n % 100), 'user:bench', 0,
         '{"amount":1,"text":"${"x".repeat(200)}"}', 260, ${Date.now()} - 1000000 + n FROM ${numbers(count)};`;
const inSqlite = (count) => `(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ${count}) SELECT n FROM c)`;
const inPostgres = (count) => `generate_series(1, ${count}) AS n`;

async function timed(times, work) {
  const all = [];
  const one = async (lane) => {
    for (let n = lane; n < times; n += AT_ONCE) {
      const began = performance.now();
      await work(n);
      all.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, (_, lane) => one(lane)));
  return { median: median(all), perSecond: (times / (performance.now() - began)) * 1000 };
}

/** What is done with a server: publishing, reading the end, reading from the beginning, looking for a type. */
async function measured(server, run, times) {
  const headers = { authorization: admin(TENANT) };
  const get = async (path) => {
    const answer = await fetch(`${server.base}${path}`, { headers });
    if (answer.status !== 200) throw new Error(`${path} answers ${answer.status}: ${await answer.text()}`);
    return answer.json();
  };
  const publish = async (n) => {
    const sent = { ...headers, "content-type": "application/cloudevents+json" };
    const answer = await fetch(`${server.base}/events`, { method: "POST", headers: sent, body: event(run, n) });
    if (answer.status !== 202) throw new Error(`publishing is answered ${answer.status}: ${await answer.text()}`);
    await answer.arrayBuffer();
  };
  const published = await timed(times, publish);
  const first = await get("/events?limit=100");
  const reads = {
    "reading the first 100": await timed(times, () => get("/events?limit=100")),
    "reading 100 of one type": await timed(times, () => get("/events?limit=100&type=order.paid")),
  };
  if (first.events.length === 0) throw new Error("nothing is read");
  return { publishing: published, ...reads };
}

/** Measures and gives the section of the report. */
export async function longLog({ programs, quick, folder }) {
  const [times, count] = quick ? [200, 20_000] : [4_000, EVENTS];
  const home = join(folder, "long-log");
  mkdirSync(home);
  const postgres = await Postgres.start(join(home, "postgres"), LOAD_CORE);
  const stores = {
    SQLite: {
      settings: {},
      seed: (own) => execFileSync("sqlite3", [join(own, "data/jackfield.db")], { input: seeding(inSqlite, count) }),
    },
    PostgreSQL: {
      settings: { DATABASE_URL: postgres.database("jackfield") },
      seed: () => postgres.sql("jackfield", `${seeding(inPostgres, count)} ANALYZE event;`),
    },
  };
  const rows = [];
  let worst = 0;
  for (const [name, { settings, seed }] of Object.entries(stores)) {
    const own = join(home, name);
    mkdirSync(own);
    const empty = await Server.start(programs.jackfield, own, SERVER_CORE, settings);
    await ask(200, "GET", `${empty.base}/events`, TENANT);
    const short = await measured(empty, "short", times);
    await empty.stop();
    seed(own);
    const full = await Server.start(programs.jackfield, own, SERVER_CORE, settings);
    const long = await measured(full, "long", times);
    await full.stop();
    for (const what of Object.keys(short)) {
      const ratio = long[what].median / short[what].median;
      worst = Math.max(worst, ratio);
      rows.push([`${name}, ${what}`, short[what].median.toFixed(2), long[what].median.toFixed(2), ratio.toFixed(2), thousands(long[what].perSecond)]);
    }
  }
  await postgres.stop();
  return {
    title: `A log of ${thousands(count)} events`,
    notes: `${thousands(times)} requests, ${AT_ONCE} at a time, to a server whose log has few events, and to the same with ${thousands(count)} more of the same tenant. ` +
      `Jackfield on core ${SERVER_CORE}, client and PostgreSQL on the other.`,
    table: table(["", "p50 ms, short log", "p50 ms, long log", "ratio", "requests/s, long log"], rows),
    targets: [{
      name: `publishing and reading, within ${TARGET_RATIO} times of a short log`, value: worst.toFixed(2), met: worst <= TARGET_RATIO,
    }],
  };
}
