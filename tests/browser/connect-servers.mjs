/** The servers that the tests of the connect page need: Jackfield in `--dev`, a real OpenID provider, and pages of products. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = process.env["JACKFIELD"] ?? "target/debug/jackfield";
const providers = join(import.meta.dirname, "../providers");

/**
 * Starts npm oidc-provider, with Jackfield as its client.
 * @param {string} redirectUri
 * @param {string} [secret] the client's
 */
export async function oidcProvider(redirectUri, secret = "a secret of the client") {
  const client = {
    client_id: "jackfield", client_secret: secret, redirect_uris: [redirectUri],
    grant_types: ["authorization_code", "refresh_token"],
  };
  const users = ["ann", "ben"].map((sub) => ({ sub, name: `${sub} <b>Archer</b>`, email: `${sub}@example.com` }));
  const child = spawn("node", [join(providers, "oidc-provider.mjs"), JSON.stringify({ clients: [client], users })], {
    cwd: providers, stdio: ["pipe", "pipe", "inherit"],
  });
  const base = await new Promise((resolve, reject) => {
    child.on("exit", (code) => reject(new Error(`oidc-provider ended with ${code}`)));
    child.stdout.once("data", (line) => resolve(JSON.parse(String(line)).ready.base));
  });
  return { base, stop: () => child.kill() };
}

/**
 * Starts Jackfield with one provider more, in a folder of its own.
 * @param {number} port
 * @param {string} issuer
 */
export async function jackfield(port, issuer) {
  const folder = await mkdtemp(join(tmpdir(), "jackfield-connect-"));
  await writeFile(join(folder, "providers.toml"), `
[providers.club]
name = "Club"
issuer = "${issuer}"
client_id = "jackfield"
client_secret = "a secret of the client"
default_scopes = ["openid", "email", "profile", "offline_access", "notes.read"]
authorization_params = { prompt = "consent" }
`);
  const child = spawn(program, ["serve", "--dev", "--port", String(port)], {
    cwd: folder, stdio: ["ignore", "inherit", "inherit"],
    env: { PATH: process.env["PATH"], DATA_DIR: join(folder, "data"), PROVIDERS_FILE: join(folder, "providers.toml") },
  });
  const base = `http://127.0.0.1:${port}`;
  await answers(`${base}/health`, child);
  return {
    base,
    stop: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * @param {string} url
 * @param {import("node:child_process").ChildProcess} child
 */
export async function answers(url, child) {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (child.exitCode !== null) throw new Error("the server ended before it answered");
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no answer at ${url} within 30 s`);
}

/** A product's page at an origin of its own, which opens popups and keeps what they tell. */
export async function product() {
  const page = `<!doctype html><html lang="en"><title>Product</title><h1>Product</h1><script>
    const told = [];
    addEventListener("message", (event) => told.push({ origin: event.origin, data: event.data }));
  </script></html>`;
  const server = http.createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { base: `http://127.0.0.1:${address.port}`, stop: () => server.close() };
}

/** A port that was free a moment ago. */
export async function freePort() {
  const server = http.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}
