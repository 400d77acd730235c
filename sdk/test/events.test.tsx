import { cleanup, configure, render, screen, waitFor } from "@testing-library/react";
import { type ReactNode, useEffect, useState } from "react";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import { type CloudEvent, createClient, JackfieldProvider, PluginScope, useEvents, usePlatformSDK } from "../src/index.js";
import { createEventHub, type EventHub } from "../src/live/hub.js";
import { isOf } from "../src/live/pattern.js";
import { BUSY, sent, startStreamServer, type StreamServer } from "./stream-server.js";

declare module "../src/event-types.js" {
  interface EventMap {
    "test.paid": { amount: number };
    "test.shared": { with: string };
  }
}

configure({ asyncUtilTimeout: 20_000 });
vi.setConfig({ testTimeout: 60_000 });
const until = <T,>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 20_000, interval: 5 });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let server: StreamServer;
let hub: EventHub;
let left: (() => void)[];

beforeEach(async () => {
  server = await startStreamServer((path) => path.startsWith("/events/stream"));
  hub = createEventHub(createClient({ server: server.url, getToken: () => "t0ken" }));
  left = [];
});

afterEach(async () => {
  for (const leave of left) leave();
  cleanup();
  vi.restoreAllMocks();
  await server.close();
});

const event = (id: string, type: string, data: unknown = null, source = "shop"): CloudEvent<string, unknown> => ({
  specversion: "1.0", id, source, type, data,
});
let place = 0;
const say = (...events: object[]) => events.map((one) => sent(++place, one)).join("");

/** What a listener hears, as text. */
function listen(types: string[], tenant = "acme") {
  const heard: string[] = [];
  left.push(
    hub.subscribe(tenant, types, {
      onEvent: ({ id }) => void heard.push(id),
      onMissed: () => void heard.push("missed"),
      onState: (state, error) => void heard.push(error === undefined ? state : `${state}: ${error.message}`),
    }),
  );
  return { heard, ids: () => heard.filter((word) => /^\d/.test(word)) };
}

