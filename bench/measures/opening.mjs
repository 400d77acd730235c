// Getting a token out of the vault: from memory, and from the database, sealed.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { LOAD_CORE, SERVER_CORE } from "../tools/load.mjs";
import { Postgres } from "../tools/postgres.mjs";
import { table, thousands } from "../tools/report.mjs";
import { MASTER_KEY } from "../tools/jackfield.mjs";

const CREDENTIALS = 10_000;
const TARGET_MICROSECONDS = 2;

async function measured(program, url, count) {
  const { stdout } = await promisify(execFile)("taskset", ["-c", SERVER_CORE, program, "open", url, MASTER_KEY, String(count)]);
  return JSON.parse(stdout);
}

/** Measures and gives the section of the report. */
export async function opening({ programs, quick, folder }) {
  const count = quick ? 1000 : CREDENTIALS;
  const sqlite = await measured(programs.tokens, `sqlite:${join(folder, "opening.db")}`, count);
  const postgres = await Postgres.start(join(folder, "postgres-opening"), LOAD_CORE);
  const onPostgres = await measured(programs.tokens, postgres.database("opening"), count);
  await postgres.stop();
  const row = (name, { p50, p99, p999 }) => [name, ...[p50, p99, p999].map((value) => value.toFixed(value < 10 ? 2 : 0))];
  const cached = sqlite.cached.p50;
  return {
    title: "Opening tokens",
    notes: `${thousands(count)} credentials of ${thousands(count / 100)} tenants, asked for one after the other in random order through ` +
      `\`Vault::access_token\`, on core ${SERVER_CORE}; PostgreSQL on core ${LOAD_CORE}. Sealed: each for the first time, so its row ` +
      "and that of its tenant's data key are read, the data key is unwrapped and the token opened. Cached: " +
      `${thousands(sqlite.cached.count)} times again; ${((sqlite.cached_seconds / sqlite.cached.count) * 1e6).toFixed(2)} µs each on the whole, the clock's own ` +
      "time included.",
    table: table(["", "p50 µs", "p99 µs", "p99.9 µs"], [
      row("cached", sqlite.cached), row("sealed, SQLite", sqlite.sealed), row("sealed, PostgreSQL", onPostgres.sealed),
    ]),
    targets: [{
      name: `a cached token, median at most ${TARGET_MICROSECONDS} µs`,
      value: `${cached.toFixed(2)} µs`, met: cached <= TARGET_MICROSECONDS,
    }],
  };
}
