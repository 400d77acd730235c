// What open streams cost while nothing happens, and how long an event takes to all of them.
import { mkdirSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { admin, ask } from "../tools/backend.mjs";
import { Server, token } from "../tools/jackfield.mjs";
import { SERVER_CORE } from "../tools/load.mjs";
import { cpuSeconds, residentBytes } from "../tools/process.mjs";
import { mebibytes, table, thousands } from "../tools/report.mjs";

const STREAMS = 10_000;
const TENANTS = 100;
const AT_ONCE = 100;
const IDLE_SECONDS = 30;

/** A plugin that hears what is published, so that users may, too. */
const listening = {
  id: "listening", name: "Listening", version: "1.0.0", category: "productivity", listens: ["order.*"],
  files: { "index.tsx": "export default () => <p>orders</p>;" }, entry: "index.tsx",
};

/** The `Authorization` of one of a tenant's users. */
const user = (tenantId, n) => `Bearer ${token({ sub: `user-${n}`, tenantId, role: "user", email: `user-${n}@tenant.example`, name: `User ${n}` })}`;

/** Opens a stream and counts what comes over it. */
function open(url, authorization, came) {
  return new Promise((resolve, reject) => {
    const asking = get(url, { agent: false, headers: { authorization } }, (answer) => {
      if (answer.statusCode !== 200) return reject(new Error(`${url} answers ${answer.statusCode}`));
      answer.setEncoding("utf8").on("data", (piece) => {
        if (piece.includes("order.paid")) came();
      });
      answer.on("error", () => {});
      resolve(asking);
    });
    asking.on("error", reject);
  });
}

/** Measures and gives the section of the report; notes the server's memory with all streams open in `memory`. */
export async function idleStreams({ programs, quick, folder, memory }) {
  const [streams, seconds] = quick ? [600, 3] : [STREAMS, IDLE_SECONDS];
  const home = join(folder, "idle-streams");
  mkdirSync(home);
  const server = await Server.start(programs.jackfield, home, SERVER_CORE, {
    MAX_CONNECTIONS: String(streams + 100), EVENT_STREAMS: String(streams), EVENT_STREAMS_PER_TENANT: String(streams),
  });
  await server.publish(listening);
  for (let n = 0; n < TENANTS; n++) await ask(201, "POST", `${server.base}/plugins/install`, `tenant-${n}`, { pluginId: listening.id });
  const before = residentBytes(server.pid);
  const all = [];
  let count = 0;
  let done;
  const came = () => {
    count += 1;
    if (count === streams / 2 / TENANTS) done();
  };
  for (let n = 0; n < streams; n += AT_ONCE) {
    // Half of them follow the bus, half the tenant's plugins: a page does both.
    const opening = Array.from({ length: AT_ONCE }, (_, k) => {
      const path = k % 2 === 0 ? "/events/stream?type=order.*" : "/plugins/stream";
      return open(`${server.base}${path}`, user(`tenant-${((n + k) >> 1) % TENANTS}`, n + k), came);
    });
    all.push(...(await Promise.all(opening)));
  }
  const after = residentBytes(server.pid);
  const busy = cpuSeconds(server.pid);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const idle = (cpuSeconds(server.pid) - busy) / seconds;
  const told = new Promise((resolve) => (done = resolve));
  const began = performance.now();
  const event = { specversion: "1.0", type: "order.paid", source: "bench", id: "1", data: {} };
  const answer = await fetch(`${server.base}/events`, {
    method: "POST", headers: { authorization: admin("tenant-0"), "content-type": "application/cloudevents+json" }, body: JSON.stringify(event),
  });
  if (answer.status !== 202) throw new Error(`publishing is answered ${answer.status}: ${await answer.text()}`);
  await told;
  const took = performance.now() - began;
  memory[`with ${thousands(streams)} idle streams`] = residentBytes(server.pid);
  all.forEach((asking) => asking.destroy());
  await server.stop();
  const each = (after - before) / streams / 1024;
  return {
    title: `${thousands(streams)} idle streams of events`,
    notes: `Of users of ${TENANTS} tenants, half of events and half of the tenant's plugins, each a connection of its own. The processor's time is what all of them take while nothing happens but comments that keep them ` +
      `open, over ${seconds} s. Then one tenant's event goes to its ${thousands(streams / 2 / TENANTS)} streams.`,
    table: table(["memory before", "memory with all open", "KiB a stream", "part of a core, idle", "ms until all of the tenant's have an event"],
      [[mebibytes(before), mebibytes(after), each.toFixed(1), idle.toFixed(3), took.toFixed(0)]]),
    targets: [],
  };
}
