// A PostgreSQL server of the benchmark's own. It writes durably, as in production.
import { execFileSync } from "node:child_process";
import { chownSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { start, stop, until } from "./process.mjs";

const ROOT = "/usr/lib/postgresql";
const NOBODY = 65534;

function programs() {
  const newest = readdirSync(ROOT).map(Number).filter(Boolean).sort((a, b) => b - a)[0];
  return join(ROOT, String(newest), "bin");
}

export class Postgres {
  constructor(folder, user, child) {
    Object.assign(this, { folder, user, child });
  }

  /** Starts a server on a socket in `folder`, which is made. PostgreSQL refuses to run as root. */
  static async start(folder, cores) {
    mkdirSync(folder);
    const user = process.getuid() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    if (user.uid) chownSync(folder, user.uid, user.gid);
    const data = join(folder, "data");
    execFileSync(join(programs(), "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "--locale=C.UTF-8"],
      { ...user, cwd: folder, stdio: "ignore" });
    const args = ["-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "shared_buffers=512MB"];
    const child = start(cores, join(programs(), "postgres"), args, { ...user, cwd: folder, stdio: "ignore" });
    const postgres = new Postgres(folder, user, child);
    await until("postgres", () => postgres.#succeeds("pg_isready"));
    return postgres;
  }

  #succeeds(program, ...args) {
    try {
      this.#run(program, args);
      return true;
    } catch {
      return false;
    }
  }

  #run(program, args, input) {
    return execFileSync(join(programs(), program), ["-U", "postgres", "-h", this.folder, ...args],
      { ...this.user, cwd: this.folder, input, stdio: ["pipe", "pipe", "pipe"] });
  }

  /** Makes a database, as a copy of `template` where one is named, and gives its address. */
  database(name, template) {
    this.#run("createdb", template ? ["-T", template, name] : [name]);
    return `postgres://postgres@localhost/${name}?host=${encodeURIComponent(this.folder)}`;
  }

  /** Runs statements. */
  sql(database, text) {
    this.#run("psql", ["-q", "-v", "ON_ERROR_STOP=1", database], text);
  }

  stop() {
    return stop(this.child, "SIGQUIT");
  }

  static version() {
    return execFileSync(join(programs(), "postgres"), ["--version"], { encoding: "utf8" }).trim();
  }
}
