// 10,000 tenants with a backend each, of which at most 2,000 are warm: what a cold start takes, and what stays in memory.
//
// Requests go round all tenants, so that each finds its instance gone: the worst there is. Then most are of a few tenants, as
// in life.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { admin, ask, install, metric, notes, route } from "../tools/backend.mjs";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, load } from "../tools/load.mjs";
import { forgetPeak, peakBytes } from "../tools/process.mjs";
import { mebibytes, table, thousands } from "../tools/report.mjs";

const TENANTS = 10_000;
const WARM = 2_000;
const FEW = 1_000;
const TARGET_COLD_MS = 20;
const TARGET_BYTES = 2 * 1024 ** 3;

/** Copies the first tenant's installation and note to all others: installing each over HTTP would leave the same rows. */
function seed(database, tenants) {
  const columns = (name) => execFileSync("sqlite3", [database, `SELECT name FROM pragma_table_info('${name}')`], { encoding: "utf8" }).trim().split("\n");
  const copy = (name) => {
    const all = columns(name);
    const others = all.filter((column) => column !== "tenant");
    return `INSERT INTO ${name} (tenant, ${others}) SELECT 'tenant-' || n, ${others.map((column) => `t.${column}`)} FROM number, ${name} t WHERE t.tenant = 'tenant-0';`;
  };
  execFileSync("sqlite3", [database], {
    input: `CREATE TEMP TABLE number AS WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n + 1 < ${tenants}) SELECT n FROM c;
      ${copy("installation")} ${copy("plugin_value")}`,
  });
}

function tokens(folder, name, tenants) {
  const file = join(folder, `tokens-${name}`);
  writeFileSync(file, tenants.map((n) => admin(`tenant-${n}`).slice("Bearer ".length)).join("\n") + "\n");
  return file;
}

/** Nine of ten requests are of the first `FEW` tenants, in an order that is the same in every run. */
function skewed(length, tenants) {
  let state = 1;
  const random = (below) => (state = (state * 48_271) % 2_147_483_647) % below;
  return Array.from({ length }, () => (random(10) < 9 ? random(Math.min(FEW, tenants)) : random(tenants)));
}

/** Measures and gives the section of the report; notes the server's memory after the load in `memory`. */
export async function manyTenants({ programs, quick, folder, memory }) {
  const [seconds, tenants] = quick ? [3, 3_000] : [30, TENANTS];
  const home = join(folder, "many-tenants");
  mkdirSync(home);
  const first = await Server.start(programs.jackfield, home, SERVER_CORE);
  await first.publish(notes);
  await install(first, "tenant-0");
  await ask(204, "PUT", route(first, "/note"), "tenant-0", "a note");
  await first.stop();
  seed(join(home, "data/jackfield.db"), tenants);

  const jackfield = await Server.start(programs.jackfield, home, SERVER_CORE, { PLUGIN_WARM_INSTANCES: String(WARM) });
  await ask(200, "GET", route(jackfield, "/note"), `tenant-${tenants - 1}`);
  forgetPeak(jackfield.pid);
  const orders = {
    "one tenant after the other, 1 at a time": [Array.from({ length: tenants }, (_, n) => n), 1],
    "one tenant after the other, 16 at a time": [Array.from({ length: tenants }, (_, n) => n), 16],
    [`nine of ten of ${thousands(FEW)} tenants, 16 at a time`]: [skewed(50_000, tenants), 16],
  };
  const rows = [];
  for (const [name, [order, connections]] of Object.entries(orders)) {
    const run = await load(route(jackfield, "/note"), {
      connections, seconds, tokens: tokens(folder, connections + name.slice(0, 4), order), pids: [jackfield.pid],
    });
    rows.push({ name, ...run, warm: await metric(jackfield, "jackfield_sandbox_warm_instances") });
  }
  const peak = peakBytes(jackfield.pid);
  memory[`after ${thousands(tenants)} tenants' backends`] = peak;
  await jackfield.stop();
  const warm = Math.max(...rows.map((row) => row.warm));
  return {
    title: `The backends of ${thousands(tenants)} tenants`,
    notes: `The same plugin in ${thousands(tenants)} tenants, each with an instance of its own and a note in storage; at most ` +
      `${thousands(WARM)} instances are kept warm. Installed by SQL, called over HTTP with each tenant's own token. ${seconds} s each. ` +
      `Jackfield on core ${SERVER_CORE}, wrk on core ${LOAD_CORE}.`,
    table: table(["", "requests/s", "p50 ms", "p99 ms", "processor µs per request", "warm instances"],
      rows.map(({ name, requests, seconds: took, p50, p99, cpu, warm: kept }) =>
        [name, thousands(requests / took), p50.toFixed(2), p99.toFixed(2), ((cpu / requests) * 1e6).toFixed(0), thousands(kept)])),
    targets: [
      { name: `a cold start, median under ${TARGET_COLD_MS} ms`, value: `${rows[0].p50.toFixed(2)} ms`, met: rows[0].p50 < TARGET_COLD_MS },
      { name: `${thousands(tenants)} tenants with at most ${thousands(WARM)} warm`, value: thousands(warm), met: warm <= WARM && warm > 0 },
      { name: `${thousands(tenants)} tenants within ${mebibytes(TARGET_BYTES)}`, value: mebibytes(peak), met: peak <= TARGET_BYTES },
    ],
  };
}
