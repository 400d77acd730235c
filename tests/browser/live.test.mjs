/**
 * Open pages in Chromium that follow what happens on the server: installs, upgrades, configuration, events. Against a Jackfield in
 * `--dev` of its own, which calls a payment processor that signs its webhooks with npm `stripe`.
 *
 * JACKFIELD  the server's program (default target/debug/jackfield)
 * HOST_URL   the built example host page (default http://127.0.0.1:4173)
 * CHROMIUM   the browser's program (default /usr/bin/chromium)
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Processor } from "@jackfield/example-processor";
import { chromium } from "playwright-core";
import { answers, freePort } from "./connect-servers.mjs";
import { Jackfield } from "./jackfield.mjs";

const program = process.env["JACKFIELD"] ?? "target/debug/jackfield";
const host = process.env["HOST_URL"] ?? "http://127.0.0.1:4173";
const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const root = join(import.meta.dirname, "../..");
const examples = join(root, "examples/plugins");
const probe = join(import.meta.dirname, "fixtures/live-probe");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const KEY = "sk_of_this_test";
const SECRET = "whsec_of_this_test";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */
let server;
/** @type {Processor} */
let processor;
/** @type {Jackfield} */
let jackfield;
/** @type {import("playwright-core").BrowserContext} */
let context;
/** @type {string[]} */
let thrown;
/** @type {{ page: import("playwright-core").Page, url: string }[]} */
let answered;

before(async () => {
  processor = await new Processor({ key: KEY, settleAfter: 0 }).start();
  server = await serve(await freePort());
  browser = await chromium.launch({ executablePath, args: FLAGS });
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await processor?.stop();
});

beforeEach(async () => {
  // A tenant of its own: each test begins with nothing installed.
  jackfield = new Jackfield(server.base, `live-${crypto.randomUUID().slice(0, 8)}`);
  context = await browser.newContext({ locale: "en-GB", colorScheme: "light" });
  thrown = [];
  answered = [];
});

afterEach(async () => {
  await context.close();
  assert.deepEqual(thrown, []);
});

/** Starts Jackfield, with a folder that outlives it. */
async function serve(/** @type {number} */ port) {
  const folder = await mkdtemp(join(tmpdir(), "jackfield-live-"));
  const base = `http://127.0.0.1:${port}`;
  const env = { PATH: process.env["PATH"], DATA_DIR: join(folder, "data"), OUTBOUND_ALLOW: new URL(processor.url).host };
  const start = async () => {
    const child = spawn(program, ["serve", "--dev", "--port", String(port)], { cwd: folder, stdio: ["ignore", "inherit", "inherit"], env });
    await answers(`${base}/health`, child);
    return child;
  };
  let child = await start();
  const end = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill();
    await ended;
  };
  return {
    base,
    end,
    startAgain: async () => void (child = await start()),
    stop: () => end().then(() => rm(folder, { recursive: true, force: true })),
  };
}

/** Opens a section of the example host for the tenant. */
async function open(/** @type {string} */ section, tenant = jackfield.tenant) {
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => thrown.push(error.message));
  page.on("response", (response) => response.ok() && answered.push({ page, url: response.url() }));
  await page.goto(`${host}/?${new URLSearchParams({ tenant, server: server.base })}#/${section}`);
  return page;
}

/** A mark that a reload would take away, and what is still there of it. */
const mark = (/** @type {import("playwright-core").Page} */ page) => page.evaluate(() => void Object.assign(globalThis, { isSamePage: true }));
const isSame = (/** @type {import("playwright-core").Page} */ page) => page.evaluate(() => "isSamePage" in globalThis);

/** Waits until the page has been given a stream: what happens before that is found by reading the lists again. */
async function isFollowing(/** @type {import("playwright-core").Page} */ page, path = "/plugins/public/organizations/stream") {
  const isOpen = () => answered.some((answer) => answer.page === page && answer.url.includes(path));
  for (let waited = 0; !isOpen(); waited += 50) {
    assert.ok(waited < 20_000, `no stream at ${path}`);
    await page.waitForTimeout(50);
  }
}

