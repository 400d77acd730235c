// One event to 1,000 subscribers: how long until the last has it, and what that costs.
//
// The peer is a Node program that signs and sends as many requests, and keeps no record of any: Jackfield writes each delivery down
// before and after. Both send from core 0; the endpoint is on core 1.
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { admin, ask } from "../tools/backend.mjs";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, median } from "../tools/load.mjs";
import { Postgres } from "../tools/postgres.mjs";
import { cpuSeconds, freePort, residentBytes, start, stop } from "../tools/process.mjs";
import { mebibytes, table } from "../tools/report.mjs";

const SUBSCRIBERS = 1_000;
const TENANT = "tenant-0";
const AT_ONCE = 64;
const program = (name) => fileURLToPath(new URL(`../receiver/${name}.mjs`, import.meta.url));
const EVENT = JSON.stringify({ specversion: "1.0", type: "order.paid", source: "bench", id: "0", data: { amount: 1, text: "x".repeat(200) } });

/** A Node program and the lines that it writes. */
async function node(name, cores, env) {
  const child = start(cores, process.execPath, [program(name)], { env: { PATH: process.env.PATH, ...env }, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return { child, pid: child.pid, next: async () => JSON.parse((await lines.next()).value) };
}

/** Sends an event and gives the milliseconds until the endpoint has all, and the processor's seconds of `pid`. */
async function round(endpoint, pid, send) {
  const before = cpuSeconds(pid);
  const began = Date.now();
  await send();
  const { at } = await endpoint.next();
  const took = at - began;
  // What is written down after the last answer counts, too.
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { took, cpu: cpuSeconds(pid) - before };
}

/** Measures and gives the section of the report. */
export async function fanOut({ programs, quick, folder }) {
  const [rounds, subscribers] = quick ? [2, 50] : [10, SUBSCRIBERS];
  const home = join(folder, "fan-out");
  mkdirSync(home);
  const port = await freePort();
  const endpoint = await node("endpoint", LOAD_CORE, { PORT: String(port), EXPECTED: String(subscribers) });
  const url = `http://127.0.0.1:${port}/hook`;
  const postgres = await Postgres.start(join(home, "postgres"), LOAD_CORE);
  const contenders = {};
  const ending = [];
  for (const [name, settings] of Object.entries({ SQLite: {}, PostgreSQL: { DATABASE_URL: postgres.database("jackfield") } })) {
    const own = join(home, name);
    mkdirSync(own);
    const server = await Server.start(programs.jackfield, own, SERVER_CORE, {
      OUTBOUND_ALLOW: "127.0.0.1", SUBSCRIPTIONS_PER_TENANT: String(subscribers), ...settings,
    });
    const wanted = { types: ["order.*"], endpoint: { url } };
    for (let n = 0; n < subscribers; n++) await ask(201, "POST", `${server.base}/subscriptions`, TENANT, wanted);
    let id = 0;
    const send = async () => {
      const headers = { authorization: admin(TENANT), "content-type": "application/cloudevents+json" };
      const body = EVENT.replace('"id":"0"', `"id":"${(id += 1)}"`);
      const answer = await fetch(`${server.base}/events`, { method: "POST", headers, body });
      if (answer.status !== 202) throw new Error(`publishing is answered ${answer.status}: ${await answer.text()}`);
    };
    contenders[`Jackfield, ${name}`] = [server.pid, send];
    ending.push(() => server.stop());
  }
  const sender = await node("sender", SERVER_CORE, { URLS: url, EXPECTED: String(subscribers), AT_ONCE: String(AT_ONCE) });
  contenders["Node, no record"] = [sender.pid, async () => sender.child.stdin.write(`${EVENT}\n`)];
  const runs = {};
  for (let n = 0; n < rounds; n++) {
    for (const [name, [pid, send]] of Object.entries(contenders)) (runs[name] ??= []).push(await round(endpoint, pid, send));
  }
  const rows = Object.entries(runs).map(([name, list]) => [
    name, median(list.map(({ took }) => took)).toFixed(0), Math.max(...list.map(({ took }) => took)).toFixed(0),
    ((median(list.map(({ cpu }) => cpu)) / subscribers) * 1e6).toFixed(0), mebibytes(residentBytes(contenders[name][0])),
  ]);
  const gone = once(sender.child, "exit");
  sender.child.stdin.end();
  await gone;
  await Promise.all(ending.map((end) => end()));
  await stop(endpoint.child);
  await postgres.stop();
  return {
    title: "One event to many subscribers",
    notes: `${subscribers} subscriptions of one tenant to one endpoint, each delivery signed by Standard Webhooks; ${rounds} events, one after the other, taking turns. ` +
      `The sender in Node keeps ${AT_ONCE} connections, writes nothing down and tries nothing again. Senders on core ${SERVER_CORE}; endpoint and PostgreSQL on core ${LOAD_CORE}.`,
    table: table(["", "ms until the last has it, median", "longest", "processor µs per delivery", "memory"], rows),
    targets: [],
  };
}
