// The FastAPI app of the benchmark, in an environment of its own with pinned packages: one uvicorn worker.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, start, stop, until } from "./process.mjs";

const app = fileURLToPath(new URL("../fastapi", import.meta.url));
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "jackfield");

/** The Python with the packages, which are installed again when their list has changed. */
function python() {
  const home = join(cache, "bench-fastapi");
  const wanted = readFileSync(join(app, "requirements.txt"), "utf8");
  const mark = join(home, "installed.txt");
  if (!existsSync(mark) || readFileSync(mark, "utf8") !== wanted) {
    rmSync(home, { recursive: true, force: true });
    mkdirSync(cache, { recursive: true });
    execFileSync("python3", ["-m", "venv", home], { stdio: "inherit" });
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"];
    execFileSync(join(home, "bin/python"), [...install, join(app, "requirements.txt")], { stdio: "inherit" });
    writeFileSync(mark, wanted);
  }
  return join(home, "bin/python");
}

export class FastApi {
  constructor(base, child) {
    Object.assign(this, { base, child, pid: child.pid });
  }

  /** Starts the app with `settings` as its environment. Its log, a line for each request, goes to a file. */
  static async start(folder, cores, settings) {
    mkdirSync(folder);
    const port = await freePort();
    const env = {
      PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: "1", DATABASE_PATH: join(folder, "states.db"), ...settings,
    };
    const log = openSync(join(folder, "server.log"), "a");
    const args = ["-m", "uvicorn", "app:app", "--app-dir", app, "--host", "127.0.0.1", "--port", String(port),
      "--workers", "1", "--loop", "uvloop", "--http", "httptools"];
    const child = start(cores, python(), args, { cwd: folder, env, stdio: ["ignore", log, log] });
    const base = `http://127.0.0.1:${port}`;
    await until(`uvicorn, see ${folder}/server.log`, async () => {
      if (child.exitCode !== null) throw new Error(`uvicorn ended at once: see ${folder}/server.log`);
      return (await fetch(`${base}/health`).catch(() => undefined))?.status === 200;
    });
    return new FastApi(base, child);
  }

  stop() {
    return stop(this.child);
  }

  static version() {
    const pinned = readFileSync(join(app, "requirements.txt"), "utf8").split("\n");
    const of = (name) => pinned.find((line) => line.startsWith(`${name}==`)).split("==")[1];
    const python = execFileSync("python3", ["--version"], { encoding: "utf8" }).trim();
    return `${of("fastapi")}, uvicorn ${of("uvicorn")} (uvloop, httptools), ${python}`;
  }
}
