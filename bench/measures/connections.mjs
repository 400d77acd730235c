// 100,000 connections: the server's memory and start, and what keeping their tokens fresh costs.
//
// The rows are written by the vault's own code (tokens/fill.rs), their tokens sealed as a consent seals them. Only when
// they come due is then set by SQL: spread over an hour, as in the steady state of tokens that live an hour or two; and all
// of them long ago, as after an outage.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { MASTER_KEY, Server, token } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, median } from "../tools/load.mjs";
import { Postgres } from "../tools/postgres.mjs";
import { cpuSeconds, residentBytes, until } from "../tools/process.mjs";
import { Provider } from "../tools/provider.mjs";
import { mebibytes, table, thousands } from "../tools/report.mjs";

const CONNECTIONS = 100_000;
const PER_TENANT = 100;
const TOUCHED = 10_000;
const AT_A_TIME = 32;
const SETTLE_MS = 3000;
const HOUR_MS = 3_600_000;
/** Two rounds of the background's begin within so long. */
const FIRST_ROUND_MS = 40_000;
const QUIET_MS = 1500;

/** Where the connections are: SQL runs there while no server does. */
async function sqlite(folder) {
  const file = join(folder, "connections.db");
  return {
    name: "SQLite", url: `sqlite:${file}`, settings: { DATABASE_PATH: file },
    sql: (text) => execFileSync("sqlite3", [file], { input: text }), stop: () => {},
  };
}

async function postgres(folder) {
  const server = await Postgres.start(join(folder, "postgres-connections"), LOAD_CORE);
  const url = server.database("connections");
  return {
    name: "PostgreSQL", url, settings: { DATABASE_URL: url },
    sql: (text) => server.sql("connections", text), stop: () => server.stop(),
  };
}

/** Has each connection come due at a moment of its own in the `span` milliseconds from `from`. */
function due(database, count, from, span) {
  const step = (span / count).toFixed(3);
  database.sql(`
    UPDATE credential SET refresh_at = ${from} + CAST(${step} * (
      SELECT (CAST(c.account_id AS BIGINT) * 7919) % ${count} FROM connection c
      WHERE c.tenant = credential.tenant AND c.id = credential.connection_id
    ) AS BIGINT);
  `);
}

/** Has the server open the tokens of `count` connections, by asking the provider whether each works. */
async function touch(server, count) {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
  let next = 0;
  const one = (n) => new Promise((resolve, reject) => {
    const claims = { sub: `user-${n}`, email: `user-${n}@bench.example`, tenantId: `tenant-${Math.floor(n / PER_TENANT)}` };
    const headers = { authorization: `Bearer ${token({ ...claims, role: "user" })}` };
    get(`${server.base}/api/v1/unified/auth/bench/validate`, { agent, headers }, (answer) => {
      let text = "";
      answer.on("data", (piece) => (text += piece)).on("end", () => {
        JSON.parse(text).valid === true ? resolve() : reject(new Error(`connection ${n}: ${text}`));
      });
    }).on("error", reject);
  });
  const worker = async () => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  agent.destroy();
}

/** Until the next round of renewals begins, after one has ended. */
async function nextRound(provider) {
  let [seen, since] = [provider.renewals, performance.now()];
  await until("the next round", () => {
    const wasQuiet = performance.now() - since > QUIET_MS;
    if (provider.renewals === seen) return false;
    [seen, since] = [provider.renewals, performance.now()];
    return wasQuiet;
  }, { deadline: FIRST_ROUND_MS });
}

/** What the server does from its first renewal on until `ended`. */
async function renewing(server, provider, ended) {
  provider.reset();
  await until("the first renewal", () => provider.renewals > 0, { deadline: FIRST_ROUND_MS });
  const [cpu, renewals, began] = [cpuSeconds(server.pid), provider.renewals, performance.now()];
  await ended();
  const renewed = provider.renewals - renewals;
  if (provider.repeated > 0) throw new Error(`${provider.repeated} refresh tokens were redeemed twice`);
  return {
    perSecond: (renewed / (performance.now() - began)) * 1000,
    cpuPerThousand: ((cpuSeconds(server.pid) - cpu) / renewed) * 1000,
    peak: Math.max(...provider.perSecond.values()),
    resident: residentBytes(server.pid),
  };
}