describe("a page's events", () => {
  it("come by one stream for all that is wanted, each to whom it concerns", async () => {
    const [all, paid, orders] = [listen(["*"]), listen(["test.paid", "test.paid"]), listen(["order.*"])];
    const stream = await server.connection(1);
    expect(stream.url).toBe(`/events/stream?type=${encodeURIComponent("*,order.*,test.paid")}`);
    expect(stream.headers).toMatchObject({ authorization: "Bearer t0ken", "x-tenant-id": "acme" });
    stream.send(say(event("1", "test.paid"), event("2", "order.line.added"), event("3", "order"), event("4", "orders.x")));
    await until(() => expect(all.ids()).toEqual(["1", "2", "3", "4"]));
    expect([paid.ids(), orders.ids()]).toEqual([["1"], ["2"]]);
    await pause(100);
    expect(server.connections).toHaveLength(1);
  });

  it("come in their order and once, by source and id, also when they come again after a break", async () => {
    const { ids } = listen(["a.b"]);
    const first = await server.connection(1);
    first.send(say(event("1", "a.b"), event("1", "a.b", null, "elsewhere"), event("1", "a.b"), event("2", "a.b")));
    await until(() => expect(ids()).toEqual(["1", "1", "2"]));
    first.destroy();
    const second = await server.connection(2);
    expect(second.headers["last-event-id"]).toBe(String(place));
    second.send(say(event("2", "a.b"), event("3", "a.b")));
    await until(() => expect(ids()).toEqual(["1", "1", "2", "3"]));
  });

  it("are forgotten in time, so that a page that stays open does not grow", async () => {
    const { ids } = listen(["a.b"]);
    const stream = await server.connection(1);
    const many = Array.from({ length: 1_100 }, (_, n) => event(String(n), "a.b"));
    stream.send(say(...many, event("0", "a.b"), event("1099", "a.b")));
    await until(() => expect(ids().slice(1_099)).toEqual(["1099", "0"]));
  });

  it("are asked for anew where more is wanted, from where the stream was", async () => {
    listen(["a.b"]);
    const first = await server.connection(1);
    first.send(say(event("1", "a.b")));
    await pause(50);
    const more = listen(["c.d"]);
    const second = await server.connection(2);
    expect([second.url, second.headers["last-event-id"]]).toEqual([`/events/stream?type=${encodeURIComponent("a.b,c.d")}`, String(place)]);
    await until(() => expect(first.isOpen()).toBe(false));
    second.send(say(event("2", "c.d")));
    await until(() => expect(more.ids()).toEqual(["2"]));
    listen(["a.b"]);
    await pause(150);
    expect(server.connections).toHaveLength(2);
  });

  it("are asked for as a whole where there are more types than one request may name", async () => {
    const many = Array.from({ length: 51 }, (_, n) => `type.n${n}`);
    const { ids } = listen(many);
    const stream = await server.connection(1);
    expect(stream.url).toBe("/events/stream?type=*");
    stream.send(say(event("1", "type.n50"), event("2", "type.n51"), event("3", "type.n0")));
    await until(() => expect(ids()).toEqual(["1", "3"]));
  });

  it("end when nobody wants them any more", async () => {
    listen(["a.b"]);
    const stream = await server.connection(1);
    left.pop()?.();
    await until(() => expect(stream.isOpen()).toBe(false));
    listen(["a.b"]);
    await server.connection(2);
  });

  it("are of one tenant each", async () => {
    const [acme, globex] = [listen(["a.b"]), listen(["a.b"], "globex")];
    await server.connection(2);
    const stream = server.connections.find(({ headers }) => headers["x-tenant-id"] === "globex");
    stream?.send(say(event("1", "a.b")));
    await until(() => expect(globex.ids()).toEqual(["1"]));
    expect(acme.ids()).toEqual([]);
  });

  it("may be missed, and then that is told", async () => {
    const { heard } = listen(["a.b"]);
    const first = await server.connection(1);
    first.send(`${say(event("1", "a.b"))}event: reset\ndata: {"oldest":"900"}\n\n`);
    await until(() => expect(heard.filter((word) => word === "missed")).toHaveLength(1));
    server.refuse({ status: 410 });
    first.destroy();
    await server.connection(2);
    await until(() => expect(heard.filter((word) => word === "missed")).toHaveLength(2));
  });

  it("are refused to who may not have them, with the reason", async () => {
    server.refuse({ status: 403, body: JSON.stringify({ detail: "no plugin listens to a.b" }) });
    const { heard } = listen(["a.b"]);
    await until(() => expect(heard).toContain("refused: no plugin listens to a.b"));
  });

  it("reach the others where one listener throws, and where what comes is no event", async () => {
    const errors: unknown[] = [];
    vi.spyOn(console, "error").mockImplementation((error) => void errors.push(error));
    vi.stubGlobal("reportError", undefined);
    left.push(hub.subscribe("acme", ["a.b"], { onEvent: () => { throw new Error("not mine"); } }));
    const { ids } = listen(["a.b"]);
    const stream = await server.connection(1);
    stream.send("data: {not json}\n\ndata: null\n\ndata: [1]\n\ndata: {\"id\":\"5\"}\n\n");
    stream.send(say(event("6", "a.b")));
    await until(() => expect(ids()).toEqual(["6"]));
    expect(errors.map(String)).toEqual(["Error: not mine"]);
  });

  it.each([
    ["order.created", "order.created", true], ["order.created", "order.created.late", false], ["order.*", "order.created", true],
    ["order.*", "order.line.added", true], ["order.*", "order", false], ["order.*", "orders.x", false], ["*", "anything", true],
    ["order.*", "order.", false],
  ])("%s and %s", (pattern, type, fits) => expect(isOf(pattern, type)).toBe(fits));
});

const PLUGIN = { id: "board", name: "board", version: "1.0.0", bundleUrl: "/b.js", extensionPoints: [], configuration: {}, metadata: {} };

function Page({ children, tenant }: { children: ReactNode; tenant?: string }) {
  return (
    <JackfieldProvider server={server.url} tenant="acme" platform={{ navigate: () => undefined, notify: () => undefined }}>
      {tenant === undefined ? children : <PluginScope plugin={PLUGIN} extensionPoint="x" tenant={tenant}>{() => children}</PluginScope>}
    </JackfieldProvider>
  );
}

