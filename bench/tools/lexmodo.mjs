// A Lexmodo platform: customers servers, clients that list them, and a Jackfield that a store has connected.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cookiesOf, expect } from "./http.mjs";
import { Server, token } from "./jackfield.mjs";
import { firstLine, start, stop } from "./process.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const scripts = join(root, "tests/lexmodo");
const run = promisify(execFile);

export const STORE = 7;
const ACCESS_TOKEN = "an-access-token-of-the-benchmark";
const APP_SECRET = "the app's secret at the benchmark's platform";

let found;

/** The Python with the packages of tests/lexmodo, which are installed at the first use. */
function python() {
  found ??= execFileSync(join(root, "scripts/test-python"), ["tests/lexmodo"], { encoding: "utf8" }).trim();
  return found;
}

/** Which grpcio and which Python. */
export function grpcio() {
  const pinned = /^grpcio==(.*)$/m.exec(readFileSync(join(scripts, "requirements.txt"), "utf8"))[1];
  return `grpcio ${pinned}, ${execFileSync(python(), ["--version"], { encoding: "utf8" }).trim()}`;
}

/** A server of a store's customers. `address` is HOST:PORT. */
export class Upstream {
  constructor(child, port) {
    Object.assign(this, { child, address: `127.0.0.1:${port}` });
  }

  /** The benchmark's own, whose pages are encoded once. */
  static async fast(programs, cores, customers) {
    const child = start(cores, programs.customers, ["serve", "--customers", String(customers)], { stdio: ["ignore", "pipe", "inherit"] });
    return new Upstream(child, (await firstLine(child)).port);
  }

  /** The one of the tests, in Python. It ends with its standard input. */
  static async python(cores, customers) {
    const options = { cwd: scripts, stdio: ["pipe", "pipe", "inherit"] };
    const child = start(cores, python(), ["-B", "server.py", "--customers", String(customers)], options);
    const { grpc, control } = await firstLine(child);
    const answer = await fetch(`http://127.0.0.1:${control}/tokens/any`, { method: "PUT", body: JSON.stringify({ store: STORE }) });
    if (answer.status !== 200) throw new Error(`the customers server's control answers ${answer.status}: ${await answer.text()}`);
    return new Upstream(child, grpc);
  }

  stop() {
    return stop(this.child);
  }
}

/** Has the plain client read the listing so many times; each gives `seconds` and `cpu`. `peak` is of all, in bytes. */
export async function plain(programs, cores, upstream, { pageSize, times, ndjson }) {
  const args = ["list", "--address", `http://${upstream.address}`, "--token", ACCESS_TOKEN, "--store", String(STORE),
    "--page-size", String(pageSize), "--times", String(times), ...(ndjson ? ["--ndjson"] : [])];
  const { stdout } = await run("taskset", ["-c", cores, programs.customers, ...args]);
  const { listings, max_rss_kib: peak } = JSON.parse(stdout);
  const each = listings.map(({ customers, seconds, cpu_seconds: cpu }) => ({ customers, seconds, cpu }));
  return { listings: each, peak: peak * 1024 };
}

/** The same by the Python client, a process each time; its time is that of the listing alone. */
export async function pythonClient(cores, upstream, { pageSize, times }) {
  const listings = [];
  let peak = 0;
  for (let n = 0; n < times; n++) {
    const args = ["-c", cores, python(), "-B", "client.py", upstream.address, String(STORE), "--page-size", String(pageSize)];
    const child = run("taskset", args, { cwd: scripts });
    child.child.stdin.end(`${ACCESS_TOKEN}\n`);
    const { customers, seconds, cpu_seconds: cpu, max_rss_kib: rss } = JSON.parse((await child).stdout);
    listings.push({ customers, seconds, cpu });
    peak = Math.max(peak, rss * 1024);
  }
  return { listings, peak };
}

/** Connects the store as its admin's browser does: the plugin's page, consent at the provider, and back. */
async function handshake(base, session) {
  const first = await expect(307, `${base}/?session_token=${session}`);
  const page = await expect(200, new URL(first.headers.location, base));
  const link = /["'](?<url>[^"']*\/api\/v1\/unified\/auth\/lexmodo\/begin\?link=[^"']+)["']/.exec(page.text)?.groups.url;
  if (!link) throw new Error(`the plugin's page has no link to consent: ${page.text}`);
  // The form of the page that asks for confirmation.
  const own = { "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin" };
  const begun = await expect(303, new URL(link.replaceAll("&amp;", "&"), base), { method: "POST", headers: own });
  const consented = await expect(303, begun.headers.location);
  await expect(303, consented.headers.location, { headers: { cookie: cookiesOf(begun) } });
  const ready = await expect(200, `${base}/callback?session_token=${session}`);
  if (ready.text.includes("begin?link=")) throw new Error(`the store is not connected: ${ready.text}`);
}

/** A Jackfield with the store connected. `stream(pageSize)` is where its whole listing is. */
export class Connected {
  constructor(server, session) {
    Object.assign(this, { server, session, pid: server.pid });
  }

  static async start(programs, folder, cores, provider, upstream) {
    mkdirSync(folder);
    const server = await Server.start(programs.jackfield, folder, cores, {
      APP_CLIENT_ID: "bench", APP_SECRET, PLUGIN_CODE: "Bench", ISSUER: provider.base, AUTHORIZE_URL: `${provider.base}/authorize`,
      TOKEN_URL: `${provider.base}/token`, PLUGIN_SCOPE: "customers", LEXMODO_GRPC_ADDRESS: `http://${upstream.address}`,
    });
    const extra = { admin_email: "admin@store-7.example", admin_name: "Ann Archer" };
    const session = token({ iss: provider.base, store_id: STORE, extra }, APP_SECRET);
    await handshake(server.base, session);
    return new Connected(server, session);
  }

  stream(pageSize) {
    return `${this.server.base}/lexmodo/customers/stream?display_result=${pageSize}&session_token=${this.session}`;
  }

  stop() {
    return this.server.stop();
  }
}

/** Reads `url` as fast as it comes, or at most so many bytes in a second, and keeps nothing. Gives seconds and bytes. */
export async function read(url, cores, bytesPerSecond) {
  const limit = bytesPerSecond ? ["--limit-rate", String(bytesPerSecond)] : [];
  const what = '{"status":%{http_code},"seconds":%{time_total},"bytes":%{size_download}}';
  const { stdout } = await run("taskset", ["-c", cores, "curl", "-sS", "-o", "/dev/null", "-w", what, ...limit, url]);
  const { status, seconds, bytes } = JSON.parse(stdout);
  if (status !== 200) throw new Error(`${url} answers ${status}`);
  return { seconds, bytes };
}