async function measured(programs, home, database, provider, { count, touched, starts, seconds }) {
  mkdirSync(home);
  const began = performance.now();
  const fill = [SERVER_CORE, programs.tokens, "fill", database.url, MASTER_KEY, String(count)];
  const { stdout } = await promisify(execFile)("taskset", ["-c", ...fill]);
  const { due_by_minute: dueByMinute } = JSON.parse(stdout);
  const filledSeconds = (performance.now() - began) / 1000;
  const settings = { ...database.settings, ...provider.settings, ENCRYPTION_KEY: MASTER_KEY };
  const serve = () => Server.start(programs.jackfield, home, SERVER_CORE, settings);

  // The first start makes the other crates' tables.
  await (await serve()).stop();
  const milliseconds = [];
  let server;
  for (let n = 0; n < starts; n++) {
    await server?.stop();
    server = await serve();
    milliseconds.push(server.startMilliseconds);
  }
  await sleep(SETTLE_MS);
  const idle = residentBytes(server.pid);
  const touching = performance.now();
  await touch(server, touched);
  const touchedSeconds = (performance.now() - touching) / 1000;
  const afterTouching = residentBytes(server.pid);
  await server.stop();

  due(database, count, Date.now(), HOUR_MS);
  server = await serve();
  const steady = await renewing(server, provider, () => sleep(seconds * 1000).then(() => nextRound(provider)));
  await server.stop();

  due(database, count, Date.now() - 2 * 60_000, 60_000);
  server = await serve();
  const overdue = await renewing(server, provider, () => sleep(seconds * 1000));
  await server.stop();
  await database.stop();
  return {
    name: database.name, dueByMinute, filledSeconds, start: median(milliseconds), idle, afterTouching, touchedSeconds, steady, overdue,
  };
}

/** Measures and gives the section of the report. */
export async function connections({ programs, quick, folder }) {
  const extent = quick ? { count: 2000, touched: 500, starts: 2, seconds: 10 }
    : { count: CONNECTIONS, touched: TOUCHED, starts: 5, seconds: 60 };
  const provider = await Provider.start(folder);
  const all = [];
  for (const open of [sqlite, postgres]) {
    const database = await open(folder);
    all.push(await measured(programs, join(folder, `connections-${database.name}`), database, provider, extent));
  }
  await provider.stop();
  const row = (name, of) => [name, ...all.map(of)];
  const herd = ({ dueByMinute }) => `${thousands(Math.max(...dueByMinute))} (${thousands(extent.count / dueByMinute.length)})`;
  const toSpread = (extent.count / HOUR_MS) * 1000;
  return {
    title: "A hundred thousand connections",
    notes: `${thousands(extent.count)} connections of ${thousands(extent.count / PER_TENANT)} tenants, access tokens of an hour, refresh tokens ` +
      `for one use. Jackfield, \`serve\` as in production, on core ${SERVER_CORE}; PostgreSQL on core ${LOAD_CORE}; the provider is an ` +
      "HTTP server of the benchmark's, which counts and refuses a refresh token that comes twice (none did). Touching is " +
      `\`GET …/auth/bench/validate\` by ${thousands(extent.touched)} users, in ` +
      `${all.map(({ touchedSeconds }) => `${touchedSeconds.toFixed(0)} s`).join(" and ")}: their tokens are opened and then in memory. Renewing was ` +
      `watched for ${extent.seconds} s from the first renewal on: with all connections due spread over an hour (there, until ` +
      "the next round began), and with all of them overdue, as after an outage. The vault begins at most 100 renewals in a second, and looks for due ones every 11 to " +
      "15 s, so what came due meanwhile is renewed at that pace. The processor's time is Jackfield's, whatever it did, without " +
      "PostgreSQL's. The last line is of connections that were all consented to at once (written in " +
      `${all.map(({ filledSeconds }) => `${filledSeconds.toFixed(0)} s`).join(" and ")}), which the vault's own jitter spreads.`,
    table: table(["", ...all.map(({ name }) => name)], [
      row("start to the first 200", ({ start }) => `${start.toFixed(0)} ms`),
      row("resident, idle", ({ idle }) => mebibytes(idle)),
      row(`resident, after touching ${thousands(extent.touched)}`, ({ afterTouching }) => mebibytes(afterTouching)),
      row("resident, after renewing", ({ overdue }) => mebibytes(overdue.resident)),
      row(`due over an hour: renewals/s (${toSpread.toFixed(1)} come due)`, ({ steady }) => steady.perSecond.toFixed(1)),
      row("due over an hour: most in one second", ({ steady }) => steady.peak),
      row("due over an hour: processor seconds per 1,000 renewals", ({ steady }) => steady.cpuPerThousand.toFixed(2)),
      row("all overdue: renewals/s", ({ overdue }) => overdue.perSecond.toFixed(1)),
      row("all overdue: most in one second", ({ overdue }) => overdue.peak),
      row("all overdue: processor seconds per 1,000 renewals", ({ overdue }) => overdue.cpuPerThousand.toFixed(2)),
      row("consented to at once: due in the busiest minute (in the mean one)", herd),
    ]),
    targets: [],
  };
}
