/** A loopback server of event streams, whose connections a test holds in its hand. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { vi } from "vitest";

/** A stream that somebody has opened. */
export interface Connection {
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  send(text: string | Uint8Array): void;
  /** Ends it as a server does. */
  end(): void;
  /** Cuts it. */
  destroy(): void;
  isOpen(): boolean;
}

export interface Refusal {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

export interface StreamServer {
  url: string;
  /** All there have been; refused ones are not among them. */
  connections: Connection[];
  /** `METHOD path` of every request. */
  asked: string[];
  /** What the next requests get instead of a stream: a refusal, or nothing at all (`hang`). */
  refuse(next: Refusal | "hang" | "cut", times?: number): void;
  /** What other addresses answer, as JSON: 404 if it is undefined, 503 if it is {@link BUSY}. */
  other(answer: (line: string, body: string) => unknown): void;
  /** Waits for connection number `count`, and gives it. */
  connection(count: number): Promise<Connection>;
  close(): Promise<void>;
}

export const BUSY = Symbol("busy");

const CORS = { "access-control-allow-origin": "*", "access-control-allow-headers": "*", "access-control-allow-methods": "*" };

export async function startStreamServer(isStream: (path: string) => boolean = () => true): Promise<StreamServer> {
  const connections: Connection[] = [];
  const asked: string[] = [];
  const refusals: (Refusal | "hang" | "cut")[] = [];
  let others: (line: string, body: string) => unknown = () => undefined;

  const stream = (request: IncomingMessage, response: ServerResponse) => {
    const refusal = refusals.shift();
    if (refusal === "hang") return;
    if (refusal === "cut") return void request.socket.destroy();
    if (refusal !== undefined) return void response.writeHead(refusal.status, { ...CORS, ...refusal.headers }).end(refusal.body);
    response.writeHead(200, { ...CORS, "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" });
    response.flushHeaders();
    connections.push({
      url: request.url ?? "",
      headers: request.headers,
      send: (text) => void response.write(text),
      end: () => void response.end(),
      destroy: () => void request.socket.destroy(),
      isOpen: () => !request.socket.destroyed && !response.writableEnded,
    });
  };

  const server = createServer(async (request, response) => {
    if (request.method === "OPTIONS") return void response.writeHead(204, CORS).end();
    asked.push(`${request.method} ${request.url}`);
    if (isStream(request.url ?? "")) return stream(request, response);
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const answer = others(`${request.method} ${request.url}`, body);
    response.writeHead(answer === undefined ? 404 : answer === BUSY ? 503 : 200, { ...CORS, "content-type": "application/json" }).end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections,
    asked,
    refuse: (next, times = 1) => void refusals.push(...Array<typeof next>(times).fill(next)),
    other: (answer) => void (others = answer),
    connection: (count) =>
      vi.waitFor(
        () => {
          const found = connections[count - 1];
          if (found === undefined) throw new Error(`there have been ${connections.length} connections, not ${count}`);
          return found;
        },
        { timeout: 20_000, interval: 5 },
      ),
    close: () => new Promise((resolve) => (server.close(() => resolve()), server.closeAllConnections())),
  };
}

/** An event as the server sends it. */
export const sent = (id: string | number, data: unknown, name = "") =>
  `${name === "" ? "" : `event: ${name}\n`}id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
