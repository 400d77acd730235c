// Bundling one plugin of three TSX files: Jackfield with warm workers, esbuild's command line, esbuild's long-lived API.
//
//   node run.mjs [path of the compiled benchmark]
//
// Without the path, `cargo bench -p bundler` compiles and runs it. The three take turns, so that whatever else the
// machine does meets them all. Jackfield's time is of two bundles (with shims and with bare imports), the reading of
// the definition, and the way to the worker and back. esbuild's rows are of one bundle with bare imports, except for
// the one that says that it makes both.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, context } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "jackfield-bench-"));
const externals = ["react", "react-dom", "react/jsx-runtime", "@jackfield/plugin-sdk"];
const ROUNDS = 3;
const API_BUILDS = 200;
const CLI_BUILDS = 60;

function jackfield() {
  const [program, args] = process.argv[2]
    ? [process.argv[2], []]
    : ["cargo", ["bench", "--quiet", "-p", "bundler", "--bench", "bundling"]];
  const text = execFileSync(program, args, { cwd: here, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  const line = text.split("\n").find((found) => found.startsWith("{"));
  return JSON.parse(line).milliseconds;
}

const options = {
  entryPoints: [join(here, "plugin/src/index.tsx")],
  bundle: true,
  format: "esm",
  jsx: "automatic",
  minify: true,
  sourcemap: true,
  external: externals,
  entryNames: "[name]-[hash]",
  outdir: folder,
  logLevel: "error",
};

async function timed(times, count, run) {
  for (let n = 0; n < count; n++) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
}

async function api(times) {
  // `write: false` as in a server that stores the bundle elsewhere; a context would answer from its cache.
  const run = () => build({ ...options, write: false });
  await timed([], 20, run);
  await timed(times, API_BUILDS, run);
}

// What Jackfield makes: the same modules once from shims and once left bare, at the same time.
const shim = (name) => join(here, "shims", name);
const aliases = {
  "react/jsx-runtime": shim("react_jsx-runtime.cjs"),
  react: shim("react.cjs"),
  "@jackfield/plugin-sdk": shim("_jackfield_plugin-sdk.cjs"),
};

async function both(times) {
  const run = () =>
    Promise.all([
      build({ ...options, write: false }),
      build({ ...options, external: [], alias: aliases, write: false }),
    ]);
  await timed([], 20, run);
  await timed(times, API_BUILDS, run);
}

async function rebuild(times) {
  const kept = await context({ ...options, write: false });
  await timed([], 20, () => kept.rebuild());
  await timed(times, API_BUILDS, () => kept.rebuild());
  await kept.dispose();
}

async function cli(times) {
  const program = join(here, "node_modules/@esbuild", `${process.platform}-${process.arch}`, "bin/esbuild");
  const args = [
    options.entryPoints[0], "--bundle", "--format=esm", "--jsx=automatic", "--minify", "--sourcemap",
    "--entry-names=[name]-[hash]", `--outdir=${folder}`, "--log-level=error",
    ...externals.map((name) => `--external:${name}`),
  ];
  const run = () => execFileSync(program, args);
  await timed([], 5, run);
  await timed(times, CLI_BUILDS, run);
}

const results = {
  "Jackfield, warm workers, both bundles": [],
  "esbuild API, both bundles": [],
  "esbuild API, one bundle": [],
  "esbuild API, one bundle, rebuild of a context": [],
  "esbuild CLI, one bundle": [],
};
for (let round = 0; round < ROUNDS; round++) {
  results["Jackfield, warm workers, both bundles"].push(...jackfield());
  await both(results["esbuild API, both bundles"]);
  await api(results["esbuild API, one bundle"]);
  await rebuild(results["esbuild API, one bundle, rebuild of a context"]);
  await cli(results["esbuild CLI, one bundle"]);
}
rmSync(folder, { recursive: true });

const at = (times, share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(2);
console.log("| bundling a 3-file TSX plugin | builds | median ms | p99 ms |");
console.log("| --- | ---: | ---: | ---: |");
for (const [name, times] of Object.entries(results)) {
  times.sort((a, b) => a - b);
  console.log(`| ${name} | ${times.length} | ${at(times, 0.5)} | ${at(times, 0.99)} |`);
}
