// Bundling one plugin of three TSX files: Jackfield with warm workers, esbuild's command line, esbuild's long-lived API.
//
// The three take turns, so that whatever else the machine does meets them all. Jackfield's time is of two bundles
// (with shims and with bare imports), the reading of the definition, and the way to the worker and back; esbuild makes
// both bundles in one row, and in the others the one with bare imports alone.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";
import { table } from "../tools/report.mjs";

const bench = fileURLToPath(new URL("..", import.meta.url));
const ESBUILD = join(bench, "node_modules/@esbuild", `${process.platform}-${process.arch}`, "bin/esbuild");
const EXTERNALS = ["react", "react-dom", "react/jsx-runtime", "@jackfield/plugin-sdk"];
const TARGET_MS = 5;

function options(outdir) {
  return {
    entryPoints: [join(bench, "plugin/src/index.tsx")],
    bundle: true,
    format: "esm",
    jsx: "automatic",
    minify: true,
    sourcemap: true,
    external: EXTERNALS,
    entryNames: "[name]-[hash]",
    outdir,
    logLevel: "error",
    // As in a server that stores the bundle elsewhere.
    write: false,
  };
}

async function timed(times, count, run) {
  for (let n = 0; n < count; n++) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
}

function jackfield(program, times, count) {
  const text = execFileSync(program, [String(count)], { encoding: "utf8" });
  times.push(...JSON.parse(text).milliseconds);
}

async function api(folder, times, count) {
  const run = () => build(options(folder));
  await timed([], 20, run);
  await timed(times, count, run);
}

// What Jackfield makes: the same modules once from shims and once left bare, at the same time.
const shim = (name) => join(bench, "shims", name);
const ALIASES = {
  "react/jsx-runtime": shim("react_jsx-runtime.cjs"),
  react: shim("react.cjs"),
  "@jackfield/plugin-sdk": shim("_jackfield_plugin-sdk.cjs"),
};

async function both(folder, times, count) {
  const shimmed = { ...options(folder), external: [], alias: ALIASES };
  const run = () => Promise.all([build(options(folder)), build(shimmed)]);
  await timed([], 20, run);
  await timed(times, count, run);
}

async function rebuild(folder, times, count) {
  const kept = await context(options(folder));
  await timed([], 20, () => kept.rebuild());
  await timed(times, count, () => kept.rebuild());
  await kept.dispose();
}

async function cli(folder, times, count) {
  const args = [
    ...options().entryPoints, "--bundle", "--format=esm", "--jsx=automatic", "--minify", "--sourcemap",
    "--entry-names=[name]-[hash]", `--outdir=${folder}`, "--log-level=error",
    ...EXTERNALS.map((name) => `--external:${name}`),
  ];
  const run = () => execFileSync(ESBUILD, args);
  await timed([], 5, run);
  await timed(times, count, run);
}

/** Measures and gives the section of the report. */
export async function bundling({ programs, quick }) {
  const [rounds, builds, starts] = quick ? [1, 50, 10] : [3, 300, 60];
  const times = { jackfield: [], both: [], api: [], rebuild: [], cli: [] };
  const folder = mkdtempSync(join(tmpdir(), "jackfield-bench-"));
  for (let round = 0; round < rounds; round++) {
    jackfield(programs.bundling, times.jackfield, builds);
    await both(folder, times.both, builds);
    await api(folder, times.api, builds);
    await rebuild(folder, times.rebuild, builds);
    await cli(folder, times.cli, starts);
  }
  rmSync(folder, { recursive: true });

  for (const list of Object.values(times)) list.sort((a, b) => a - b);
  const at = (list, share) => list[Math.min(list.length - 1, Math.floor(list.length * share))];
  const row = (name, list) => [name, list.length, at(list, 0.5).toFixed(2), at(list, 0.99).toFixed(2)];
  const own = at(times.jackfield, 0.5);
  const others = [times.both, times.api, times.rebuild, times.cli].map((list) => at(list, 0.5));
  return {
    title: "Bundling a plugin of three TSX files",
    notes: "The two bundles are the one with shims for the host's modules and the one with bare imports, each with its " +
      "source map. Jackfield also reads the plugin's definition.",
    table: table(["", "builds", "median ms", "p99 ms"], [
      row("Jackfield, warm workers: both bundles", times.jackfield),
      row("esbuild API: both bundles", times.both),
      row("esbuild API: one bundle", times.api),
      row("esbuild API, `rebuild` of a context: one bundle", times.rebuild),
      row("esbuild CLI: one bundle", times.cli),
    ]),
    targets: [
      { name: `bundling, median at most ${TARGET_MS} ms`, value: `${own.toFixed(2)} ms`, met: own <= TARGET_MS },
      {
        name: "bundling ahead of esbuild: API both, API one, rebuild, CLI",
        value: others.map((other) => `${(other / own).toFixed(2)}×`).join(", "),
        met: others.every((other) => own < other),
      },
    ],
  };
}
