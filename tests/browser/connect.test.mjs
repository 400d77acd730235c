/**
 * The connect page in Chromium, with JavaScript and without: through npm oidc-provider, through the sandbox, in a popup.
 *
 * JACKFIELD  the server's program (default target/debug/jackfield)
 * CHROMIUM   the browser's program (default /usr/bin/chromium)
 */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { chromium } from "playwright-core";
import { freePort, jackfield, oidcProvider, product } from "./connect-servers.mjs";
import { measure } from "./measure.mjs";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof jackfield>>} */
let server;
/** @type {Awaited<ReturnType<typeof oidcProvider>>} */
let club;
/** @type {Awaited<ReturnType<typeof product>>} */
let shop;
/** @type {Awaited<ReturnType<typeof product>>} */
let stranger;
/** @type {import("playwright-core").Page} */
let page;
/** @type {string[]} */
let refused;

before(async () => {
  const port = await freePort();
  club = await oidcProvider(`http://127.0.0.1:${port}/api/v1/unified/auth/club/callback`);
  server = await jackfield(port, club.base);
  [shop, stranger] = await Promise.all([product(), product()]);
  browser = await chromium.launch({ executablePath, args: FLAGS });
});

after(async () => {
  await browser?.close();
  shop?.stop();
  stranger?.stop();
  await server?.stop();
  club?.stop();
});

beforeEach(() => {
  refused = [];
});

afterEach(async () => {
  await page?.context().close();
  assert.deepEqual(refused, [], "the content security policy refused nothing that the page needs");
});

/** @param {import("playwright-core").BrowserContextOptions} [options] */
async function newPage(options) {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  context.on("console", (message) => {
    const isOwn = message.location().url.startsWith(server.base);
    if (isOwn && /content security policy/i.test(message.text())) refused.push(message.text());
  });
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  return page;
}

/**
 * A link as a product's backend asks for it.
 * @param {Record<string, unknown>} [fields]
 * @param {string} [tenant]
 */
async function link(fields, tenant = `connect-${crypto.randomUUID().slice(0, 8)}`) {
  const answer = await fetch(`${server.base}/connect/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-tenant-id": tenant },
    body: JSON.stringify({ user_email: "ann@acme.example", ...fields }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  return /** @type {{ id: string, url: string, expires_at: string }} */ (await answer.json());
}

const told = () => page.getByRole("status");
const section = (/** @type {string} */ name) => page.getByRole("region", { name });

/** Signs in as Ann at the club and answers its question. */
async function consent(/** @type {"Allow" | "Deny"} */ answer, target = page) {
  await target.getByRole("button", { name: "ann" }).click();
  await target.getByRole("button", { name: answer }).click();
}

for (const javaScriptEnabled of [true, false]) {
  describe(`with JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
    beforeEach(() => newPage({ javaScriptEnabled }));

    it("connects through a real OpenID provider, goes on, reconnects and disconnects", async () => {
      const { url } = await link({ providers: ["club"], return_to: `${shop.base}/settings?tab=accounts` });
      await page.goto(url);
      await page.getByRole("heading", { name: "Connect your accounts", level: 1 }).waitFor();
      await section("Club").getByRole("button", { name: "Connect Club" }).click();
      await consent("Allow");
      await told().getByText("Connected to Club as ann@example.com.").waitFor();
      await section("Club").getByText("Connected", { exact: true }).waitFor();
      const goOn = page.getByRole("link", { name: "Continue to 127.0.0.1" });
      const address = new URL((await goOn.getAttribute("href")) ?? "");
      assert.equal(address.origin, shop.base);
      assert.equal(address.searchParams.get("tab"), "accounts");
      assert.equal(address.searchParams.get("status"), "connected");
      assert.equal(address.searchParams.get("provider"), "club");
      assert.match(address.searchParams.get("connection_id") ?? "", /^[0-9A-Z]{26}$/);
      assert.equal(await page.getByRole("button", { name: "Close this window" }).isVisible(), false, "nobody opened it");

      // The same account again renews the connection that there is. The club still knows who Ann is.
      await section("Club").getByRole("button", { name: "Connect another Club account" }).click();
      await page.getByRole("button", { name: "Allow" }).click();
      await told().getByText("Connected to Club as ann@example.com.").waitFor();
      assert.equal(await section("Club").getByRole("listitem").count(), 1);

      await section("Club").getByText(/^Disconnect/).click();
      await section("Club").getByRole("button", { name: /^Yes, disconnect/ }).click();
      await told().getByText("ann@example.com is disconnected from Club.").waitFor();
      await section("Club").getByText("Nothing is connected.").waitFor();

      await page.getByRole("link", { name: "Continue to 127.0.0.1" }).click();
      await page.getByRole("heading", { name: "Product" }).waitFor();
      assert.equal(new URL(page.url()).searchParams.get("status"), "disconnected");
    });

    it("connects through the sandbox", async () => {
      const { url } = await link({ providers: ["sandbox"] });
      await page.goto(url);
      await section("Sandbox").getByRole("button", { name: "Connect Sandbox" }).click();
      await page.getByRole("radio").first().check();
      await page.getByRole("button", { name: "Allow" }).click();
      await told().getByText(/^Connected to Sandbox as /).waitFor();
      assert.equal(await page.getByRole("link", { name: /^Continue/ }).count(), 0);
    });

    it("tells kindly that access was not granted, and connects the next time", async () => {
      const { url } = await link({ providers: ["club"], return_to: shop.base });
      await page.goto(url);
      await page.getByRole("button", { name: "Connect Club" }).click();
      await consent("Deny");
      await told().getByText("Access was not granted at Club.").waitFor();
      const href = await page.getByRole("link", { name: /^Continue/ }).getAttribute("href");
      assert.equal(new URL(href ?? "").searchParams.get("error"), "access_denied");
      await page.getByRole("button", { name: "Connect Club" }).click();
      await page.getByRole("button", { name: "Allow" }).click();
      await told().getByText("Connected to Club as ann@example.com.").waitFor();
    });

    it("names the permissions that were not granted", async () => {
      const { url } = await link({ providers: ["club"] });
      await page.goto(url);
      await page.getByRole("button", { name: "Connect Club" }).click();
      await page.getByRole("button", { name: "ann" }).click();
      await page.getByLabel("notes.read").uncheck();
      await page.getByRole("button", { name: "Allow" }).click();
      await told().getByText("Connected to Club as ann@example.com.").waitFor();
      await told().getByText("Club did not grant everything: notes.read.").waitFor();
    });
  });
}

