// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { browserEnvironment, follow, type Following, type FollowLimits, LIMITS, type StreamState } from "../src/live/follow.js";
import type { PageChange, PageSignals } from "../src/live/page.js";
import { sent, startStreamServer, type StreamServer } from "./stream-server.js";

vi.setConfig({ testTimeout: 60_000 });
const until = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 5 });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A page that a test shows and hides. */
class TestPage implements PageSignals {
  shown = true;
  listeners = new Set<(change: PageChange) => void>();
  isShown = () => this.shown;
  listen = (listener: (change: PageChange) => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
  tell(change: PageChange) {
    if (change !== "online") this.shown = change === "shown";
    for (const listener of [...this.listeners]) listener(change);
  }
}

const QUICK: FollowLimits = { ...LIMITS, firstDelay: 10, longestDelay: 40, steady: 0 };

let server: StreamServer;
let page: TestPage;
let seen: string[];
let states: StreamState[];
let following: Following | undefined;

beforeEach(async () => {
  server = await startStreamServer();
  page = new TestPage();
  seen = [];
  states = [];
});

afterEach(async () => {
  following?.stop();
  await server.close();
});

function start(limits: Partial<FollowLimits> = {}) {
  following = follow(
    {
      open: (after, signal) => fetch(`${server.url}/stream`, { signal, headers: after === "" ? {} : { "last-event-id": after } }),
      onEvent: ({ data }) => void seen.push(data),
      onOpen: (isResumed) => void seen.push(isResumed ? "resumed" : "from now"),
      onMissed: () => void seen.push("missed"),
      onState: (state, error) => {
        states.push(state);
        if (error !== undefined) seen.push(error.message);
      },
    },
    { limits: { ...QUICK, ...limits }, page, random: () => 0.5 },
  );
}

describe("a followed stream", () => {
  it("gives what comes, and after a fault goes on behind the last event", async () => {
    start();
    const first = await server.connection(1);
    expect(first.headers["last-event-id"]).toBeUndefined();
    first.send("id: 40\n\n");
    first.send(sent(41, "a"));
    first.send(`${sent(42, "b")}id: 43\ndata: "half`);
    await until(() => expect(seen).toEqual(["from now", '"a"', '"b"']));
    first.destroy();
    const second = await server.connection(2);
    expect(second.headers["last-event-id"]).toBe("42");
    second.send(sent(43, "c"));
    await until(() => expect(seen.slice(3)).toEqual(["resumed", '"c"']));
    second.end();
    expect((await server.connection(3)).headers["last-event-id"]).toBe("43");
    expect(states.slice(0, 3)).toEqual(["connecting", "open", "waiting"]);
  });

  it("is resumed where it began, if the server has told that and nothing has happened", async () => {
    start();
    (await server.connection(1)).send("id: 7\n\n: nothing yet\n\n");
    await pause(50);
    server.connections[0]?.destroy();
    expect((await server.connection(2)).headers["last-event-id"]).toBe("7");
  });

  it("tells that some are missed: where the server says so, where its place is gone, and where one was too large", async () => {
    start();
    const first = await server.connection(1);
    first.send(sent(5, { oldest: "5" }, "reset"));
    await until(() => expect(seen).toEqual(["from now", "missed"]));
    server.refuse({ status: 410, body: '{"code":"gone"}' });
    first.destroy();
    const second = await server.connection(2);
    expect(second.headers["last-event-id"]).toBeUndefined();
    await until(() => expect(seen).toEqual(["from now", "missed", "from now"]));
    second.send("id: 9\ndata: ");
    for (let sentSoFar = 0; sentSoFar < 1.2 * 1024 * 1024; sentSoFar += 65_536) second.send("x".repeat(65_536));
    second.send(`\n\n${sent(10, "after")}`);
    await until(() => expect(seen.slice(3)).toEqual(["missed", '"after"']));
  });

  it("is given up after a silence, and asked for again", async () => {
    start({ silence: 2_000 });
    const first = await server.connection(1);
    const beat = setInterval(() => first.send(":\n\n"), 30);
    await pause(3_000);
    expect(server.connections).toHaveLength(1);
    clearInterval(beat);
    await server.connection(2);
    await until(() => expect(first.isOpen()).toBe(false));
  });

  it("is given up if no answer comes", async () => {
    server.refuse("hang");
    start({ connect: 50 });
    await server.connection(1);
    expect(server.asked.length).toBeGreaterThanOrEqual(2);
  });

  it("is asked for with growing pauses where the server fails, and at once when the network is back", async () => {
    server.refuse({ status: 500 });
    server.refuse("cut", 3);
    server.refuse({ status: 502 }, 100);
    start({ firstDelay: 30, longestDelay: 60_000 });
    const began = performance.now();
    // 22 + 45 + 90 + 180 ms, half of each by chance.
    await until(() => expect(server.asked.length).toBe(5));
    expect(performance.now() - began).toBeGreaterThan(330);
    page.tell("online");
    await until(() => expect(server.asked.length).toBe(6));
    expect(new Set(states)).toEqual(new Set(["connecting", "waiting"]));
  });

  it("is asked for soon again after answers that say no more than that the moment was bad", async () => {
    server.refuse({ status: 408 });
    server.refuse({ status: 425 });
    start();
    await server.connection(1);
    expect(server.asked).toHaveLength(3);
    expect(states).not.toContain("refused");
  });

  it("slows down where streams begin and end at once", async () => {
    start({ firstDelay: 20, longestDelay: 60_000, steady: 10_000 });
    for (let n = 1; n <= 5; n += 1) (await server.connection(n)).end();
    // 15 + 30 + 60 + 120 + 240 ms.
    await pause(300);
    expect(server.connections.length).toBeLessThanOrEqual(6);
  });

  it("waits as long as the server wants, with bounds", async () => {
    server.refuse({ status: 503, headers: { "retry-after": "1" } });
    start();
    const began = performance.now();
    await server.connection(1);
    expect(performance.now() - began).toBeGreaterThan(990);
  });

  it.each([[404, "unknown"], [403, "denied"], [401, "denied"]] as const)("is seldom asked for again after %i", async (status, limit) => {
    server.refuse({ status, headers: { "content-type": "application/problem+json" }, body: '{"detail":"not here"}' }, 2);
    start({ [limit]: 1_500 });
    await until(() => expect(states).toContain("refused"));
    expect(seen).toEqual(["not here"]);
    page.tell("online");
    await pause(40);
    expect(server.asked).toHaveLength(1);
    await server.connection(1);
    expect(server.asked).toHaveLength(3);
    expect(LIMITS[limit]).toBeGreaterThanOrEqual(30_000);
  });

  it("takes a page for no stream", async () => {
    server.refuse({ status: 200, headers: { "content-type": "text/html" }, body: "<!doctype html>" });
    start({ unknown: 1 });
    await until(() => expect(states).toContain("refused"));
    await server.connection(1);
  });

  it("is closed while the page is hidden for long, and goes on when it is shown", async () => {
    start({ hidden: 2_000 });
    const first = await server.connection(1);
    first.send(sent(1, "a"));
    await until(() => expect(seen).toContain('"a"'));
    page.tell("hidden");
    await pause(20);
    page.tell("shown");
    await pause(2_500);
    expect(first.isOpen()).toBe(true);
    page.tell("hidden");
    await until(() => expect(first.isOpen()).toBe(false));
    await until(() => expect(states.at(-1)).toBe("paused"));
    await pause(50);
    expect(server.asked).toHaveLength(1);
    page.tell("shown");
    expect((await server.connection(2)).headers["last-event-id"]).toBe("1");
  });

  it("is closed at once when the page is left, and waits until it is back", async () => {
    start();
    const first = await server.connection(1);
    page.tell("left");
    page.shown = true;
    await until(() => expect(first.isOpen()).toBe(false));
    await pause(50);
    expect(server.asked).toHaveLength(1);
    page.tell("shown");
    await server.connection(2);
  });

  it("is not opened in a page that nobody looks at", async () => {
    page.shown = false;
    start();
    await pause(50);
    expect(server.asked).toEqual([]);
    page.tell("shown");
    await server.connection(1);
  });

  it("is opened anew on demand, from where it was", async () => {
    start();
    const first = await server.connection(1);
    first.send(sent(3, "a"));
    await until(() => expect(seen).toContain('"a"'));
    following?.reopen();
    expect((await server.connection(2)).headers["last-event-id"]).toBe("3");
    await until(() => expect(first.isOpen()).toBe(false));
  });

  it("ends for good when it is stopped, wherever it stands", async () => {
    start();
    const first = await server.connection(1);
    await until(() => expect(seen).toEqual(["from now"]));
    following?.stop();
    await until(() => expect(first.isOpen()).toBe(false));
    first.send(sent(1, "late"));
    server.refuse({ status: 500 }, 100);
    start();
    await until(() => expect(states.at(-1)).toBe("waiting"));
    following?.stop();
    const before = server.asked.length;
    await pause(100);
    expect(server.asked.length).toBe(before);
    expect(seen).toEqual(["from now"]);
    expect(page.listeners.size).toBe(0);
  });

  it("works where there is no page", async () => {
    const { page } = browserEnvironment();
    expect(page.isShown()).toBe(true);
    page.listen(() => undefined)();
  });
});
