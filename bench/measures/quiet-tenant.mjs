// What a tenant notices of another whose plugin loops for ever, called as often as it can be.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { NOTE, admin, ask, install, metric, notes, route } from "../tools/backend.mjs";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, median, percentile } from "../tools/load.mjs";
import { table, thousands } from "../tools/report.mjs";

const NOISY_CONNECTIONS = 32;
const TARGET_RATIO = 2;

/** The milliseconds that each of `times` requests takes, one after the other on one connection, with a pause between. */
async function timesOf(url, headers, times) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const once = () => new Promise((resolve, reject) => {
    const began = performance.now();
    get(url, { agent, headers }, (answer) => {
      answer.resume().on("end", () => {
        if (answer.statusCode === 200) resolve(performance.now() - began);
        else reject(new Error(`${url} answers ${answer.statusCode}`));
      });
    }).on("error", reject);
  });
  const all = [];
  for (let n = 0; n < times; n++) {
    all.push(await once());
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  agent.destroy();
  return all;
}

/** Calls `url` from many connections until it is stopped. Its answers are refusals, which is as it should be. */
function noise(url, authorization) {
  const child = spawn("taskset", ["-c", LOAD_CORE, "nice", "wrk", "-t1", `-c${NOISY_CONNECTIONS}`, "-d600s", "-H", `authorization: ${authorization}`, url], { stdio: "ignore" });
  return () => new Promise((resolve) => child.on("exit", resolve).kill("SIGINT"));
}

/** Measures and gives the section of the report. */
export async function quietTenant({ programs, quick, folder }) {
  const [rounds, times] = quick ? [1, 300] : [3, 3_000];
  const home = join(folder, "quiet-tenant");
  mkdirSync(home);
  const jackfield = await Server.start(programs.jackfield, home, SERVER_CORE);
  await jackfield.publish(notes);
  for (const tenant of ["quiet", "noisy"]) await install(jackfield, tenant);
  await ask(204, "PUT", route(jackfield, "/note"), "quiet", NOTE);
  const url = route(jackfield, "/note");
  const headers = { authorization: admin("quiet") };
  await timesOf(url, headers, 100);
  const runs = { alone: [], disturbed: [] };
  let refused = 0;
  for (let round = 0; round < rounds; round++) {
    runs.alone.push(await timesOf(url, headers, times));
    const before = await metric(jackfield, "http_requests_total");
    const stop = noise(route(jackfield, "/for-ever"), admin("noisy"));
    runs.disturbed.push(await timesOf(url, headers, times));
    await stop();
    refused += (await metric(jackfield, "http_requests_total")) - before - times;
  }
  await jackfield.stop();
  const p99 = (name) => median(runs[name].map((run) => percentile(run, 0.99)));
  const ratio = p99("disturbed") / p99("alone");
  const row = (name, label) => [label, median(runs[name].flat()).toFixed(2), p99(name).toFixed(2), Math.max(...runs[name].flat()).toFixed(1)];
  return {
    title: "A quiet tenant beside one that loops for ever",
    notes: `${thousands(times)} requests one after the other, ${rounds} times; meanwhile ${NOISY_CONNECTIONS} connections call another ` +
      `tenant's endless loop as fast as it is refused, which takes a quarter of a second (${thousands(refused)} requests). Jackfield on core ${SERVER_CORE}, both ` +
      `clients on core ${LOAD_CORE}.`,
    table: table(["the quiet tenant's requests", "p50 ms", "p99 ms", "longest ms"], [row("alone", "alone"), row("disturbed", "beside the loops")]),
    targets: [{
      name: `a quiet tenant's p99 within ${TARGET_RATIO} times`, value: ratio.toFixed(2), met: ratio <= TARGET_RATIO,
    }],
  };
}
