// What publishing and reading cost where the log is long.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { admin } from "../tools/backend.mjs";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, median } from "../tools/load.mjs";
import { Postgres } from "../tools/postgres.mjs";
import { table, thousands } from "../tools/report.mjs";
import { follow } from "../tools/stream.mjs";

const EVENTS = 1_000_000;
const FEW = 2_000;
const TENANT = "tenant-0";
const AT_ONCE = 8;
const TARGET_RATIO = 1.5;

const event = (n) => JSON.stringify({
  specversion: "1.0", type: "order.paid", source: "bench", id: `published-${n}`, subject: `order-${n % 100}`, data: { amount: n, text: "x".repeat(200) },
});

/** Events as they stand in the log, of one tenant, which all that read the log have read. */
const seeding = (numbers, count) => `
  INSERT INTO event (id, tenant, source, source_id, kind, subject, sender, hops, data, size, recorded_at)
  SELECT 'seed-' || n, '${TENANT}', 'seed', 'seed-' || n, 'order.' || (n % 50), 'order-' || (n % 100), 'user:bench', 0,
         '{"amount":1,"text":"${"x".repeat(200)}"}', 260, ${Date.now()} - 1000000 + n FROM ${numbers(count)};
  UPDATE log_reader SET cursor = (SELECT MAX(seq) FROM event);`;
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

/** What is done with a server whose log has `count` events: publishing, and reading its end, its middle, a type, and what a stream missed. */
async function measured(server, count, times) {
  const headers = { authorization: admin(TENANT) };
  const publish = async (n) => {
    const sent = { ...headers, "content-type": "application/cloudevents+json" };
    const answer = await fetch(`${server.base}/events`, { method: "POST", headers: sent, body: event(n) });
    if (answer.status !== 202) throw new Error(`publishing is answered ${answer.status}: ${await answer.text()}`);
    await answer.arrayBuffer();
  };
  const read = (expected, query) => async () => {
    const answer = await fetch(`${server.base}/events?${query}`, { headers });
    const page = await answer.json();
    if (page.events?.length !== expected) throw new Error(`${query} gives ${JSON.stringify(page).slice(0, 200)}`);
  };
  const catchUp = async () => {
    const stream = await follow(`${server.base}/events/stream?after=${count - 200}`, headers.authorization);
    for (let n = 0; n < 100; n++) await stream.next();
    stream.close();
  };
  return {
    publishing: await timed(times, publish),
    "reading 100 near the end": await timed(times, read(100, `limit=100&after=${count - 200}`)),
    "reading 100 in the middle": await timed(times, read(100, `limit=100&after=${count / 2 - 100}`)),
    "reading 10 of one type in fifty, from the middle": await timed(times, read(10, `limit=10&type=order.7&after=${count / 2 - 100}`)),
    "a stream that has missed 200, until 100 came": await timed(times / 4, catchUp),
  };
}

/** Measures and gives the section of the report. */
export async function longLog({ programs, quick, folder }) {
  const [times, count] = quick ? [200, 20_000] : [4_000, EVENTS];
  const home = join(folder, "long-log");
  mkdirSync(home);
  const postgres = await Postgres.start(join(home, "postgres"), LOAD_CORE);
  const stores = {
    SQLite: () => ({
      settings: {},
      seed: (own, events) => execFileSync("sqlite3", [join(own, "data/jackfield.db")], { input: seeding(inSqlite, events) }),
    }),
    PostgreSQL: (name) => ({
      settings: { DATABASE_URL: postgres.database(name) },
      seed: (_own, events) => postgres.sql(name, `${seeding(inPostgres, events)} ANALYZE event;`),
    }),
  };
  const rows = [];
  let worst = 0;
  for (const [name, store] of Object.entries(stores)) {
    const logOf = async (length, events) => {
      const own = join(home, `${name}-${length}`);
      mkdirSync(own);
      const { settings, seed } = store(length);
      const migrated = await Server.start(programs.jackfield, own, SERVER_CORE, settings);
      await migrated.stop();
      seed(own, events);
      const server = await Server.start(programs.jackfield, own, SERVER_CORE, settings);
      const figures = await measured(server, events, times);
      await server.stop();
      return figures;
    };
    const short = await logOf("short", FEW);
    const long = await logOf("long", count);
    for (const what of Object.keys(short)) {
      const ratio = long[what].median / short[what].median;
      worst = Math.max(worst, ratio);
      rows.push([`${name}, ${what}`, short[what].median.toFixed(2), long[what].median.toFixed(2), ratio.toFixed(2), thousands(long[what].perSecond)]);
    }
  }
  await postgres.stop();
  return {
    title: `A log of ${thousands(count)} events`,
    notes: `${thousands(times)} requests, ${AT_ONCE} at a time, to a server whose log has ${thousands(FEW)} events of the tenant, and to another whose log has ${thousands(count)}. ` +
      `Jackfield on core ${SERVER_CORE}, client and PostgreSQL on the other.`,
    table: table(["", "p50 ms, short log", "p50 ms, long log", "ratio", "requests/s, long log"], rows),
    targets: [{
      name: `publishing and reading, within ${TARGET_RATIO} times of a short log`, value: worst.toFixed(2), met: worst <= TARGET_RATIO,
    }],
  };
}
