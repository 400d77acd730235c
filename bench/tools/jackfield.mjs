// A Jackfield server of the benchmark's own, and tokens that it accepts.
import { createHmac } from "node:crypto";
import { openSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { freePort, start, stop, until } from "./process.mjs";

export const SECRET = "a secret of the benchmark, longer than 32 bytes";

/** What the tenants' keys of the benchmark are wrapped under: 32 bytes in base64. */
export const MASTER_KEY = Buffer.alloc(32, "the benchmark's key").toString("base64");

/** A JWS, HS256, good for a day. */
export function token(claims, secret = SECRET) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 86_400;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ ...claims, exp })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** The status of a GET; 0 while nobody answers. */
function status(url) {
  return new Promise((resolve) => {
    get(url, { agent: false }, (answer) => resolve(answer.resume().statusCode)).on("error", () => resolve(0));
  });
}

export class Server {
  constructor(base, child, startMilliseconds) {
    Object.assign(this, { base, child, pid: child.pid, startMilliseconds });
  }

  /**
   * Starts `program` with its data in `folder` and waits for the first 200. Rate limits are off; all other settings
   * are at their defaults but those in `settings`. The log goes to a file, as a service's would.
   */
  static async start(program, folder, cores, settings = {}) {
    const port = await freePort();
    const env = {
      PATH: process.env.PATH, HOST: "127.0.0.1", PORT: String(port), JWT_SECRET: SECRET,
      RATE_LIMIT_PER_ADDRESS: "0", RATE_LIMIT_PER_TENANT: "0", ...settings,
    };
    const log = openSync(join(folder, "server.log"), "a");
    const started = performance.now();
    const child = start(cores, program, ["serve"], { cwd: folder, env, stdio: ["ignore", "ignore", log] });
    const base = `http://127.0.0.1:${port}`;
    await until(`${program} in ${folder}, see server.log`, async () => {
      if (child.exitCode !== null) throw new Error(`the server ended at once: see ${folder}/server.log`);
      return (await status(`${base}/health`)) === 200;
    }, { pause: 1 });
    return new Server(base, child, performance.now() - started);
  }

  /** Publishes a plugin into the shared catalog and gives what the server says of it. */
  async publish(manifest) {
    const answer = await fetch(`${this.base}/plugins`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${token({ sub: "bench", role: "platform_admin" })}`,
      },
      body: JSON.stringify(manifest),
    });
    const body = await answer.json();
    if (answer.status !== 201) throw new Error(`publishing ${manifest.id}: ${JSON.stringify(body)}`);
    return body;
  }

  stop() {
    return stop(this.child);
  }
}