describe("an open page", () => {
  it("shows a plugin as it is installed, configured, upgraded, disabled, enabled and uninstalled, without a reload", async () => {
    const page = await open("dashboard");
    await page.getByText("No widget is enabled for this tenant.").waitFor();
    await mark(page);
    const widget = page.locator("#live-probe");
    await jackfield.install(await jackfield.publish(probe));
    await widget.getByText("hello").waitFor();

    await widget.getByRole("button", { name: "Press" }).click();
    await jackfield.configure("live-probe", { greeting: "good evening" });
    await widget.getByText("good evening").waitFor();
    assert.equal(await widget.locator("output").innerText(), "1", "it is the same component as before");

    const next = (/** @type {string} */ source) => source.replaceAll("1.0.0", "1.1.0");
    await jackfield.publish(probe, { version: "1.1.0" }, next);
    await jackfield.upgrade("live-probe", "1.1.0");
    await widget.and(page.locator("[data-version='1.1.0']")).waitFor();
    await widget.getByText("good evening").waitFor();

    await jackfield.setEnabled("live-probe", false);
    await page.getByText("No widget is enabled for this tenant.").waitFor();
    await jackfield.setEnabled("live-probe", true);
    await widget.waitFor();
    await jackfield.uninstall("live-probe");
    await page.getByText("No widget is enabled for this tenant.").waitFor();
    assert.ok(await isSame(page));
  });

  it("hears nothing of other tenants", async () => {
    const mine = await open("dashboard");
    const theirs = await open("dashboard", `${jackfield.tenant}-other`);
    await theirs.getByText("No widget is enabled for this tenant.").waitFor();
    await isFollowing(theirs);
    // The lists are read once more when the stream has begun.
    await theirs.waitForTimeout(1_000);
    /** @type {string[]} */
    const asked = [];
    theirs.on("request", (request) => asked.push(request.url()));
    await jackfield.install(await jackfield.publish(probe));
    await mine.locator("#live-probe").waitFor();
    await mine.waitForTimeout(1_500);
    assert.deepEqual(asked, []);
    await theirs.getByText("No widget is enabled for this tenant.").waitFor();
  });

  it("goes on where it was when the server was away", async () => {
    await jackfield.publish(probe);
    const page = await open("dashboard");
    await page.getByText("No widget is enabled for this tenant.").waitFor();
    await mark(page);
    await isFollowing(page);
    await server.end();
    await page.waitForTimeout(1_000);
    assert.equal(await page.getByRole("alert").count(), 0, "what is shown stays");
    await server.startAgain();
    await jackfield.install("live-probe");
    await page.locator("#live-probe").waitFor();
    assert.ok(await isSame(page));
  });
});

describe("events", () => {
  it("are emitted by a page where the tenant's policy lets it, and reach the tenant's other pages", async () => {
    await jackfield.install(await jackfield.publish(probe));
    const [one, two] = [await open("dashboard"), await open("dashboard")];
    for (const page of [one, two]) await page.locator("#live-probe[data-status='open']").waitFor();
    await one.getByRole("button", { name: "Press" }).click();
    await one.locator("#live-probe [data-trouble]").getByText(/policy/i).waitFor();

    await jackfield.expect(200, "PUT", "/events/policy", { pages: { emit: ["probe.*"] } });
    await one.getByRole("button", { name: "Press" }).click();
    for (const page of [one, two]) {
      await page.getByText('probe.pressed button {"presses":2}').waitFor();
      assert.equal(await page.locator("#live-probe li").count(), 1);
    }
    assert.equal(await one.locator("#live-probe [data-trouble]").innerText(), "");
  });

  it("take a payment from the checkout over the processor's signed webhook to the dashboard", async () => {
    const local = { host: new URL(processor.url).host, headers: { Authorization: "Bearer ${secretKey}" } };
    await jackfield.install(await jackfield.publish(join(examples, "payment-card"), { hosts: [local] }));
    await jackfield.install(await jackfield.publish(join(examples, "sales-dashboard")));
    const configuration = { acceptedBrands: ["visa"], askForName: false, processorUrl: processor.url, secretKey: KEY };
    await jackfield.configure("payment-card", { ...configuration, webhookSecret: SECRET });
    processor.webhook = { url: await jackfield.webhookUrl("payment-card"), secret: SECRET };

    const dashboard = await open("dashboard");
    await dashboard.getByRole("heading", { name: "Sales" }).waitFor();
    await isFollowing(dashboard, "/events/stream");
    const checkout = await open("checkout");
    for (const number of ["P00001", "P00002"]) {
      const form = checkout.getByRole("form", { name: "Card" });
      await form.getByLabel("Card number").fill("4242424242424242");
      await form.getByLabel("Expiry date").fill("1239");
      await form.getByLabel("Security code").fill("123");
      await form.getByRole("button", { name: "Pay €104.50" }).click();
      await checkout.getByRole("heading", { level: 1, name: `Order ${number}` }).waitFor();
      await dashboard.getByRole("log").getByText(`${number} €104.50`).waitFor();
      await checkout.getByRole("button", { name: "Order again" }).click();
    }
    await dashboard.getByText("Paid just now: 2").waitFor();
    assert.deepEqual(processor.sent.map(({ status }) => status >= 200 && status < 300), [true, true]);

    // Sent again, as a processor may: taken, and told no second time. Changed on the way: refused.
    const [{ body, signature } = { body: "", signature: "" }] = processor.sent;
    const send = (/** @type {string} */ text) =>
      fetch(processor.webhook?.url ?? "", {
        method: "POST", body: text, headers: { "content-type": "application/json", "stripe-signature": signature },
      });
    assert.ok((await send(body)).ok);
    assert.equal((await send(body.replace("10450", "10451"))).status, 401);
    await dashboard.waitForTimeout(1_000);
    await dashboard.getByText("Paid just now: 2").waitFor();
  });
});
