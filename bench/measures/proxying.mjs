// The proxy to a plugin's own server, beside nginx with keep-alive to the same server.
//
// Jackfield checks the caller's JWT, the tenant's installation and the plugin's grants, and signs who is calling; nginx passes
// the request on. Each has core 0; wrk and the server behind have core 1. They take turns.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { install, route } from "../tools/backend.mjs";
import { Server, token } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, load, together } from "../tools/load.mjs";
import { Nginx } from "../tools/nginx.mjs";
import { residentBytes } from "../tools/process.mjs";
import { table, thousands } from "../tools/report.mjs";

const CONNECTIONS = 64;
const TARGET_RATIO = 1.5;
const TENANT = "tenant-0";

/** Measures and gives the section of the report; notes the server's memory after the load in `memory`. */
export async function proxying({ programs, quick, folder, memory }) {
  const [rounds, seconds] = quick ? [1, 2] : [3, 10];
  const home = join(folder, "proxying");
  mkdirSync(join(home, "proxy"), { recursive: true });
  const upstream = await Nginx.answering(home, LOAD_CORE);
  const nginx = await Nginx.proxying(join(home, "proxy"), SERVER_CORE, upstream.base);
  const jackfield = await Server.start(programs.jackfield, home, SERVER_CORE, { OUTBOUND_ALLOW: "127.0.0.1" });
  const backend = { upstream: `${upstream.base}/` };
  await jackfield.publish({ id: "tiny", name: "Tiny", version: "1.0.0", category: "productivity", backend });
  await install(jackfield, TENANT, "tiny");

  const authorization = `Bearer ${token({ sub: "user", tenantId: TENANT, role: "user" })}`;
  const contenders = {
    nginx: [`${nginx.base}/hello`, nginx.pids], Jackfield: [route(jackfield, "/hello", "tiny"), [jackfield.pid]],
  };
  const runs = { nginx: [], Jackfield: [] };
  for (let round = 0; round < rounds; round++) {
    for (const [name, [url, pids]] of Object.entries(contenders)) {
      runs[name].push(await load(url, { connections: CONNECTIONS, seconds, headers: { authorization }, pids }));
    }
  }
  const bytes = residentBytes(jackfield.pid);
  memory["after proxying"] = bytes;
  await Promise.all([jackfield.stop(), nginx.stop(), upstream.stop()]);

  const figures = Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, together(list)]));
  const ratio = figures.Jackfield.cpuMicroseconds / figures.nginx.cpuMicroseconds;
  return {
    title: "The proxy to a plugin's own server",
    notes: `GET of 13 bytes over ${CONNECTIONS} connections. Jackfield: HS256 token, tenant's installation, signed context, a log ` +
      `line for each request; nginx: keep-alive to the same server, no check, no log. ${rounds} runs of ${seconds} s each, taking ` +
      `turns, one thread or process each on core ${SERVER_CORE}; wrk and the server behind on core ${LOAD_CORE}.`,
    table: table(["", "requests/s", "p50 ms", "p99 ms", "processor µs per request"],
      Object.entries(figures).map(([name, { perSecond, p50, p99, cpuMicroseconds }]) =>
        [name, thousands(perSecond), p50.toFixed(2), p99.toFixed(2), cpuMicroseconds.toFixed(1)])),
    targets: [{
      name: `proxying, processor time per request at most ${TARGET_RATIO} times nginx's`, value: ratio.toFixed(2),
      met: ratio <= TARGET_RATIO,
    }],
  };
}
