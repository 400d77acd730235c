// What the scripts beside it share: they take their options as JSON in the first argument, listen on a free port of
// loopback, say where in one line of JSON, and end when standard input does, so that none outlives its test.
import http from "node:http";

export const options = JSON.parse(process.argv[2] ?? "{}");

/** Starts listening on a free port; gives the server and its base URL. Requests get 503 until there is a handler. */
export async function listen() {
  let handler = (_request, response) => response.writeHead(503).end();
  const server = http.createServer((request, response) => handler(request, response));
  await new Promise((resolve, reject) => server.on("error", reject).listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${server.address().port}`;
  return { base, handle: (next) => (handler = next) };
}

/** Tells the test that all is ready. */
export function ready(facts) {
  process.stdout.write(`${JSON.stringify({ ready: facts })}\n`);
  process.stdin.resume().on("end", () => process.exit(0)).on("error", () => process.exit(0));
}

/** The body of a request, of at most a megabyte unless said otherwise. */
export async function bodyOf(request, most = 1 << 20) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > most) throw new Error("the body is too large");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

export function answerJson(response, value, status = 200) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}
