import { describe, expect, it, vi } from "vitest";
import { createLoader, definePlugin, type LoadEnvironment, PluginLoadError, registerExtensionPoint } from "../src/index.js";

const URL_1 = "https://plugins.example.com/plugins/bundles/a/v1.0.0/a.js";
const plugin = definePlugin({ name: "a", version: "1.0.0", extensionPoints: { "admin-settings": () => null } });
const unreachable = () => new TypeError(`Failed to fetch dynamically imported module: ${URL_1}`);

function environment(importModule: LoadEnvironment["importModule"]) {
  const waits: number[] = [];
  const clock = { random: () => 0.5, sleep: async (milliseconds: number) => void waits.push(milliseconds) };
  const preloadModule = vi.fn<LoadEnvironment["preloadModule"]>(async () => undefined);
  return { importModule: vi.fn(importModule), preloadModule, clock, waits };
}

async function failure(promise: Promise<unknown>): Promise<PluginLoadError> {
  const error: unknown = await promise.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(PluginLoadError);
  return error as PluginLoadError;
}

describe("loading a bundle", () => {
  it("gives the default export, and imports once", async () => {
    const page = environment(async () => ({ default: plugin }));
    const load = createLoader(page);
    expect(await Promise.all([load(URL_1), load(URL_1)])).toEqual([plugin, plugin]);
    expect(page.importModule.mock.calls).toEqual([[URL_1]]);
  });

  it("tries a failed fetch again at another address, waiting longer each time", async () => {
    let calls = 0;
    const page = environment(async () => {
      calls += 1;
      if (calls < 3) throw unreachable();
      return { default: plugin };
    });
    expect(await createLoader(page)(URL_1)).toBe(plugin);
    expect(page.importModule.mock.calls.map(([url]) => url)).toEqual([URL_1, `${URL_1}?r=1`, `${URL_1}?r=2`]);
    expect(page.waits).toEqual([150, 300]);
  });

  it("never uses a failed address again, not in a later call either", async () => {
    const page = environment(async () => {
      throw unreachable();
    });
    const load = createLoader(page);
    const address = `${URL_1}?x=1`;
    expect((await failure(load(address, { retries: 1 }))).code).toBe("fetch");
    expect((await failure(load(address, { retries: 0 }))).code).toBe("fetch");
    expect(page.importModule.mock.calls.map(([url]) => url)).toEqual([address, `${address}&r=1`, `${address}&r=2`]);
  });

  it("does not run a bundle again that threw", async () => {
    const page = environment(async () => {
      throw new TypeError("x is not a function");
    });
    const error = await failure(createLoader(page)(URL_1));
    expect(error).toMatchObject({ code: "evaluate", message: "the bundle failed while starting: x is not a function" });
    expect(page.importModule).toHaveBeenCalledTimes(1);
  });

  it("gives up at the deadline", async () => {
    const page = environment(() => new Promise(() => undefined));
    expect((await failure(createLoader(page)(URL_1, { timeout: 20 }))).code).toBe("timeout");
  });

  it("checks integrity before it imports, at each address", async () => {
    const page = environment(async () => ({ default: plugin }));
    page.preloadModule.mockRejectedValueOnce(new Error("mismatch"));
    await createLoader(page)(URL_1, { integrity: "sha384-abc" });
    expect(page.preloadModule.mock.calls.map(([url, integrity]) => [url, integrity])).toEqual([
      [URL_1, "sha384-abc"],
      [`${URL_1}?r=1`, "sha384-abc"],
    ]);
    expect(page.importModule.mock.calls).toEqual([[`${URL_1}?r=1`]]);
  });

  it("never imports what does not match", async () => {
    const page = environment(async () => ({ default: plugin }));
    page.preloadModule.mockRejectedValue(new Error("mismatch"));
    expect((await failure(createLoader(page)(URL_1, { integrity: "sha384-abc" }))).code).toBe("fetch");
    expect(page.importModule).not.toHaveBeenCalled();
  });

  it("says what a bundle without a plugin must do", async () => {
    const page = environment(async () => ({ default: { name: "a" } }));
    const error = await failure(createLoader(page)(URL_1));
    expect(error).toMatchObject({ code: "not_a_plugin", message: expect.stringContaining("definePlugin") });
  });

  it("refuses addresses other than http and https", async () => {
    const page = environment(async () => ({ default: plugin }));
    expect((await failure(createLoader(page)("data:text/javascript,export default 1"))).code).toBe("bad_address");
    expect(page.importModule).not.toHaveBeenCalled();
  });

  it("keeps what a broken bundle registered away from the next plugin", async () => {
    const page = environment(async () => {
      registerExtensionPoint("dashboard-widgets", () => null);
      throw new Error("broken");
    });
    await failure(createLoader(page)(URL_1));
    expect(definePlugin({ name: "next", version: "1.0.0" }).extensionPoints).toEqual({});
  });
});
