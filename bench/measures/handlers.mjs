// A handler that reads storage and answers 1 KB: in Jackfield's sandbox, and in worker threads behind Fastify.
//
// Both check the caller's JWT and read a SQLite file at each request. Each has core 0 alone; wrk has core 1. They take
// turns. What an instance costs is measured by adding some: tenants here, threads there.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { NOTE, ask, install, notes, route } from "../tools/backend.mjs";
import { Fastify } from "../tools/fastify.mjs";
import { Server, token } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, load, together } from "../tools/load.mjs";
import { residentBytes } from "../tools/process.mjs";
import { table, thousands } from "../tools/report.mjs";

const TENANT = "tenant-0";
const CONNECTIONS = 16;
const THREADS = 2;
const MORE_THREADS = 18;
const TENANTS = 200;
const TARGET_MS = 1;

const authorization = `Bearer ${token({ sub: "user", tenantId: TENANT, role: "user" })}`;

async function jackfieldInstance(server) {
  const tenants = Array.from({ length: TENANTS }, (_, n) => `tenant-${n + 1}`);
  for (const tenant of tenants) await install(server, tenant);
  const before = residentBytes(server.pid);
  for (const tenant of tenants) await ask(404, "GET", route(server, "/note"), tenant);
  return (residentBytes(server.pid) - before) / TENANTS;
}

async function fastifyInstance(folder, own) {
  const more = await Fastify.start(folder, SERVER_CORE, { threads: MORE_THREADS, notes: { [TENANT]: NOTE } });
  const bytes = (residentBytes(more.pid) - residentBytes(own.pid)) / (MORE_THREADS - THREADS);
  await more.stop();
  return bytes;
}

/** Measures and gives the section of the report; notes the server's memory after the load in `memory`. */
export async function handlers({ programs, quick, folder, memory }) {
  const [rounds, seconds] = quick ? [1, 2] : [3, 10];
  const home = join(folder, "handlers");
  mkdirSync(home, { recursive: true });
  const jackfield = await Server.start(programs.jackfield, home, SERVER_CORE);
  await jackfield.publish(notes);
  await install(jackfield, TENANT);
  await ask(204, "PUT", route(jackfield, "/note"), TENANT, NOTE);
  const fastify = await Fastify.start(join(home, "fastify"), SERVER_CORE, { threads: THREADS, notes: { [TENANT]: NOTE } });
  const contenders = { Fastify: [`${fastify.base}/note`, fastify.pid], Jackfield: [route(jackfield, "/note"), jackfield.pid] };
  const bodies = await Promise.all(Object.values(contenders).map(async ([url]) =>
    (await fetch(url, { headers: { authorization } })).json()));
  if (JSON.stringify(bodies[0]) !== JSON.stringify(bodies[1])) throw new Error(`the answers differ: ${JSON.stringify(bodies)}`);

  const runs = {};
  for (let round = 0; round < rounds; round++) {
    for (const connections of [1, CONNECTIONS]) {
      for (const [name, [url, pid]] of Object.entries(contenders)) {
        const run = await load(url, { connections, seconds, headers: { authorization }, pids: [pid] });
        (runs[`${name}, ${connections} at a time`] ??= []).push(run);
      }
    }
  }
  memory["after calling a handler"] = residentBytes(jackfield.pid);
  const instances = { Jackfield: await jackfieldInstance(jackfield), Fastify: await fastifyInstance(join(home, "more"), fastify) };
  await Promise.all([jackfield.stop(), fastify.stop()]);

  const figures = Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, together(list)]));
  const kibibytes = (bytes) => `${thousands(bytes / 1024)} KiB`;
  const alone = figures["Jackfield, 1 at a time"];
  return {
    title: "A handler that reads storage and answers 1 KB",
    notes: `${Buffer.byteLength(JSON.stringify(bodies[0]))} bytes of JSON, HS256 token checked, one row read from SQLite by both. ` +
      `Jackfield: one instance for each tenant and plugin, the request and its log line included. Fastify ${Fastify.version()}: ` +
      `${THREADS} threads that any tenant's request may meet, no log. ${rounds} runs of ${seconds} s each, taking turns, on core ` +
      `${SERVER_CORE}; wrk on core ${LOAD_CORE}. Memory of an instance: ${TENANTS} tenants' first calls here, ` +
      `${MORE_THREADS - THREADS} threads more there.`,
    table: table(["", "requests/s", "p50 ms", "p99 ms", "processor µs per request", "memory of an instance"],
      Object.entries(figures).map(([name, { perSecond, p50, p99, cpuMicroseconds }]) =>
        [name, thousands(perSecond), p50.toFixed(2), p99.toFixed(2), cpuMicroseconds.toFixed(0),
          kibibytes(instances[name.split(",")[0]])])),
    targets: [{
      name: `a warm handler, median under ${TARGET_MS} ms`, value: `${alone.p50.toFixed(2)} ms`, met: alone.p50 < TARGET_MS,
    }],
  };
}
