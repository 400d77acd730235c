// Runs the measures one after the other and writes the report. See ./run.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { authorizing } from "./measures/authorizing.mjs";
import { bundling } from "./measures/bundling.mjs";
import { connections } from "./measures/connections.mjs";
import { customers } from "./measures/customers.mjs";
import { fanOut } from "./measures/fan-out.mjs";
import { gmail } from "./measures/gmail.mjs";
import { handlers } from "./measures/handlers.mjs";
import { idleStreams } from "./measures/idle-streams.mjs";
import { installed } from "./measures/installed.mjs";
import { longLog } from "./measures/long-log.mjs";
import { manyTenants } from "./measures/many-tenants.mjs";
import { opening } from "./measures/opening.mjs";
import { proxying } from "./measures/proxying.mjs";
import { reacting } from "./measures/reacting.mjs";
import { quietTenant } from "./measures/quiet-tenant.mjs";
import { serving } from "./measures/serving.mjs";
import { startUp } from "./measures/start.mjs";
import { webhooks } from "./measures/webhooks.mjs";
import { programs } from "./tools/programs.mjs";
import { Report } from "./tools/report.mjs";

// The start comes last: it reports the memory that the others note.
const MEASURES = {
  bundling, serving, installed, authorizing, opening, connections, customers, gmail, handlers, "many-tenants": manyTenants, proxying,
  "quiet-tenant": quietTenant, webhooks, reacting, "fan-out": fanOut, "long-log": longLog,
  "idle-streams": idleStreams, start: startUp,
};

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, only: { type: "string" } } });
const wanted = values.only?.split(",") ?? Object.keys(MEASURES);
const unknown = wanted.filter((name) => !(name in MEASURES));
if (unknown.length > 0) {
  console.error(`bench: no such measure: ${unknown.join(", ")}; there are ${Object.keys(MEASURES).join(", ")}`);
  process.exit(2);
}

const built = programs();
const folder = mkdtempSync(join(tmpdir(), "jackfield-bench-"));
// PostgreSQL runs as another user where this runs as root.
chmodSync(folder, 0o711);
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const report = new Report();
const settings = { programs: built, quick: values.quick, folder, memory: {} };
for (const [name, measure] of Object.entries(MEASURES)) {
  if (!wanted.includes(name)) continue;
  console.error(`bench: ${name}`);
  await report.add(() => measure(settings));
}
console.log(report.toString());
if (!values.quick) {
  const page = new URL("RESULTS.md", import.meta.url);
  writeFileSync(page, report.toString(readFileSync(page, "utf8")));
}
