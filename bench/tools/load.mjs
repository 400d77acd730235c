// Load by wrk: one thread, on a core of its own.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cpuSeconds } from "./process.mjs";

const script = fileURLToPath(new URL("wrk.lua", import.meta.url));

/** The core of the servers that are measured, and the core of the load and the database. */
export const SERVER_CORE = "0";
export const LOAD_CORE = "1";

/**
 * Asks for `url` as fast as it is answered, over `connections`, for `seconds`. `pids` are the processes whose time is
 * counted. Gives requests, seconds, p50 and p99 in milliseconds, and the processor's seconds. An error of any kind,
 * a status from 400 on among them, fails the run.
 */
export async function load(url, { connections, seconds, headers = {}, tokens, webhook = {}, pids }) {
  const args = ["-c", LOAD_CORE, "wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "-s", script];
  for (const [name, value] of Object.entries(headers)) args.push("-H", `${name}: ${value}`);
  const cpu = () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = cpu();
  const env = { ...process.env, ...(tokens ? { TOKENS: tokens } : {}), ...webhook };
  const { stdout } = await promisify(execFile)("taskset", [...args, url], { env });
  const figures = JSON.parse(stdout.split("\n").find((line) => line.startsWith("{")));
  if (figures.errors > 0 || figures.requests === 0) throw new Error(`${url}: ${JSON.stringify(figures)}`);
  return { ...figures, cpu: cpu() - before };
}

/** Several runs as one: totals, and the median of the percentiles. */
export function together(runs) {
  const total = (name) => runs.reduce((sum, run) => sum + run[name], 0);
  return {
    perSecond: total("requests") / total("seconds"),
    cpuMicroseconds: (total("cpu") / total("requests")) * 1e6,
    p50: median(runs.map((run) => run.p50)),
    p99: median(runs.map((run) => run.p99)),
  };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value that a part of all, 0.99 say, do not exceed. */
export function percentile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)];
}
