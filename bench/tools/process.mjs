// Processes: starting them on given cores, what they cost, ending them.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux of today
const STOP_DEADLINE_MS = 10_000;
const running = new Set();

// Nothing that was started outlives the benchmark.
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** Starts `program` on the cores of `cores` ("0", "0,1"); taskset replaces itself by it, so the id is the program's. */
export function start(cores, program, args, options) {
  const child = spawn("taskset", ["-c", cores, program, ...args], options);
  running.add(child);
  child.on("exit", () => running.delete(child));
  return child;
}

/** Ends a process and waits until it is gone. */
export async function stop(child, signal = "SIGTERM") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS);
  await gone;
  clearTimeout(late);
}

/** The processes that any thread of `pid` started. */
export function children(pid) {
  const ids = (thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim().split(" ");
  return readdirSync(`/proc/${pid}/task`).flatMap(ids).filter(Boolean).map(Number);
}

/** Seconds of processor time that a process has used, in its own code and in the kernel's, by all its threads. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)[1]) * 1024;
}

/** The most memory in bytes that was resident since the start, or since `forgetPeak`. */
export function peakBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)[1]) * 1024;
}

/** Has `peakBytes` begin anew (proc(5), clear_refs). */
export function forgetPeak(pid) {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** The first line of JSON that a process prints. */
export async function firstLine(child) {
  let text = "";
  for await (const piece of child.stdout) {
    text += piece;
    if (text.includes("\n")) break;
  }
  return JSON.parse(text);
}

/** A port of loopback that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Tries `attempt` every `pause` milliseconds until it is true. */
export async function until(what, attempt, { pause = 20, deadline = 30_000 } = {}) {
  const end = performance.now() + deadline;
  while (!(await attempt())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${deadline} ms`);
    await sleep(pause);
  }
}
