/**
 * Plugins in Chromium: the example host page, against a running Jackfield in `--dev` mode.
 *
 * JACKFIELD_URL  the server (default http://127.0.0.1:4000)
 * HOST_URL       the built example host page (default http://127.0.0.1:4173)
 * CHROMIUM       the browser's program (default /usr/bin/chromium)
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, describe, it } from "node:test";
import { importMap, importMapText } from "@jackfield/plugin-sdk/host";
import { chromium } from "playwright-core";
import { Jackfield } from "./jackfield.mjs";

const server = process.env["JACKFIELD_URL"] ?? "http://127.0.0.1:4000";
const host = process.env["HOST_URL"] ?? "http://127.0.0.1:4173";
const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const root = join(import.meta.dirname, "../..");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
// A tenant of its own: each run begins with nothing installed.
const jackfield = new Jackfield(server, `browser-${crypto.randomUUID().slice(0, 8)}`);

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("playwright-core").Page} */
let page;
/** @type {string[]} */
let thrown;

before(async () => {
  browser = await chromium.launch({ executablePath, args: FLAGS });
  for (const folder of ["payment-card", "sales-dashboard", "checkout-confirmation"]) {
    await jackfield.install(await jackfield.publish(join(root, "examples/plugins", folder)));
  }
  await jackfield.install(await jackfield.publish(join(root, "tests/browser/fixtures/react-probe")));
  await jackfield.configure("sales-dashboard", { title: "Box office", days: 7, dailyGoal: 120000 });
});

after(() => browser?.close());

beforeEach(async () => {
  const context = await browser.newContext({ locale: "en-GB", colorScheme: "light" });
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  thrown = [];
  page.on("pageerror", (error) => thrown.push(error.message));
  page.on("console", (message) => {
    if (/invalid hook call|unique "key" prop|more than one copy of react/i.test(message.text())) thrown.push(message.text());
  });
});

afterEach(async () => {
  await page.context().close();
  assert.deepEqual(thrown, []);
});

/** @param {string} section */
async function open(section) {
  const query = new URLSearchParams({ tenant: jackfield.tenant, server });
  await page.goto(`${host}/?${query}#/${section}`);
}

/** @param {string} id */
const plugin = (id) => page.locator(`[data-jackfield-plugin="${id}"]`);

describe("one React for host and plugins", () => {
  it("runs hooks, keys, useId and portals", async () => {
    await open("dashboard");
    const probe = page.locator("#react-probe");
    await probe.and(page.locator("[data-effects='1']")).waitFor();
    assert.equal(await probe.getAttribute("data-version"), await hostReactVersion());
    const ids = (await probe.locator("[data-ids]").getAttribute("data-ids"))?.split(" ") ?? [];
    assert.equal(new Set(ids).size, 2);
    await page.getByText("through a portal").waitFor();
    await probe.getByLabel("one").fill("kept by its key");
    await probe.getByRole("button", { name: "Reverse" }).click();
    assert.deepEqual(await probe.locator("li").evaluateAll((items) => items.map((li) => li.getAttribute("data-name"))), [
      "three", "two", "one",
    ]);
    assert.equal(await probe.getByLabel("one").inputValue(), "kept by its key");
    assert.equal(await probe.locator("li").first().innerText(), "three");
  });

  it("carries context from the host, also when it changes", async () => {
    await open("dashboard");
    const probe = page.locator("#react-probe");
    const widget = plugin("sales-dashboard").locator("section");
    await probe.and(page.locator("[data-theme='light']")).waitFor();
    await page.getByRole("button", { name: "Dark theme" }).click();
    await probe.and(page.locator("[data-theme='dark']")).waitFor();
    assert.equal(await widget.getAttribute("data-theme"), "dark");
  });
});

/** What the server lists of the plugin that most tests look at. */
async function salesDashboard() {
  const enabled = await jackfield.enabledAt("dashboard-widgets");
  const listed = enabled.find(({ id }) => id === "sales-dashboard");
  assert.ok(listed, "sales-dashboard is enabled");
  return listed;
}

