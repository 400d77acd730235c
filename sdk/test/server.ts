/** A loopback HTTP server that answers like Jackfield's plugin routes, and remembers what it was asked. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface Answer {
  status: number;
  /** Sent as JSON, unless `type` says that it is another text. */
  body: unknown;
  type?: string;
}

export interface TestServer {
  url: string;
  /** `METHOD /path?query` of each request, without preflights. */
  asked: string[];
  requests: { headers: IncomingMessage["headers"]; body: string }[];
  close(): Promise<void>;
}

export async function startServer(answer: (request: string, body: string) => Answer): Promise<TestServer> {
  const asked: string[] = [];
  const requests: TestServer["requests"] = [];
  const server = createServer(async (request, response) => {
    const cors = { "access-control-allow-origin": "*", "access-control-allow-headers": "*", "access-control-allow-methods": "*" };
    if (request.method === "OPTIONS") return void response.writeHead(204, cors).end();
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const line = `${request.method} ${request.url}`;
    asked.push(line);
    requests.push({ headers: request.headers, body });
    const { status, body: answered, type } = answer(line, body);
    const text = type === undefined ? JSON.stringify(answered) : String(answered);
    response.writeHead(status, { ...cors, "content-type": type ?? "application/json" }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    requests,
    close: () => new Promise((resolve) => (server.close(() => resolve()), server.closeAllConnections())),
  };
}
