// How long it takes from a webhook to an open page: taken, stored, given to the handler, told by it as an event, seen by a stream.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { admin } from "../tools/backend.mjs";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, median, percentile } from "../tools/load.mjs";
import { Postgres } from "../tools/postgres.mjs";
import { table, thousands } from "../tools/report.mjs";
import { follow } from "../tools/stream.mjs";
import { listen, listener, signature } from "../tools/webhooks.mjs";

const TARGET_MS = 20;

/** The milliseconds from sending each of `times` webhooks, one after the other, until the stream has its event. */
async function timesOf(server, times) {
  const url = await listen(server, "tenant-0");
  const stream = await follow(`${server.base}/events/stream?type=listener.heard`, admin("tenant-0"));
  const all = [];
  for (let n = 0; n < times; n++) {
    const body = JSON.stringify({ tell: n });
    const headers = { "content-type": "application/json", "x-hub-signature-256": signature(body), "x-github-delivery": `reacting-${n}` };
    const began = performance.now();
    const [answer, event] = await Promise.all([fetch(url, { method: "POST", headers, body }), stream.next()]);
    all.push(performance.now() - began);
    if (!answer.ok) throw new Error(`the webhook is answered ${answer.status}`);
    if (event.data.data.tell !== n) throw new Error(`another event came: ${JSON.stringify(event)}`);
    await answer.arrayBuffer();
  }
  stream.close();
  return all;
}

/** Measures and gives the section of the report. */
export async function reacting({ programs, quick, folder }) {
  const times = quick ? 50 : 1_000;
  const home = join(folder, "reacting");
  mkdirSync(home);
  const postgres = await Postgres.start(join(home, "postgres"), LOAD_CORE);
  const runs = {};
  for (const [name, settings] of Object.entries({ SQLite: {}, PostgreSQL: { DATABASE_URL: postgres.database("jackfield") } })) {
    const own = join(home, name);
    mkdirSync(own);
    const server = await Server.start(programs.jackfield, own, SERVER_CORE, settings);
    await server.publish(listener);
    runs[name] = (await timesOf(server, times)).slice(10);
    await server.stop();
  }
  await postgres.stop();
  const middle = Math.max(...Object.values(runs).map(median));
  return {
    title: "From a webhook to a stream of events",
    notes: `${thousands(times)} webhooks one after the other: verified, stored, given to the plugin's handler, which emits an event, until that has come over a ` +
      `stream of events. Jackfield on core ${SERVER_CORE}; client and PostgreSQL on the other.`,
    table: table(["", "p50 ms", "p99 ms", "longest ms"], Object.entries(runs).map(([name, list]) =>
      [name, median(list).toFixed(1), percentile(list, 0.99).toFixed(1), Math.max(...list).toFixed(1)])),
    targets: [{ name: `from webhook to a page's stream, median under ${TARGET_MS} ms`, value: `${middle.toFixed(1)} ms`, met: middle < TARGET_MS }],
  };
}
