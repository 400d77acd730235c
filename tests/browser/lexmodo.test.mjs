/**
 * The plugin's page in a frame of the Lexmodo platform's admin, in Chromium: from the page to the platform's question and
 * back, with JavaScript and without, with the cookies of frames blocked.
 *
 * JACKFIELD  the server's program (default target/debug/jackfield)
 * CHROMIUM   the browser's program (default /usr/bin/chromium)
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { chromium } from "playwright-core";
import { freePort, oidcProvider } from "./connect-servers.mjs";
import { CODE, SECRET, platform, plugin, stranger } from "./lexmodo-servers.mjs";
import { measure } from "./measure.mjs";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const HOSTILE = "<img src=x onerror=\"parent.hacked = hacked = 1\">";

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {Awaited<ReturnType<typeof plugin>>} */
let server;
/** @type {Awaited<ReturnType<typeof platform>>} */
let admin;
/** @type {Awaited<ReturnType<typeof oidcProvider>>} */
let authorization;
/** @type {Awaited<ReturnType<typeof stranger>>} */
let other;
/** @type {import("playwright-core").Page} */
let page;
/** @type {string[]} what content security policies refused */
let refused;
let store = 100;

before(async () => {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  [authorization, admin, other] = await Promise.all([
    oidcProvider(`${base}/callback`, SECRET), platform(`${base}/`), stranger(),
  ]);
  server = await plugin(port, admin.origin, authorization.base);
  browser = await chromium.launch({ executablePath, args: FLAGS });
});

after(async () => {
  await browser?.close();
  other?.stop();
  admin?.stop();
  await server?.stop();
  authorization?.stop();
});

beforeEach(() => {
  refused = [];
  store += 1;
});

afterEach(async () => {
  await page?.context().close();
});

/** @param {import("playwright-core").BrowserContextOptions} [options] */
async function newPage(options) {
  return watch(await browser.newContext({ locale: "en-GB", ...options }));
}

/** @param {import("playwright-core").BrowserContext} context */
async function watch(context) {
  context.on("console", (message) => {
    if (/content security policy/i.test(message.text())) refused.push(message.text());
  });
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  return page;
}

/**
 * Opens the plugin in the platform's admin.
 * @param {Record<string, string>} [query]
 */
async function open(query) {
  await page.goto(`${admin.origin}/plugins/${CODE}?${new URLSearchParams({ store: String(store), ...query })}`);
}

const frame = () => page.frameLocator("#plugin");
const button = (where = frame()) => where.getByRole("button", { name: "Continue to Lexmodo" });
const question = () => page.waitForURL(`${authorization.base}/**`);

/** Answers the platform's question, which the whole window shows. */
async function consent(/** @type {"Allow" | "Deny"} */ answer) {
  await question();
  await page.getByRole("button", { name: "ann" }).click();
  await page.getByRole("button", { name: answer }).click();
}

/** The window is back in the platform's admin, whose frame says that all is well. */
async function ready() {
  await page.waitForURL((url) => url.origin === admin.origin && url.pathname === `/plugins/${CODE}`);
  await frame().getByRole("heading", { name: "Numinix Plugin is ready" }).waitFor();
  await frame().getByText(`Store ${store} is connected.`).waitFor();
  assert.deepEqual(refused, [], "the content security policy refused nothing that the page needs");
}

