/**
 * An open page in Chromium whose user is signed in, with tokens of 20 s, against a Jackfield that takes no other credential.
 *
 * JACKFIELD  the server's program (default target/debug/jackfield)
 * HOST_URL   the built example host page (default http://127.0.0.1:4173)
 * CHROMIUM   the browser's program (default /usr/bin/chromium)
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, it } from "node:test";
import { chromium } from "playwright-core";
import { answers, freePort } from "./connect-servers.mjs";
import { Jackfield } from "./jackfield.mjs";

const program = process.env["JACKFIELD"] ?? "target/debug/jackfield";
const host = process.env["HOST_URL"] ?? "http://127.0.0.1:4173";
const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const probe = join(import.meta.dirname, "fixtures/live-probe");
const SECRET = "the secret that this test and its server share";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("node:child_process").ChildProcess} */
let server;
/** @type {string} */
let folder;
/** @type {string} */
let base;

before(async () => {
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  folder = await mkdtemp(join(tmpdir(), "jackfield-signed-in-"));
  server = spawn(program, ["serve", "--port", String(port)], {
    cwd: folder, stdio: ["ignore", "inherit", "inherit"],
    env: { PATH: process.env["PATH"], DATA_DIR: join(folder, "data"), JWT_SECRET: SECRET, CORS_ORIGINS: new URL(host).origin },
  });
  await answers(`${base}/health`, server);
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"] });
});

after(async () => {
  await browser?.close();
  const ended = new Promise((resolve) => server.once("exit", resolve));
  server.kill();
  await ended;
  await rm(folder, { recursive: true, force: true });
});

/** A token of HS256 (RFC 7515) that lasts so many seconds. */
function token(/** @type {string} */ role, /** @type {number} */ seconds) {
  const part = (/** @type {unknown} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "ann", tenantId: "acme", role, exp: Math.floor(Date.now() / 1000) + seconds };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

it("a signed-in page hears what its plugin listens to and no more, and goes on with the next token", async () => {
  const jackfield = new Jackfield(base, "acme", token("admin", 3600));
  // The page asks for more than the manifest has in `listens`.
  const asks = (/** @type {string} */ source) => source.replaceAll('useEvents("probe.*")', 'useEvents(["probe.*", "secret.*"])');
  await jackfield.install(await jackfield.publish(probe, {}, asks));

  const context = await browser.newContext({ locale: "en-GB" });
  let tokens = 0;
  await context.exposeFunction("jackfieldToken", () => {
    tokens += 1;
    return token("user", 20);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  /** @type {{ path: string, token: string | undefined }[]} */
  const streams = [];
  page.on("response", async (response) => {
    const path = new URL(response.url()).pathname;
    if (!response.ok() || !path.endsWith("/stream")) return;
    streams.push({ path, token: (await response.request().allHeaders())["authorization"] });
  });
  await page.goto(`${host}/?${new URLSearchParams({ tenant: "acme", server: base })}#/dashboard`);
  const widget = page.locator("#live-probe[data-status='open']");
  await widget.waitFor();

  await jackfield.say("secret.told", { n: 1 });
  await jackfield.say("probe.shown", { n: 1 });
  await widget.getByText('{"n":1}').waitFor();
  assert.deepEqual(await widget.locator("li").allInnerTexts(), ['probe.shown undefined {"n":1}']);

  const of = (/** @type {string} */ path) => streams.filter((stream) => stream.path === path);
  const first = of("/events/stream")[0]?.token;
  assert.match(first ?? "", /^Bearer /);
  // The stream ends within 15 s of its token.
  while (!of("/events/stream").some((stream) => stream.token !== first)) await page.waitForTimeout(200);
  assert.ok(tokens >= 2);
  await jackfield.say("probe.shown", { n: 2 });
  await widget.getByText('{"n":2}').waitFor();
  assert.equal(await widget.locator("li").count(), 2);

  assert.deepEqual(of("/plugins/public/organizations/stream"), []);
  assert.match(of("/plugins/stream")[0]?.token ?? "", /^Bearer /);
  await jackfield.configure("live-probe", { greeting: "good evening" });
  await widget.getByText("good evening").waitFor();
  await context.close();
});
