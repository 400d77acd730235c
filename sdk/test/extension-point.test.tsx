import { cleanup, configure, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { createContext, type ReactNode, useContext, useState } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  createLoader,
  definePlugin,
  ExtensionPoint,
  type ExtensionPointProps,
  JackfieldProvider,
  type PluginDefinition,
  type PluginFailure,
  PluginScope,
  usePlatformSDK,
  usePluginConfig,
} from "../src/index.js";
import { type Answer, startServer, type TestServer } from "./server.js";

// A machine that is busy elsewhere is no failure.
configure({ asyncUtilTimeout: 20_000 });
vi.setConfig({ testTimeout: 60_000 });

const POINT = "dashboard-widgets";
const ThemeContext = createContext("light");

let server: TestServer;
let listed: Record<string, unknown>[];
let bundles: Record<string, PluginDefinition | Error>;
let saved: Answer;
let failures: PluginFailure[];

beforeEach(async () => {
  listed = [];
  bundles = {};
  failures = [];
  saved = { status: 200, body: {} };
  server = await startServer((line) => {
    if (line.startsWith("GET /plugins/public/") || line === "GET /plugins/installed") return { status: 200, body: listed };
    if (line.startsWith("PUT /plugins/")) return saved;
    if (line.startsWith("GET /api/plugin-proxy/")) return { status: 200, body: { quote: 42 } };
    return { status: 404, body: { title: "Not found" } };
  });
  // React reports caught errors there; the tests read them from onError.
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});

afterEach(async () => {
  cleanup();
  vi.restoreAllMocks();
  await server.close();
});

function enable(id: string, component: (props: ExtensionPointProps) => ReactNode, more: Record<string, unknown> = {}) {
  listed.push({ id, name: id, version: "1.0.0", bundleUrl: `/b/${id}.js`, extensionPoints: [POINT], enabled: true, ...more });
  bundles[`${server.url}/b/${id}.js`] = definePlugin({ name: id, version: "1.0.0", extensionPoints: { [POINT]: component } });
}

const notify = vi.fn();
const platform = { navigate: vi.fn(), notify, ThemeContext };

function Page({ children, getToken }: { children: ReactNode; getToken?: () => string | null }) {
  const [loader] = useState(() =>
    createLoader({
      importModule: async (url) => {
        const bundle = bundles[url];
        if (bundle instanceof Error) throw bundle;
        return { default: bundle };
      },
      preloadModule: async () => undefined,
    }),
  );
  return (
    <JackfieldProvider
      server={server.url}
      tenant="acme"
      platform={platform}
      loader={loader}
      getToken={getToken}
      live={false}
      onError={(failure) => failures.push(failure)}
    >
      {children}
    </JackfieldProvider>
  );
}

