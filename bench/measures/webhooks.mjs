// Webhooks that are verified and stored before they are answered: Jackfield, and Fastify that inserts each by itself.
//
// Each has core 0 alone, PostgreSQL and wrk have core 1. They take turns, and nobody begins before the others rest. In Jackfield the
// plugin's handler is given the webhooks meanwhile, on the same core; Fastify gives them to nobody. So Jackfield is measured with a handler that
// waits, too: then it does little more than Fastify, and its webhooks wait in the queue.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { metric } from "../tools/backend.mjs";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, load, together } from "../tools/load.mjs";
import { Postgres } from "../tools/postgres.mjs";
import { cpuSeconds, residentBytes, until } from "../tools/process.mjs";
import { mebibytes, table, thousands } from "../tools/report.mjs";
import { BODY, Receiver, listen, listener, signature, waiting } from "../tools/webhooks.mjs";

const CONNECTIONS = 64;
const TARGET_PER_SECOND = 20_000;

/** How many deliveries a server has made. */
const given = (server) => metric(server, "jackfield_delivery_attempts_total");

/** Measures and gives the section of the report; notes the server's memory after the load in `memory`. */
export async function webhooks({ programs, quick, folder, memory }) {
  const [rounds, seconds] = quick ? [1, 2] : [3, 5];
  const home = join(folder, "webhooks");
  mkdirSync(home);
  const body = join(home, "body");
  writeFileSync(body, BODY);
  const postgres = await Postgres.start(join(home, "postgres"), LOAD_CORE);
  const stores = {
    SQLite: [() => ({}), { SQLITE: join(home, "receiver.db") }],
    PostgreSQL: [(database) => ({ DATABASE_URL: postgres.database(database) }), { POSTGRES: postgres.database("receiver") }],
  };
  const contenders = {};
  for (const [name, [settings, store]] of Object.entries(stores)) {
    for (const plugin of [listener, waiting]) {
      const own = join(home, `${name}-${plugin.id}`);
      mkdirSync(own);
      const handed = plugin === listener;
      const server = await Server.start(programs.jackfield, own, SERVER_CORE, {
        WEBHOOK_MAX_WAITING: "10000000", RATE_LIMIT_WEBHOOKS: "0", ...settings(`jackfield_${plugin.id}`),
      });
      await server.publish(plugin);
      contenders[`Jackfield, ${name}${handed ? "" : ", the handler waits"}`] = { url: await listen(server, "tenant-0", plugin), server, drains: handed };
    }
    const receiver = await Receiver.start(SERVER_CORE, store);
    contenders[`Fastify, ${name}`] = { url: `${receiver.base}/webhook`, server: receiver };
  }
  const runs = {};
  const drained = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, { url, server, drains }] of Object.entries(contenders)) {
      const before = drains && { given: await given(server), cpu: cpuSeconds(server.pid), at: performance.now() };
      const run = await load(url, {
        connections: CONNECTIONS, seconds, pids: [server.pid],
        webhook: { WEBHOOK_BODY: body, WEBHOOK_SIGNATURE: signature(BODY), WEBHOOK_RUN: `${name}-${round}` },
      });
      (runs[name] ??= []).push(run);
      if (!drains) continue;
      await until("all webhooks were given to the handler", async () => (await given(server)) - before.given >= run.requests, { deadline: 120_000, pause: 50 });
      run.cpu = cpuSeconds(server.pid) - before.cpu;
      (drained[name] ??= []).push({ requests: run.requests, seconds: (performance.now() - before.at) / 1000 });
    }
  }
  memory["after taking webhooks"] = residentBytes(contenders["Jackfield, SQLite"].server.pid);
  const resident = Object.fromEntries(Object.entries(contenders).map(([name, { server }]) => [name, residentBytes(server.pid)]));
  await Promise.all(Object.values(contenders).map(({ server }) => server.stop()));
  await postgres.stop();
  const figures = Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, together(list)]));
  const { perSecond } = figures["Jackfield, SQLite, the handler waits"];
  const rate = (list) => list.reduce((sum, run) => sum + run.requests, 0) / list.reduce((sum, run) => sum + run.seconds, 0);
  return {
    title: "Webhooks verified and stored",
    notes: `${BODY.length} bytes of JSON with GitHub's signature and an id of its own each, over ${CONNECTIONS} connections; answered once they ` +
      `are durable (SQLite with synchronous=FULL). Jackfield also looks the installation up by its secret address, drops what came before, queues ` +
      `the delivery and calls the plugin's handler, whose time is counted until it has been given all; Fastify checks the signature and inserts. ${rounds} runs of ${seconds} s each, taking turns, on core ` +
      `${SERVER_CORE}; wrk and PostgreSQL on core ${LOAD_CORE}.`,
    table: table(["", "webhooks/s", "given to the handler/s", "p50 ms", "p99 ms", "processor µs per webhook", "memory"],
      Object.entries(figures).map(([name, { perSecond: taken, p50, p99, cpuMicroseconds }]) =>
        [name, thousands(taken), drained[name] ? thousands(rate(drained[name])) : "", p50.toFixed(2), p99.toFixed(2), cpuMicroseconds.toFixed(0), mebibytes(resident[name])])),
    targets: [{
      name: `webhooks verified and stored on SQLite, at least ${thousands(TARGET_PER_SECOND)}/s`, value: `${thousands(perSecond)}/s`, met: perSecond >= TARGET_PER_SECOND,
    }],
  };
}