for (const javaScriptEnabled of [true, false]) {
  describe(`in a frame of the platform, with JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
    beforeEach(() => newPage({ javaScriptEnabled }));

    it("asks, leads the whole window to the platform's question, and comes back ready", async () => {
      await open();
      await frame().getByText(`is not yet connected to store ${store}`).waitFor();
      await frame().getByText("Ann Archer").waitFor();
      await button().click();
      await consent("Allow");
      await ready();
      await open();
      await ready();
    });

    it("tells who said no how to go on", async () => {
      await open();
      await button().click();
      await consent("Deny");
      await page.getByRole("status").getByText("Access was not granted at Lexmodo.").waitFor();
      await page.getByRole("link", { name: "Open Numinix Plugin in Lexmodo" }).click();
      await page.waitForURL(`${admin.origin}/plugins/${CODE}`);
      await button().click();
      await page.getByRole("button", { name: "Allow" }).click();
      await ready();
    });

    it("goes on by the link where the frame may send no form", async () => {
      await open({ sandbox: "allow-scripts allow-same-origin allow-top-navigation-by-user-activation" });
      await frame().getByRole("link", { name: "Go on in the whole window" }).click();
      await page.getByRole("heading", { name: "Connect Lexmodo?" }).waitFor();
      await page.getByRole("button", { name: "Continue to Lexmodo" }).click();
      await consent("Allow");
      await ready();
    });
  });
}

// Contexts like those of the other tests are private windows, which block them; so profiles are used here.
for (const [word, mode, sent] of /** @type {const} */ ([["blocked", 1, ""], ["allowed", 0, "third=party"]])) {
  describe(`with the cookies of frames ${word}`, () => {
    /** @type {string} */
    let profile;

    beforeEach(async () => {
      profile = await mkdtemp(join(tmpdir(), "jackfield-profile-"));
      await mkdir(join(profile, "Default"));
      const preferences = { profile: { cookie_controls_mode: mode, block_third_party_cookies: mode === 1 } };
      await writeFile(join(profile, "Default", "Preferences"), JSON.stringify(preferences));
      await watch(await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, locale: "en-GB" }));
    });

    afterEach(async () => {
      await page.context().close();
      await rm(profile, { recursive: true, force: true });
    });

    it("connects the store", async () => {
      // The stranger under another name is another site.
      const framing = other.base.replace("127.0.0.1", "localhost");
      await page.goto(`${framing}/?${new URLSearchParams({ frame: `${other.base}/cookie` })}`);
      await page.reload();
      assert.equal((await frame().locator("body").textContent())?.trim(), sent, `they are ${word} indeed`);
      await open();
      await button().click();
      await consent("Allow");
      await ready();
    });
  });
}

describe("by itself", () => {
  it("goes on where the browser lets a frame do so", async () => {
    await newPage();
    await open({ sandbox: "allow-scripts allow-same-origin allow-forms allow-top-navigation" });
    await consent("Allow");
    await ready();
  });

  it("leaves the button where the browser wants a click", async () => {
    await newPage();
    await open();
    await button().waitFor();
    await page.waitForTimeout(500);
    assert.equal(new URL(page.url()).origin, admin.origin);
    // By keyboard, too.
    await button().focus();
    await page.keyboard.press("Enter");
    await question();
  });

  it("does not go on where nobody frames it: who sends a link to it must be seen first", async () => {
    await newPage();
    const token = await admin.sessionToken({ store: String(store), name: "Mallory" });
    await page.goto(`${server.base}/?session_token=${token}`);
    await page.getByRole("heading", { name: "Connect Numinix Plugin" }).waitFor();
    await page.waitForTimeout(500);
    assert.equal(new URL(page.url()).pathname, "/callback");
    await page.getByText("Mallory").waitFor();
    await page.getByText(`Go on only if store ${store} is yours`).waitFor();
    await page.getByRole("button", { name: "Continue to Lexmodo" }).click();
    await consent("Allow");
    await page.waitForURL(`${admin.origin}/plugins/${CODE}`);
    await open();
    await ready();
  });
});

describe("under another name of the server than browsers come back to", () => {
  it("begins on the host that has the cookie, and asks there", async () => {
    await newPage();
    await open({ path: `${server.base.replace("127.0.0.1", "localhost")}/` });
    await frame().getByRole("link", { name: "Continue to Lexmodo" }).click();
    await page.getByRole("heading", { name: "Connect Lexmodo?" }).waitFor();
    assert.equal(new URL(page.url()).origin, server.base);
    await page.getByRole("button", { name: "Continue to Lexmodo" }).click();
    await consent("Allow");
    await ready();
  });
});

describe("a page that is not the platform's", () => {
  /** @param {string} source */
  async function assertNotFramed(source) {
    await page.goto(source);
    await page.waitForTimeout(500);
    const plugins = page.frames().filter((each) => each !== page.mainFrame());
    for (const each of plugins) assert.ok(!each.url().startsWith(server.base), each.url());
    assert.ok(refused.some((text) => text.includes("frame-ancestors")), refused.join("\n"));
  }

  it("cannot frame the plugin's", async () => {
    await newPage();
    const token = await admin.sessionToken({ store: String(store) });
    const query = new URLSearchParams({ frame: `${server.base}/?session_token=${token}` });
    await assertNotFramed(`${other.base}/?${query}`);
  });

  it("cannot frame the platform's page with the plugin's in it", async () => {
    await newPage();
    const query = new URLSearchParams({ frame: `${admin.origin}/plugins/${CODE}?store=${store}` });
    await assertNotFramed(`${other.base}/?${query}`);
  });

  it("cannot send the form of the plugin's page", async () => {
    await newPage();
    const token = await admin.sessionToken({ store: String(store) });
    await page.goto(`${server.base}/?session_token=${token}`);
    const link = new URL((await page.locator("form").getAttribute("action")) ?? "", server.base).href;
    await page.goto(other.base);
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === "POST"),
      page.evaluate((action) => {
        const form = document.createElement("form");
        Object.assign(form, { method: "post", action });
        document.body.append(form);
        form.submit();
      }, link),
    ]);
    assert.equal(answer.status(), 403);
  });
});

describe("the pages", () => {
  it("show what an admin is called as text", async () => {
    await newPage();
    await open({ name: HOSTILE });
    await frame().getByText(HOSTILE).waitFor();
    assert.equal(await frame().locator("img").count(), 0);
    await button().click();
    await consent("Allow");
    await ready();
    await open({ name: HOSTILE });
    await frame().getByText(HOSTILE).waitFor();
    assert.equal(await frame().locator("img").count(), 0);
    assert.deepEqual(refused, []);
  });

  it("say so when the session has ended", async () => {
    await newPage();
    await open({ exp: "-10" });
    await frame().getByText("Your session here has ended").waitFor();
    await frame().getByRole("link", { name: "Open Numinix Plugin in Lexmodo" }).click();
    await page.waitForURL(`${admin.origin}/plugins/${CODE}`);
    await button().waitFor();
  });

  it("fit a phone, in light and in dark", async () => {
    for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
      await newPage({ colorScheme, viewport: { width: 320, height: 640 } });
      store += 1;
      const name = "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwaren";
      const address = `${server.base}/?session_token=${await admin.sessionToken({ store: String(store), name })}`;
      await page.goto(address);
      await assertFits("Connect Numinix Plugin");
      await page.getByRole("button", { name: "Continue to Lexmodo" }).click();
      await consent("Allow");
      await page.waitForURL(`${admin.origin}/plugins/${CODE}`);
      await page.goto(address);
      await assertFits("Numinix Plugin is ready");
      await page.goto(`${server.base}/callback`);
      await assertFits("This page cannot be shown");
      if (colorScheme === "light") await page.context().close();
    }
  });

  /** @param {string} heading */
  async function assertFits(heading) {
    await page.getByRole("heading", { name: heading }).waitFor();
    const { overflow, contrast } = await page.evaluate(measure);
    assert.ok(overflow <= 0, `${overflow} px too wide`);
    for (const [text, ratio] of contrast) assert.ok(ratio >= 4.5, `${text}: ${ratio}`);
  }
});
