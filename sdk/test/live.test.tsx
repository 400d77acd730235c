import { cleanup, configure, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { type ReactNode, StrictMode, useState } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  createLoader,
  definePlugin,
  ExtensionPoint,
  type ExtensionPointProps,
  JackfieldProvider,
  type PluginDefinition,
  type PluginFailure,
  useEnabledPlugins,
  usePluginConfig,
} from "../src/index.js";
import { sent, startStreamServer, type StreamServer } from "./stream-server.js";

configure({ asyncUtilTimeout: 20_000 });
vi.setConfig({ testTimeout: 60_000 });

const POINT = "dashboard-widgets";
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let server: StreamServer;
let listed: Record<string, unknown>[];
let bundles: Record<string, PluginDefinition>;
let failures: PluginFailure[];
let change: number;

beforeEach(async () => {
  listed = [];
  bundles = {};
  failures = [];
  change = 0;
  server = await startStreamServer((path) => path.includes("/stream"));
  server.other((line) => (/^GET \/plugins\/(?:installed|public\/)/.test(line) ? listed : undefined));
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});

afterEach(async () => {
  cleanup();
  vi.restoreAllMocks();
  await server.close();
});

function enable(id: string, component: (props: ExtensionPointProps) => ReactNode, more: Record<string, unknown> = {}) {
  const version = String(more["version"] ?? "1.0.0");
  const bundleUrl = `/b/${id}-${version}.js`;
  bundles[`${server.url}${bundleUrl}`] = definePlugin({ name: id, version, extensionPoints: { [POINT]: component } });
  listed = [...listed.filter((plugin) => plugin["id"] !== id), { id, name: id, version, bundleUrl, extensionPoints: [POINT], ...more }];
}

/** What the server says after a change. */
const tell = (at: { send(text: string): void }, kind: string, pluginId: string) =>
  at.send(sent(++change, { change: kind, pluginId, time: "2026-11-22T03:00:00Z" }));

const lists = () => server.asked.filter((line) => !line.includes("/stream"));
const platform = { navigate: vi.fn(), notify: vi.fn() };

function Page({ children, token, live, tenant = "acme" }: { children: ReactNode; token?: string; live?: boolean; tenant?: string }) {
  const [loader] = useState(() =>
    createLoader({ importModule: async (url) => ({ default: bundles[url] }), preloadModule: async () => undefined }),
  );
  const report = (failure: PluginFailure) => void failures.push(failure);
  return (
    <JackfieldProvider
      server={server.url}
      tenant={tenant}
      platform={platform}
      loader={loader}
      live={live}
      getToken={() => token ?? null}
      onError={report}
    >
      {children}
    </JackfieldProvider>
  );
}