describe("the page", () => {
  it("says so when the link has ended or was never one", async () => {
    await newPage();
    for (const token of ["sessions", "A".repeat(43)]) {
      const answer = await page.goto(`${server.base}/connect/${token}`);
      if (token === "sessions") continue; // A route of its own, which takes no GET.
      assert.equal(answer?.status(), 404);
      await page.getByRole("heading", { name: "This link has ended" }).waitFor();
    }
  });

  it("can be used by keyboard alone, and the news has the focus", async () => {
    await newPage();
    const { url } = await link({ providers: ["club"] });
    await page.goto(url);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await consent("Allow");
    await told().waitFor();
    assert.equal(await told().evaluate((element) => element === document.activeElement), true);
  });

  it("fits a phone, in light and in dark", async () => {
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await newPage({ colorScheme, viewport: { width: 320, height: 640 } });
      const { url } = await link();
      await page.goto(url);
      await section("Club").waitFor();
      const { overflow, contrast } = await page.evaluate(measure);
      assert.ok(overflow <= 0, `${overflow} px too wide`);
      for (const [text, ratio] of contrast) assert.ok(ratio >= 4.5, `${text}: ${ratio}`);
      if (colorScheme === "light") await page.context().close();
    }
  });

  it("shows what a provider calls a person as text", async () => {
    await newPage();
    const { url } = await link({ providers: ["club"], user_email: "\"<img/src=x>\"@acme.example" });
    await page.goto(url);
    await page.getByText("\"<img/src=x>\"@acme.example").waitFor();
    assert.equal(await page.locator("img").count(), 0);
  });
});

describe("a connection that the provider has ended", () => {
  it("is shown as such and connected again", async () => {
    await newPage();
    const tenant = `connect-${crypto.randomUUID().slice(0, 8)}`;
    await page.goto((await link({ providers: ["club"] }, tenant)).url);
    await page.getByRole("button", { name: "Connect Club" }).click();
    await consent("Allow");
    await told().getByText("Connected to Club as ann@example.com.").waitFor();
    // As when Ann removes the application from her account at the club.
    await fetch(`${club.base}/test/forget`, { method: "POST" });
    const refreshed = await fetch(`${server.base}/api/v1/unified/auth/club/refresh?user_email=ann@acme.example`, {
      method: "POST", headers: { "x-tenant-id": tenant },
    });
    assert.equal(refreshed.status, 401, await refreshed.text());
    await page.goto((await link({ providers: ["club"] }, tenant)).url);
    await section("Club").getByText("Reconnect needed").waitFor();
    await section("Club").getByRole("button", { name: /^Reconnect/ }).click();
    await page.getByRole("button", { name: "Allow" }).click();
    await told().getByText("Connected to Club as ann@example.com.").waitFor();
    await section("Club").getByText("Connected", { exact: true }).waitFor();
    assert.equal(await section("Club").getByRole("button", { name: /^Reconnect/ }).count(), 0);
  });
});

describe("a popup", () => {
  it("tells the page that has opened it, on the allowed origin, and closes", async () => {
    await newPage();
    await page.goto(shop.base);
    const { url } = await link({ providers: ["club"], return_to: `${shop.base}/settings` });
    const popup = await open(url);
    await popup.getByRole("button", { name: "Connect Club" }).click();
    await consent("Allow", popup);
    await popup.getByRole("status").getByText("Connected to Club").waitFor();
    const messages = await received(1);
    assert.equal(messages[0]?.origin, server.base);
    const { connectionId, ...rest } = messages[0]?.data;
    assert.deepEqual(rest, { type: "jackfield:connection", status: "connected", provider: "club" });
    assert.match(connectionId, /^[0-9A-Z]{26}$/);
    const closed = popup.waitForEvent("close");
    await popup.getByRole("button", { name: "Close this window" }).click();
    await closed;
  });

  it("tells nothing to a page of another origin", async () => {
    await newPage();
    await page.goto(stranger.base);
    const { url } = await link({ providers: ["club"], return_to: `${shop.base}/settings` });
    const popup = await open(url);
    await popup.getByRole("button", { name: "Connect Club" }).click();
    await consent("Allow", popup);
    // The button appears after the message was sent.
    await popup.getByRole("button", { name: "Close this window" }).waitFor();
    await page.waitForTimeout(300);
    assert.deepEqual(await received(0), []);
  });
});

/** @param {string} url */
async function open(url) {
  const [popup] = await Promise.all([
    page.waitForEvent("popup"),
    page.evaluate((address) => void globalThis.open(address, "connect", "popup,width=480,height=640"), url),
  ]);
  return popup;
}

/**
 * What the product's page was told, once there are so many messages.
 * @param {number} count
 */
async function received(count) {
  await page.waitForFunction((least) => /** @type {any} */ (globalThis).eval("told").length >= least, count);
  return /** @type {{ origin: string, data: any }[]} */ (await page.evaluate("told"));
}
