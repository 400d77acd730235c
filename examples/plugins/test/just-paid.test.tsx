import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { JackfieldProvider, PluginScope } from "@jackfield/plugin-sdk";
import { cleanup, configure, render, screen, within } from "@testing-library/react";
import { createContext } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { JustPaid } from "../sales-dashboard/src/just-paid";
import manifest from "../sales-dashboard/plugin.json";

configure({ asyncUtilTimeout: 20_000 });
vi.setConfig({ testTimeout: 60_000 });

let server: Server;
let stream: Promise<{ path: string; response: ServerResponse }>;

beforeEach(async () => {
  stream = new Promise((resolve) => {
    server = createServer((request, response) => {
      response.writeHead(200, {
        "access-control-allow-origin": "*", "access-control-allow-headers": "*", "content-type": "text/event-stream",
      });
      response.flushHeaders();
      if (request.method === "OPTIONS") response.end();
      else resolve({ path: request.url ?? "", response });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  cleanup();
  server.close();
  server.closeAllConnections();
});

it("shows each payment once, the newest first", async () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const platform = { navigate: () => undefined, notify: () => undefined, locale: "en-GB", ThemeContext: createContext<Theme>("light") };
  const plugin = { ...manifest, bundleUrl: "/b.js", configuration: {} };
  render(
    <JackfieldProvider server={url} tenant="acme" platform={platform}>
      <PluginScope plugin={plugin} extensionPoint="dashboard-widgets">{() => <JustPaid />}</PluginScope>
    </JackfieldProvider>,
  );
  const log = screen.getByRole("log");
  expect(log.childNodes).toHaveLength(0);
  const { path, response } = await stream;
  expect(path).toBe(`/events/stream?type=${manifest.listens.join()}`);
  const tell = (id: string, number: string, amount: number) => {
    const data = { number, amount, currency: "EUR", brand: "visa", last4: "4242" };
    const event = { specversion: "1.0", id, source: "jackfield/plugins/payment-card", type: "payment.succeeded", subject: number, data };
    response.write(`id: ${id}\ndata: ${JSON.stringify(event)}\n\n`);
  };
  tell("1", "P00001", 10450);
  await screen.findByText("Paid just now: 1");
  tell("2", "P00002", 650);
  // The plugin may tell it twice, as two events.
  tell("3", "P00002", 650);
  tell("4", "P00003", 4900);
  tell("5", "P00004", 100);
  await screen.findByText("Paid just now: 4");
  expect(within(log).getAllByRole("listitem").map((item) => item.textContent)).toEqual(["P00004 €1.00", "P00003 €49.00", "P00002 €6.50"]);
});