describe("an open page", () => {
  it("shows what is installed, configured, upgraded and removed, as it happens", async () => {
    let mounts = 0;
    function Widget(props: ExtensionPointProps) {
      const [clicks, setClicks] = useState(() => (mounts += 1, 0));
      const { config } = usePluginConfig<{ label: string }>();
      return <button onClick={() => setClicks(clicks + 1)}>{`${config.label} ${clicks} ${props.config === config}`}</button>;
    }
    render(<Page><ExtensionPoint name={POINT} whenEmpty={<p>nothing here</p>} /></Page>);
    await screen.findByText("nothing here");
    const stream = await server.connection(1);
    expect(stream.url).toBe("/plugins/public/organizations/stream?organizationId=acme");
    expect(stream.headers["x-tenant-id"]).toBeUndefined();

    enable("w", Widget, { configuration: { label: "hello" } });
    tell(stream, "installed", "w");
    fireEvent.click(await screen.findByText("hello 0 true"));
    enable("w", Widget, { configuration: { label: "bonjour" } });
    tell(stream, "configured", "w");
    await screen.findByText("bonjour 1 true");
    expect(mounts).toBe(1);

    enable("w", () => <p>the second version</p>, { version: "2.0.0" });
    tell(stream, "upgraded", "w");
    await screen.findByText("the second version");
    listed = [];
    tell(stream, "uninstalled", "w");
    await screen.findByText("nothing here");
    expect(failures).toEqual([]);
  });

  it("has one stream for each tenant, however many extension points and renders there are", async () => {
    enable("a", () => <p>a</p>);
    function Names() {
      const listing = useEnabledPlugins("menu");
      return <p>{listing.status}</p>;
    }
    const page = (
      <StrictMode>
        <Page token="t0ken">
          <ExtensionPoint name={POINT} />
          <ExtensionPoint name="checkout" whenEmpty={<p>no checkout</p>} />
          <ExtensionPoint name={POINT} tenant="globex" whenEmpty={<p>no globex</p>} />
          <Names />
        </Page>
      </StrictMode>
    );
    const { rerender } = render(page);
    rerender(page);
    await screen.findAllByText("a");
    await server.connection(2);
    await pause(300);
    expect(server.connections.map(({ url, headers }) => [url, headers["x-tenant-id"], headers.authorization]).sort()).toEqual([
      ["/plugins/stream", "acme", "Bearer t0ken"],
      ["/plugins/stream", "globex", "Bearer t0ken"],
    ]);
    const acme = server.connections.find(({ headers }) => headers["x-tenant-id"] === "acme");
    const before = lists().length;
    tell(acme as never, "configured", "a");
    await waitFor(() => expect(lists().length).toBe(before + 1));
    cleanup();
    await waitFor(() => expect(server.connections.filter((one) => one.isOpen())).toEqual([]));
  });

  it("reads the lists once for many changes, and no plugin again that is as it was", async () => {
    let renders = 0;
    enable("still", () => <p>{`still ${(renders += 1) > 0}`}</p>, { configuration: { deep: { same: [1, 2] } } });
    render(<Page><ExtensionPoint name={POINT} /></Page>);
    await screen.findByText("still true");
    const stream = await server.connection(1);
    await waitFor(() => expect(lists().length).toBe(2));
    await pause(400);
    const [asked, rendered] = [lists().length, renders];
    for (let n = 0; n < 200; n += 1) tell(stream, "configured", "other");
    await waitFor(() => expect(lists().length).toBeGreaterThan(asked));
    await pause(600);
    expect(lists().length).toBeLessThanOrEqual(asked + 3);
    expect(renders).toBe(rendered);
  });

  it("reads all anew where some of the changes are missed, and goes on after a break", async () => {
    render(<Page><ExtensionPoint name={POINT} whenEmpty={<p>nothing here</p>} /></Page>);
    await screen.findByText("nothing here");
    const first = await server.connection(1);
    await waitFor(() => expect(lists().length).toBe(2));
    enable("a", () => <p>a is here</p>);
    first.send(sent(7, { oldest: "7" }, "reset"));
    await screen.findByText("a is here");
    first.destroy();
    const second = await server.connection(2);
    expect(second.headers["last-event-id"]).toBe("7");
    enable("b", () => <p>b is here</p>);
    tell(second, "installed", "b");
    await screen.findByText("b is here");
  });

  it("finds what changed between its first list and the stream", async () => {
    server.refuse({ status: 503 });
    render(<Page><ExtensionPoint name={POINT} whenEmpty={<p>nothing here</p>} /></Page>);
    await screen.findByText("nothing here");
    enable("a", () => <p>a is here</p>);
    await server.connection(1);
    await screen.findByText("a is here");
  });

  it("keeps what it shows, and says nothing, while the lists cannot be read again", async () => {
    enable("a", () => <p>a is here</p>);
    render(<Page><ExtensionPoint name={POINT} /></Page>);
    await screen.findByText("a is here");
    const stream = await server.connection(1);
    await waitFor(() => expect(lists().length).toBe(2));
    await pause(200);
    let refused = 0;
    enable("b", () => <p>b is here</p>);
    server.other((line) => (line.includes("enabled") && (refused += 1) > 1 ? listed : undefined));
    tell(stream, "installed", "b");
    await screen.findByText("b is here");
    expect(screen.queryByRole("alert")).toBeNull();
    expect(failures).toEqual([]);
  });

  it("tries a plugin that has failed again, once it is configured otherwise", async () => {
    function Fragile({ config }: ExtensionPointProps) {
      if (config["good"] !== true) throw new Error("bad configuration");
      return <p>fine now</p>;
    }
    enable("fragile", Fragile, { configuration: { good: false } });
    render(<Page><ExtensionPoint name={POINT} /></Page>);
    await screen.findByRole("alert");
    const stream = await server.connection(1);
    await waitFor(() => expect(lists().length).toBe(2));
    await pause(200);
    await screen.findByRole("alert");
    enable("fragile", Fragile, { configuration: { good: true } });
    tell(stream, "configured", "fragile");
    await screen.findByText("fine now");
    expect(failures.map(({ phase }) => phase)).toEqual(["render"]);
  });

  it("works as before with a server that has no such stream, and where it is switched off", async () => {
    enable("a", () => <p>a is here</p>);
    server.refuse({ status: 404 }, 100);
    render(<Page><ExtensionPoint name={POINT} /></Page>);
    await screen.findByText("a is here");
    await waitFor(() => expect(server.asked.filter((line) => line.includes("/stream"))).toHaveLength(1));
    cleanup();
    server.asked.length = 0;
    render(<Page live={false}><ExtensionPoint name={POINT} /></Page>);
    await screen.findByText("a is here");
    await pause(300);
    expect(server.asked).toEqual([`GET /plugins/public/organizations/enabled?organizationId=acme&extensionPoint=${POINT}`]);
    expect(failures).toEqual([]);
  });

  it("opens no stream on a server that renders it", async () => {
    expect(renderToString(<Page><ExtensionPoint name={POINT} /></Page>)).toContain("Loading");
    await pause(100);
    expect(server.asked).toEqual([]);
  });
});
