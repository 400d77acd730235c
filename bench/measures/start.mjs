// From the start of the program to its first 200, and the memory it then has.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Server } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, median } from "../tools/load.mjs";
import { children, residentBytes } from "../tools/process.mjs";
import { mebibytes, table } from "../tools/report.mjs";

const TARGET_MS = 300;
const TARGET_BYTES = 60 * 1024 * 1024;
/** Long enough for the first worker of the bundler to be there. */
const SETTLE_MS = 2000;

/** Starts on `home` and gives what it took and what it holds once it is idle. */
async function once(programs, home) {
  const server = await Server.start(programs.jackfield, home, `${SERVER_CORE},${LOAD_CORE}`);
  await sleep(SETTLE_MS);
  const resident = residentBytes(server.pid);
  const workers = children(server.pid).reduce((sum, pid) => sum + residentBytes(pid), 0);
  await server.stop();
  return { milliseconds: server.startMilliseconds, resident, workers };
}

/** Measures and gives the section of the report. `memory` has what other measures left. */
export async function startUp({ programs, quick, folder, memory }) {
  const first = [];
  const later = [];
  for (let n = 0; n < (quick ? 2 : 7); n++) {
    const home = join(folder, `start-${n}`);
    mkdirSync(home);
    first.push(await once(programs, home));
    later.push(await once(programs, home));
  }
  const of = (list, name) => median(list.map((figures) => figures[name]));
  const starts = [of(first, "milliseconds"), of(later, "milliseconds")];
  const resident = of(later, "resident");
  const rows = [
    ["first start, empty folder: to the first 200", `${starts[0].toFixed(0)} ms`],
    ["later start: to the first 200", `${starts[1].toFixed(0)} ms`],
    ["resident, idle: the server", mebibytes(resident)],
    ["resident, idle: the bundler's warm worker, a process of its own", mebibytes(of(later, "workers"))],
    ...Object.entries(memory).map(([when, bytes]) => [`resident, ${when}: the server`, mebibytes(bytes)]),
  ];
  return {
    title: "Start and memory",
    notes: `Medians of ${first.length} starts on both cores.`,
    table: table(["", "measured"], rows),
    targets: [
      { name: `start to the first 200 within ${TARGET_MS} ms`, value: rows[0][1], met: Math.max(...starts) <= TARGET_MS },
      { name: `at most ${mebibytes(TARGET_BYTES)} resident when idle`, value: mebibytes(resident), met: resident <= TARGET_BYTES },
    ],
  };
}
