/** The servers that the tests of the plugin's page need: Jackfield as a plugin of the Lexmodo platform, and the platform. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answers } from "./connect-servers.mjs";

const program = process.env["JACKFIELD"] ?? "target/debug/jackfield";
const root = join(import.meta.dirname, "../..");
const folder = join(root, "tests/lexmodo");

export const SECRET = "the secret of this app at the platform";
export const CODE = "jackfield";

/** The Python with the packages of the platform's servers. */
function python() {
  return process.env["JACKFIELD_TEST_PYTHON"]
    ?? execFileSync(join(root, "scripts/test-python"), ["tests/lexmodo"], { encoding: "utf8" }).trim();
}

/**
 * Starts the platform's admin pages, which show the plugin in a frame. Their host is another site's than the plugin's.
 * @param {string} pluginUrl
 */
export async function platform(pluginUrl) {
  const setup = { plugin_code: CODE, secret: SECRET, plugin_url: pluginUrl };
  const child = spawn(python(), ["-B", "platform_admin.py", JSON.stringify(setup)], {
    cwd: folder, stdio: ["pipe", "pipe", "inherit"],
  });
  const { origin } = await new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`platform_admin.py ended with ${code}`)));
    child.stdout.once("data", (line) => resolve(JSON.parse(String(line))));
  });
  return {
    origin: /** @type {string} */ (origin),
    /**
     * A session token as the platform makes it.
     * @param {Record<string, string>} [query]
     */
    sessionToken: async (query = {}) => {
      const answer = await fetch(`${origin}/session-token?${new URLSearchParams(query)}`);
      return /** @type {{ session_token: string }} */ (await answer.json()).session_token;
    },
    stop: () => child.kill(),
  };
}

/**
 * Starts Jackfield with the documented settings of the platform's app.
 * @param {number} port
 * @param {string} issuer
 * @param {string} authorizationServer
 */
export async function plugin(port, issuer, authorizationServer) {
  const own = await mkdtemp(join(tmpdir(), "jackfield-lexmodo-"));
  const base = `http://127.0.0.1:${port}`;
  const child = spawn(program, ["serve", "--port", String(port)], {
    cwd: own, stdio: ["ignore", "inherit", "inherit"],
    env: {
      PATH: process.env["PATH"], DATA_DIR: join(own, "data"), LOG_LEVEL: "warn",
      APP_CLIENT_ID: "jackfield", APP_SECRET: SECRET, REDIRECT_URI: `${base}/callback`,
      AUTHORIZE_URL: `${authorizationServer}/auth`, TOKEN_URL: `${authorizationServer}/token`, ISSUER: issuer,
      PLUGIN_CODE: CODE, PLUGIN_TYPE: "CUSTOM", PLUGIN_NAME: "Numinix Plugin", PLUGIN_SCOPE: "customers_write",
    },
  });
  await answers(`${base}/health`, child);
  return {
    base,
    stop: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await ended;
      await rm(own, { recursive: true, force: true });
    },
  };
}

/** A page of nobody's at an origin of its own, which shows what its query names in a frame. */
export async function stranger() {
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (url.pathname === "/cookie") {
      response.writeHead(200, { "set-cookie": "third=party; SameSite=None; Secure; Path=/", "content-type": "text/plain" });
      return response.end(request.headers.cookie ?? "");
    }
    const frame = (url.searchParams.get("frame") ?? "").replace(/[&"<]/g, (character) => `&#${character.charCodeAt(0)};`);
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    return response.end(`<!doctype html><html lang="en"><title>Stranger</title><h1>Stranger</h1><iframe id="plugin" src="${frame}"></iframe></html>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { port, base: `http://127.0.0.1:${port}`, stop: () => server.close() };
}