describe("<ExtensionPoint>", () => {
  it("asks for the tenant's plugins and shows them by priority, then name", async () => {
    enable("zebra", () => <p>zebra</p>, { metadata: { priority: 5 } });
    enable("beta", () => <p>beta</p>);
    enable("alpha", () => <p>alpha</p>);
    enable("last", () => <p>last</p>, { metadata: { priority: 200 } });
    enable("off", () => <p>off</p>, { enabled: false });
    const { container } = render(<Page><ExtensionPoint name={POINT} /></Page>);
    expect(screen.getByRole("status").textContent).toBe("Loading plugins…");
    await screen.findByText("last");
    expect([...container.querySelectorAll("p")].map((p) => p.textContent)).toEqual(["zebra", "alpha", "beta", "last"]);
    expect(server.asked).toEqual([`GET /plugins/public/organizations/enabled?organizationId=acme&extensionPoint=${POINT}`]);
  });

  it("asks once for a whole page when a token is given", async () => {
    enable("a", () => <p>shown</p>);
    render(
      <Page getToken={() => "t0ken"}>
        <ExtensionPoint name={POINT} />
        <ExtensionPoint name="admin-settings" whenEmpty={<p>nothing here</p>} />
      </Page>,
    );
    await screen.findByText("shown");
    await screen.findByText("nothing here");
    expect(server.asked).toEqual(["GET /plugins/installed"]);
    expect(server.requests[0]?.headers).toMatchObject({ authorization: "Bearer t0ken", "x-tenant-id": "acme" });
  });

  it("gives props, context, configuration and the platform, and keeps state over renders", async () => {
    function Widget(props: ExtensionPointProps<{ amount: number }>) {
      const [clicks, setClicks] = useState(0);
      const { config } = usePluginConfig<{ label: string }>();
      const sdk = usePlatformSDK() as ReturnType<typeof usePlatformSDK> & { ThemeContext: typeof ThemeContext };
      const theme = useContext(sdk.ThemeContext);
      const same = props.config["label"] === config.label && props.sdk === sdk && props.context.amount === props.amount;
      return (
        <button onClick={() => setClicks(clicks + 1)}>
          {[config.label, props.amount, theme, sdk.tenantId, sdk.pluginId, same, clicks].join(" ")}
        </button>
      );
    }
    enable("w", Widget as never, { configuration: { label: "hello" } });
    const page = (amount: number) => (
      <ThemeContext.Provider value="dark">
        <Page><ExtensionPoint name={POINT} amount={amount} propsFor={() => ({ amount: amount * 2 })} /></Page>
      </ThemeContext.Provider>
    );
    const { rerender } = render(page(1));
    fireEvent.click(await screen.findByText("hello 2 dark acme w true 0"));
    rerender(page(4));
    await screen.findByText("hello 8 dark acme w true 1");
  });

  it("leaves the others standing when one throws or does not load, and tries again on demand", async () => {
    let broken = true;
    enable("good", () => <p>good</p>);
    enable("throws", () => {
      if (broken) throw new Error("boom");
      return <p>recovered</p>;
    });
    enable("absent", () => null);
    bundles[`${server.url}/b/absent.js`] = new Error("bundle is broken");
    render(<Page><ExtensionPoint name={POINT} /></Page>);
    await screen.findByText("good");
    await waitFor(() => expect(screen.getAllByRole("alert")).toHaveLength(2));
    const reports = failures.map(({ phase, plugin, extensionPoint, tenantId }) => [phase, plugin?.id, extensionPoint, tenantId]);
    expect(reports.sort()).toEqual([["load", "absent", POINT, "acme"], ["render", "throws", POINT, "acme"]]);
    expect(failures.find(({ phase }) => phase === "render")?.componentStack).toContain("at ");
    broken = false;
    const alert = screen.getAllByRole("alert").find(({ textContent }) => textContent?.includes("throws could not be shown"));
    fireEvent.click(alert?.querySelector("button") as HTMLButtonElement);
    await screen.findByText("recovered");
    expect(screen.getAllByRole("alert")).toHaveLength(1);
  });

  it("saves a configuration and shows the new one without unmounting the plugin", async () => {
    function Settings() {
      const [typed] = useState(() => "typed");
      const { config, saveConfig, error } = usePluginConfig<{ label: string }>();
      return (
        <button onClick={() => void saveConfig({ label: "new" }).catch(() => undefined)}>
          {`${config.label} ${typed} ${error?.message ?? "fine"}`}
        </button>
      );
    }
    enable("s", Settings, { configuration: { label: "old" } });
    render(<Page><ExtensionPoint name={POINT} /></Page>);
    const button = await screen.findByText("old typed fine");
    saved = { status: 422, body: { title: "Unprocessable", detail: "label is too short", code: "invalid_configuration" } };
    fireEvent.click(button);
    await screen.findByText("old typed label is too short");
    saved = { status: 200, body: {} };
    listed = listed.map((plugin) => ({ ...plugin, configuration: { label: "new" } }));
    fireEvent.click(button);
    await screen.findByText("new typed fine");
    expect(server.asked.filter((line) => line.startsWith("PUT"))).toEqual(Array(2).fill("PUT /plugins/s/config"));
    expect(server.requests.at(-2)?.body).toBe('{"label":"new"}');
  });

  it("binds fetch to the plugin's own routes", async () => {
    function Asking() {
      const { fetch } = usePlatformSDK();
      const [said, setSaid] = useState("");
      const ask = (path: string) => fetch(path).then((r) => r.text()).catch((e: Error) => e.message).then(setSaid);
      return ["/quotes?n=1", "/../../../plugins", "https://example.com/x", "//example.com/x"].map((path) => (
        <button key={path} onClick={() => void ask(path)}>{`${path} ${said}`}</button>
      ));
    }
    enable("asker", Asking);
    render(<Page getToken={() => "t0ken"}><ExtensionPoint name={POINT} /></Page>);
    fireEvent.click(await screen.findByText("/quotes?n=1"));
    await screen.findByText('/quotes?n=1 {"quote":42}');
    expect(server.asked.at(-1)).toBe("GET /api/plugin-proxy/asker/quotes?n=1");
    expect(server.requests.at(-1)?.headers["authorization"]).toBe("Bearer t0ken");
    const before = server.asked.length;
    for (const path of ["/../../../plugins", "https://example.com/x", "//example.com/x"]) {
      fireEvent.click(screen.getByText((text) => text.startsWith(path)));
      await screen.findAllByText((text) => text.includes(`not "${path}"`));
    }
    expect(server.asked).toHaveLength(before);
  });

  it("keeps the way to the backend where only the platform around it changes", () => {
    const seen: { notify: unknown; backend: unknown; fetch: unknown }[] = [];
    const plugin = { id: "w", name: "w", version: "1.0.0", bundleUrl: "/b/w.js", extensionPoints: [], configuration: {}, metadata: {} };
    const page = (tenant: string) => (
      <JackfieldProvider server={server.url} tenant={tenant} platform={{ navigate: () => undefined, notify: () => undefined }}>
        <PluginScope plugin={plugin} extensionPoint={tenant}>{({ sdk }) => void seen.push(sdk)}</PluginScope>
      </JackfieldProvider>
    );
    const { rerender } = render(page("acme"));
    rerender(page("acme"));
    const [first, second] = [seen.at(0), seen.at(-1)];
    expect(second?.notify).not.toBe(first?.notify);
    expect(second?.backend).toBe(first?.backend);
    expect(second?.fetch).toBe(first?.fetch);
    rerender(page("globex"));
    expect(seen.at(-1)?.backend).not.toBe(first?.backend);
  });

  it("says so when the list cannot be had, and asks again on demand", async () => {
    await server.close();
    const { url } = server;
    server = await startServer((line) =>
      line.includes("enabled") && server.asked.length < 2 ? { status: 403, body: { detail: "no" } } : { status: 200, body: [] },
    );
    expect(url).not.toBe(server.url);
    render(<Page><ExtensionPoint name={POINT} whenEmpty={<p>no plugins</p>} /></Page>);
    fireEvent.click((await screen.findByRole("alert")).querySelector("button") as HTMLButtonElement);
    await screen.findByText("no plugins");
    expect(failures.map(({ phase }) => phase)).toEqual(["list"]);
  });

  it("tells a component outside of it what is missing", () => {
    const Lonely = () => <>{usePluginConfig().config}</>;
    expect(() => render(<Lonely />)).toThrow("usePluginConfig works in a plugin's component only");
    expect(() => render(<ExtensionPoint name={POINT} />)).toThrow("wrap the page in <JackfieldProvider");
  });
});
