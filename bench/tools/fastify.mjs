// Fastify with worker threads, and the SQLite file that they read.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SECRET } from "./jackfield.mjs";
import { firstLine, freePort, start, stop } from "./process.mjs";

const program = fileURLToPath(new URL("../fastify/server.mjs", import.meta.url));
const pinned = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).dependencies;

export class Fastify {
  constructor(base, child) {
    Object.assign(this, { base, child, pid: child.pid });
  }

  /** Starts it with `notes`, text by tenant, in its storage. */
  static async start(folder, cores, { threads, notes }) {
    mkdirSync(folder, { recursive: true });
    const storage = join(folder, "storage.db");
    const rows = Object.entries(notes).map(([tenant, note]) => `('${tenant}', 'note', '${JSON.stringify(note)}')`);
    execFileSync("sqlite3", [storage], {
      input: `CREATE TABLE note (tenant TEXT, key TEXT, value TEXT, PRIMARY KEY (tenant, key)); INSERT INTO note VALUES ${rows};`,
    });
    const port = await freePort();
    const env = { PATH: process.env.PATH, PORT: String(port), SECRET, STORAGE: storage, THREADS: String(threads) };
    const child = start(cores, process.execPath, [program], { env, stdio: ["ignore", "pipe", "inherit"] });
    await firstLine(child);
    return new Fastify(`http://127.0.0.1:${port}`, child);
  }

  stop() {
    return stop(this.child);
  }

  static version() {
    const { fastify, piscina, "better-sqlite3": sqlite } = pinned;
    return `${fastify}, piscina ${piscina}, better-sqlite3 ${sqlite}`;
  }
}