describe("useEvents", () => {
  it("gives the last events, calls the handler once for each, and says how it stands", async () => {
    const handled: number[] = [];
    function Board({ keep, offset }: { keep: number; offset: number }) {
      const { events, last, status, missed } = useEvents(["test.paid"], ({ data }) => void handled.push(data.amount + offset), { keep });
      return <p>{[status, events.map(({ data }) => data.amount).join("+"), last?.data.amount ?? "none", missed].join(" ")}</p>;
    }
    const page = (offset: number) => <Page tenant="globex"><Board keep={2} offset={offset} /></Page>;
    const { rerender } = render(page(0));
    await screen.findByText("open none 0", { collapseWhitespace: true });
    const stream = await server.connection(1);
    expect(stream.headers["x-tenant-id"]).toBe("globex");
    stream.send(say(event("1", "test.paid", { amount: 1 }), event("2", "test.paid", { amount: 2 })));
    await screen.findByText("open 1+2 2 0");
    rerender(page(100));
    stream.send(`${say(event("3", "test.paid", { amount: 3 }))}event: reset\ndata: {}\n\n`);
    await screen.findByText("open 2+3 3 1");
    expect(handled).toEqual([1, 2, 103]);
    expect(server.connections).toHaveLength(1);
  });

  it("begins anew with other types, holds nothing it need not, and stops where it is switched off", async () => {
    const handled: string[] = [];
    function Board({ type, enabled = true }: { type: string; enabled?: boolean }) {
      const { events, status, clear } = useEvents(type, ({ id }) => void handled.push(id), { enabled });
      return <button onClick={clear}>{`${status} ${events.length}`}</button>;
    }
    const { rerender } = render(<Page><Board type="a.b" /></Page>);
    (await server.connection(1)).send(say(event("1", "a.b")));
    (await screen.findByText("open 1")).click();
    await screen.findByText("open 0");
    rerender(<Page><Board type="c.*" /></Page>);
    const second = await server.connection(2);
    expect(second.url).toBe("/events/stream?type=c.*");
    second.send(say(event("2", "a.b"), event("3", "c.d")));
    await screen.findByText("open 1");
    expect(handled).toEqual(["1", "3"]);
    rerender(<Page><Board type="c.*" enabled={false} /></Page>);
    await screen.findByText("paused 0");
    await waitFor(() => expect(second.isOpen()).toBe(false));
  });

  it("knows what the declared types carry", () => {
    const Typed = () => {
      expectTypeOf(useEvents("test.paid").last).toEqualTypeOf<CloudEvent<"test.paid"> | undefined>();
      expectTypeOf(useEvents(["test.paid", "test.shared"]).last?.data).toEqualTypeOf<{ amount: number } | { with: string } | undefined>();
      expectTypeOf(useEvents("test.*").last?.data).toEqualTypeOf<unknown>();
      expectTypeOf(useEvents("other").last?.data).toEqualTypeOf<unknown>();
      return null;
    };
    expect(() => render(<Typed />)).toThrow("wrap the page in <JackfieldProvider");
  });
});

describe("emitting", () => {
  it("goes out as the plugin, with the page's tenant", async () => {
    const bodies: string[] = [];
    server.other((line, body) => (line === "POST /plugins/board/events" ? (bodies.push(body), { id: "e1" }) : undefined));
    function Share() {
      const sdk = usePlatformSDK();
      const [said, setSaid] = useState("");
      useEffect(() => {
        const emitted = [
          sdk.emit("test.shared", { with: "ann" }, { subject: "cart-7" }),
          // @ts-expect-error A declared event carries what it is declared to.
          sdk.emit("test.shared", { amount: 1 }),
          sdk.emit("undeclared", undefined),
          sdk.emit("answer", 1, { cause: { ...event("7", "order.created"), hops: 3 } }),
        ];
        void Promise.all(emitted).then((all) => setSaid(all.map(({ id }) => id).join()));
      }, [sdk]);
      return <p>{said}</p>;
    }
    render(<Page tenant="globex"><Share /></Page>);
    await screen.findByText("e1,e1,e1,e1");
    expect(bodies.map((body) => JSON.parse(body) as unknown).sort((a, b) => JSON.stringify(b).length - JSON.stringify(a).length)).toEqual([
      { type: "test.shared", data: { with: "ann" }, subject: "cart-7" },
      { type: "test.shared", data: { amount: 1 } },
      { type: "answer", data: 1, hops: 3 },
      { type: "undeclared", data: null },
    ]);
  });

  it("is refused as the server says", async () => {
    const client = createClient({ server: server.url });
    await expect(client.emitAsPlugin("acme", "board", "x", 1)).rejects.toMatchObject({ name: "JackfieldRequestError", status: 404 });
  });

  it("of the host is sent again under the same id while the server is too busy", async () => {
    const bodies: Record<string, unknown>[] = [];
    server.other((line, body) => {
      if (line !== "POST /events") return undefined;
      return bodies.push(JSON.parse(body) as Record<string, unknown>) === 1 ? BUSY : { accepted: 1 };
    });
    const client = createClient({ server: server.url, getToken: () => "t0ken" });
    const { id } = await client.publish("acme", { type: "order.created", subject: "7", source: "/shop", data: { id: 7 } });
    expect(bodies).toHaveLength(2);
    expect(bodies[1]).toEqual(bodies[0]);
    expect(bodies[0]).toMatchObject({ specversion: "1.0", id, type: "order.created", source: "/shop", subject: "7", data: { id: 7 } });
  });
});