describe("the dashboard", () => {
  it("shows widgets by priority, with their configuration, styles, assets and chunks", async () => {
    await open("dashboard");
    const widget = plugin("sales-dashboard");
    await widget.getByRole("heading", { name: "Box office" }).waitFor();
    await widget.getByRole("img", { name: /orders$/ }).first().waitFor();
    assert.equal(await widget.getByRole("img", { name: /orders$/ }).count(), 7);
    await widget.getByText("Days on goal").waitFor();
    await page.locator("#react-probe").waitFor();
    const order = await page.locator("[data-jackfield-plugin]").evaluateAll((all) => all.map((e) => e.getAttribute("data-jackfield-plugin")));
    assert.deepEqual(order, ["sales-dashboard", "react-probe"]);
    assert.equal(await widget.locator("dl").evaluate((dl) => getComputedStyle(dl).display), "grid");
    const icon = widget.locator("header img");
    assert.match((await icon.getAttribute("src")) ?? "", /^data:image\/svg\+xml/);
    assert.ok(await icon.evaluate((image) => /** @type {HTMLImageElement} */ (image).naturalWidth > 0));
    // The chart is a module of its own, fetched from the plugin's folder.
    const { bundleUrl } = await salesDashboard();
    const folder = new URL(".", new URL(bundleUrl, server)).href;
    const scripts = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
    assert.ok(scripts.filter((name) => name.startsWith(folder)).length >= 2, scripts.join("\n"));
  });

  it("leaves the others standing when a plugin throws", async () => {
    await jackfield.install(await jackfield.publish(join(root, "tests/browser/fixtures/broken-widget")));
    await open("dashboard");
    await plugin("broken-widget").getByRole("alert").getByText("Broken widget could not be shown.").waitFor();
    await plugin("sales-dashboard").getByRole("heading", { name: "Box office" }).waitFor();
    await page.locator("#react-probe").waitFor();
    await plugin("broken-widget").getByRole("button", { name: "Try again" }).click();
    await plugin("broken-widget").getByRole("alert").waitFor();
    assert.equal(await page.getByRole("alert").count(), 1);
    await jackfield.setEnabled("broken-widget", false);
  });

  it("no longer shows a disabled plugin after a reload", async () => {
    await open("dashboard");
    await plugin("sales-dashboard").waitFor();
    await jackfield.setEnabled("sales-dashboard", false);
    await page.reload();
    await page.locator("#react-probe").waitFor();
    assert.equal(await plugin("sales-dashboard").count(), 0);
    await jackfield.setEnabled("sales-dashboard", true);
    await page.reload();
    await plugin("sales-dashboard").waitFor();
  });
});

describe("the bundle", () => {
  it("is fetched again after a failure", async () => {
    const asked = await refuseOnce("sales-dashboard", (route) => route.abort());
    await open("dashboard");
    await plugin("sales-dashboard").getByRole("heading", { name: "Box office" }).waitFor();
    assert.match(asked.at(-1) ?? "", /[?&]r=1$/);
  });

  it("does not run when it is not what its integrity says", async () => {
    const listed = await salesDashboard();
    assert.match(listed.integrity, /^sha(256|384|512)-/);
    await tamper(listed);
    await open("dashboard");
    await plugin("sales-dashboard").getByRole("alert").waitFor();
    assert.equal(await page.evaluate(() => "tampered" in globalThis), false);
    await page.locator("#react-probe").waitFor();
  });

  it("is held to an import map by plain import()", async () => {
    const listed = await salesDashboard();
    const url = new URL(listed.bundleUrl, server).href;
    const text = importMapText(importMap([listed], { server }));
    const load = () =>
      page.evaluate(([map = "", address = ""]) => {
        document.head.append(Object.assign(document.createElement("script"), { type: "importmap", textContent: map }));
        return import(address).then(() => "ran", (/** @type {Error} */ { message }) => message);
      }, [text, url]);
    // The settings page does not show this plugin, so nothing else has loaded it.
    await open("settings");
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    assert.equal(await load(), "ran");
    await tamper(listed);
    await page.reload();
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    assert.match(await load(), /Failed to fetch dynamically imported module/);
    assert.equal(await page.evaluate(() => "tampered" in globalThis), false);
  });
});

