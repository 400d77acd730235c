// Webhooks that are verified and stored before they are answered: Jackfield, and Fastify that inserts each by itself.
//
// Each has core 0 alone, PostgreSQL and wrk have core 1. They take turns. In Jackfield the plugin's handler is given the webhooks
// meanwhile, on the same core; Fastify gives them to nobody.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, load, together } from "../tools/load.mjs";
import { Postgres } from "../tools/postgres.mjs";
import { residentBytes } from "../tools/process.mjs";
import { mebibytes, table, thousands } from "../tools/report.mjs";
import { BODY, Receiver, listen, listener, signature } from "../tools/webhooks.mjs";

const CONNECTIONS = 64;
const TARGET_PER_SECOND = 20_000;

/** Measures and gives the section of the report; notes the server's memory after the load in `memory`. */
export async function webhooks({ programs, quick, folder, memory }) {
  const [rounds, seconds] = quick ? [1, 2] : [3, 5];
  const home = join(folder, "webhooks");
  mkdirSync(home);
  const body = join(home, "body");
  writeFileSync(body, BODY);
  const postgres = await Postgres.start(join(home, "postgres"), LOAD_CORE);
  const stores = {
    SQLite: [{}, { SQLITE: join(home, "receiver.db") }],
    PostgreSQL: [{ DATABASE_URL: postgres.database("jackfield") }, { POSTGRES: postgres.database("receiver") }],
  };
  const contenders = {};
  const servers = [];
  for (const [name, [settings, store]] of Object.entries(stores)) {
    const own = join(home, name);
    mkdirSync(own);
    const jackfield = await Server.start(programs.jackfield, own, SERVER_CORE, { WEBHOOK_MAX_WAITING: "10000000", RATE_LIMIT_WEBHOOKS: "0", ...settings });
    await jackfield.publish(listener);
    contenders[`Jackfield, ${name}`] = [await listen(jackfield, "tenant-0"), jackfield.pid];
    const receiver = await Receiver.start(SERVER_CORE, store);
    contenders[`Fastify, ${name}`] = [`${receiver.base}/webhook`, receiver.pid];
    servers.push(jackfield, receiver);
  }
  const runs = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, [url, pid]] of Object.entries(contenders)) {
      const run = await load(url, {
        connections: CONNECTIONS, seconds, pids: [pid],
        webhook: { WEBHOOK_BODY: body, WEBHOOK_SIGNATURE: signature(BODY), WEBHOOK_RUN: `${name}-${round}` },
      });
      (runs[name] ??= []).push(run);
    }
  }
  memory["after taking webhooks"] = residentBytes(servers[0].pid);
  const resident = Object.fromEntries(Object.entries(contenders).map(([name, [, pid]]) => [name, residentBytes(pid)]));
  await Promise.all(servers.map((server) => server.stop()));
  await postgres.stop();
  const figures = Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, together(list)]));
  const { perSecond } = figures["Jackfield, SQLite"];
  return {
    title: "Webhooks verified and stored",
    notes: `${BODY.length} bytes of JSON with GitHub's signature and an id of its own each, over ${CONNECTIONS} connections; answered once they ` +
      `are durable (SQLite with synchronous=FULL). Jackfield also looks the installation up by its secret address, drops what came before, queues ` +
      `the delivery and calls the plugin's handler; Fastify checks the signature and inserts. ${rounds} runs of ${seconds} s each, taking turns, on core ` +
      `${SERVER_CORE}; wrk and PostgreSQL on core ${LOAD_CORE}.`,
    table: table(["", "webhooks/s", "p50 ms", "p99 ms", "processor µs per webhook", "memory"],
      Object.entries(figures).map(([name, { perSecond: rate, p50, p99, cpuMicroseconds }]) =>
        [name, thousands(rate), p50.toFixed(2), p99.toFixed(2), cpuMicroseconds.toFixed(0), mebibytes(resident[name])])),
    targets: [{
      name: `webhooks on SQLite, at least ${thousands(TARGET_PER_SECOND)}/s`, value: `${thousands(perSecond)}/s`, met: perSecond >= TARGET_PER_SECOND,
    }],
  };
}