describe("settings and checkout", () => {
  it("reads and saves a plugin's configuration, and keeps its secret", async () => {
    await open("settings");
    const form = page.getByRole("form", { name: "Card payments settings" });
    await form.getByLabel("Name shown to customers").fill("");
    await form.getByRole("button", { name: "Save" }).click();
    await form.getByText("Enter a name").waitFor();
    await form.getByLabel("Name shown to customers").fill("House card");
    await form.getByLabel("American Express").check();
    await form.getByLabel("Ask for the name on the card").uncheck();
    await form.getByLabel("Secret key of the payment provider").fill("sk_browser_test");
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByText("Card payments: settings saved").waitFor();
    const [listed] = await jackfield.enabledAt("payment-methods");
    assert.equal(listed.configuration.merchantName, "House card");
    assert.deepEqual(listed.configuration.acceptedBrands, ["visa", "mastercard", "amex"]);
    assert.ok(!JSON.stringify(listed).includes("sk_browser_test"));

    await page.reload();
    await form.getByPlaceholder("Stored. Type to replace it").waitFor();
    assert.equal(await form.getByLabel("Name shown to customers").inputValue(), "House card");
    assert.ok(!(await page.content()).includes("sk_browser_test"));

    // What is typed next must not lose the secret, which the page never saw.
    await form.getByLabel("Name shown to customers").fill("House card 2");
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByText("Card payments: settings saved").waitFor();
    await page.reload();
    await form.getByPlaceholder("Stored. Type to replace it").waitFor();
  });

  it("checks a card, takes the payment and confirms the order", async () => {
    await jackfield.configure("payment-card", { merchantName: "House card", acceptedBrands: ["visa"], askForName: false });
    await jackfield.configure("checkout-confirmation", { message: "See you at the show", supportEmail: "box@example.com" });
    await open("checkout");
    const form = page.getByRole("form", { name: "House card" });
    await form.getByRole("button", { name: "Pay €104.50" }).click();
    await form.getByText("Enter the card number").waitFor();
    assert.equal(await form.getByLabel("Card number").evaluate((input) => input === document.activeElement), true);
    await form.getByLabel("Card number").fill("4242424242424241");
    await form.getByLabel("Expiry date").fill("1239");
    await form.getByLabel("Security code").fill("123");
    await form.getByText("Check the card number: a digit is wrong").waitFor();
    await form.getByRole("button", { name: "Where is the security code?" }).click();
    await form.getByText("The last three digits on the back").waitFor();
    await form.getByLabel("Card number").fill("4242424242424242");
    assert.equal(await form.getByLabel("Card number").inputValue(), "4242 4242 4242 4242");
    await form.getByRole("button", { name: "Pay €104.50" }).click();

    const confirmation = plugin("checkout-confirmation");
    await confirmation.getByRole("heading", { name: "Thank you for your order" }).waitFor();
    await confirmation.getByText("Visa ending in 4242").waitFor();
    await confirmation.getByText("See you at the show").waitFor();
    await confirmation.getByRole("button", { name: "Show receipt" }).click();
    await confirmation.getByRole("row", { name: /Programme/ }).waitFor();
    assert.ok(!(await page.content()).includes("4242424242424242"));
  });

  it("keeps the payment in the plugin's backend, under a number that is there after a reload", async () => {
    await jackfield.configure("payment-card", { merchantName: "House card", acceptedBrands: ["visa"], askForName: false });
    await open("checkout");
    const first = await payByCard();
    await page.getByRole("button", { name: "Order again" }).click();
    const second = await payByCard();
    assert.match(first, /^P\d{5}$/);
    assert.ok(second > first, `${second} after ${first}`);

    await open("settings");
    const payments = page.getByRole("region", { name: "Payments" });
    for (const look of ["at once", "after a reload"]) {
      await payments.getByText(second).waitFor();
      const shown = await payments.getByRole("listitem").allInnerTexts();
      assert.deepEqual(shown.slice(0, 2).map((text) => text.slice(0, 6)), [second, first], look);
      assert.match(shown[0] ?? "", /Visa ending in 4242[^]*€104\.50/);
      await page.reload();
    }
  });

  it("says so when the backend refuses, and keeps what was typed", async () => {
    await jackfield.configure("payment-card", { merchantName: "House card", acceptedBrands: ["visa"], askForName: false });
    // The page does not hear of the change: it still shows a form that takes Visa.
    const streams = /\/stream(\?|$)/;
    await page.route(streams, (route) => route.abort());
    await open("checkout");
    const form = page.getByRole("form", { name: "House card" });
    await form.waitFor();
    await jackfield.configure("payment-card", { merchantName: "House card", acceptedBrands: ["amex"], askForName: false });
    await fillCard(form);
    await form.getByRole("button", { name: "Pay €104.50" }).click();
    await form.getByRole("alert").getByText("Not paid: brand must be one of amex").waitFor();
    assert.equal(await form.getByLabel("Card number").inputValue(), "4242 4242 4242 4242");
    await page.unroute(streams);
  });

  it("tells which secret key the backend is given, by its fingerprint", async () => {
    await jackfield.configure("payment-card", { merchantName: "House card", acceptedBrands: ["visa"], secretKey: "sk_browser_test" });
    await open("settings");
    await page.getByRole("button", { name: "Which key is stored?" }).click();
    await page.getByText(/The stored key has the fingerprint [0-9a-f]{12}$/).waitFor();
    assert.ok(!(await page.content()).includes("sk_browser_test"));
  });
});

/** @param {import("playwright-core").Locator} form */
async function fillCard(form) {
  await form.getByLabel("Card number").fill("4242424242424242");
  await form.getByLabel("Expiry date").fill("1239");
  await form.getByLabel("Security code").fill("123");
}

/** Pays in the checkout; gives the number of the order that is shown then. */
async function payByCard() {
  const form = page.getByRole("form", { name: "House card" });
  await fillCard(form);
  await form.getByRole("button", { name: "Pay €104.50" }).click();
  const heading = await page.getByRole("heading", { level: 1, name: /^Order / }).innerText();
  return heading.replace("Order ", "");
}

/** The React of the host page, as it says itself. */
function hostReactVersion() {
  return page.evaluate(() => {
    const provided = /** @type {any} */ (globalThis)[Symbol.for("jackfield.host.v1")];
    return /** @type {string} */ (provided.modules.react.version);
  });
}

/**
 * Changes a bundle on its way to the page.
 * @param {{ bundleUrl: string }} listed
 */
async function tamper({ bundleUrl }) {
  await page.route(`${new URL(bundleUrl, server).href}*`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `globalThis.tampered = true;\n${await response.text()}` });
  });
}

/**
 * Refuses the first request for a plugin's bundle; gives the list of addresses asked for.
 * @param {string} pluginId
 * @param {(route: import("playwright-core").Route) => Promise<void>} refuse
 */
async function refuseOnce(pluginId, refuse) {
  const listed = (await jackfield.enabledAt("dashboard-widgets")).find(({ id }) => id === pluginId);
  /** @type {string[]} */
  const asked = [];
  await page.route(`${new URL(listed.bundleUrl, server).href}*`, (route) => {
    asked.push(route.request().url());
    return asked.length === 1 ? refuse(route) : route.continue();
  });
  return asked;
}
