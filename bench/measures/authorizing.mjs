// `GET /api/v1/unified/auth/google/url`: beginning a consent, beside a FastAPI app that does the same.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FastApi } from "../tools/fastapi.mjs";
import { SECRET, Server, token } from "../tools/jackfield.mjs";
import { LOAD_CORE, SERVER_CORE, load, together } from "../tools/load.mjs";
import { residentBytes } from "../tools/process.mjs";
import { mebibytes, table, thousands } from "../tools/report.mjs";

const CONNECTIONS = 32;
const USERS = 1000;
const TENANTS = 100;
const TARGET_RATIO = 20;
const ROUTE = "/api/v1/unified/auth/google/url";
const REDIRECT_URI = "https://app.example/auth/google/callback";
const SETTINGS = {
  GOOGLE_CLIENT_ID: "1234567890-bench.apps.googleusercontent.com", GOOGLE_CLIENT_SECRET: "GOCSPX-of-the-benchmark",
  GOOGLE_REDIRECT_URI: REDIRECT_URI,
};
/** What Google must be told, and how many bits' worth of base64url at least. */
const MUST = { code_challenge: 43, state: 43 };

const tokenOf = (n) => token({
  sub: `user-${n}`, email: `user-${n}@tenant-${n % TENANTS}.example`, tenantId: `tenant-${n % TENANTS}`, role: "user",
});

/** Fails unless the answer of `base` is a URL that begins a consent at Google with PKCE. Gives the answer's length. */
async function checked(name, base) {
  const answer = await fetch(base + ROUTE, { headers: { authorization: `Bearer ${tokenOf(1)}` } });
  const text = await answer.text();
  const body = answer.status === 200 ? JSON.parse(text) : {};
  const query = new URL(body.auth_url ?? "http://none").searchParams;
  const said = { ...Object.fromEntries(query), ...body };
  const expected = {
    success: true, provider: "google", redirect_uri: REDIRECT_URI, response_type: "code", code_challenge_method: "S256",
    access_type: "offline", prompt: "consent", scope: "openid email profile", login_hint: "user-1@tenant-1.example",
    client_id: SETTINGS.GOOGLE_CLIENT_ID, state: query.get("state"),
  };
  const wrong = Object.keys(expected).filter((key) => said[key] !== expected[key]);
  const short = Object.keys(MUST).filter((key) => !(query.get(key)?.length >= MUST[key]));
  if (wrong.length + short.length > 0) throw new Error(`${name} answers ${answer.status} ${text}: see ${[...wrong, ...short]}`);
  const refused = await fetch(base + ROUTE, { headers: { authorization: `Bearer ${tokenOf(1).slice(0, -2)}xx` } });
  if (refused.status !== 401) throw new Error(`${name} takes a token with a wrong signature: ${refused.status}`);
  return text.length;
}

async function peers(programs, folder) {
  const home = join(folder, "authorizing");
  mkdirSync(home);
  const fastApi = (state) => FastApi.start(join(folder, `fastapi-${state}`), SERVER_CORE, { ...SETTINGS, JWT_SECRET: SECRET, STATE: state });
  return [
    { name: "Jackfield", server: await Server.start(programs.jackfield, home, SERVER_CORE, SETTINGS) },
    { name: "FastAPI, state in SQLite", server: await fastApi("stored") },
    { name: "FastAPI, state sealed", server: await fastApi("sealed") },
  ];
}

/** Measures and gives the section of the report; notes the server's memory after the load in `memory`. */
export async function authorizing({ programs, quick, folder, memory }) {
  const rounds = quick ? 1 : 3;
  const seconds = quick ? 2 : 10;
  const tokens = join(folder, "tokens-of-users");
  writeFileSync(tokens, Array.from({ length: USERS }, (_, n) => tokenOf(n)).join("\n") + "\n");
  const all = (await peers(programs, folder)).map((peer) => ({ ...peer, runs: [] }));
  for (const peer of all) {
    peer.bytes = await checked(peer.name, peer.server.base);
    peer.idle = residentBytes(peer.server.pid);
  }
  // The first round warms and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const { server, runs } of all) {
      const run = await load(server.base + ROUTE, {
        connections: CONNECTIONS, seconds: round === 0 ? 2 : seconds, tokens, pids: [server.pid],
      });
      if (round > 0) runs.push(run);
    }
  }
  for (const peer of all) {
    peer.resident = residentBytes(peer.server.pid);
    await peer.server.stop();
    peer.figures = together(peer.runs);
    peer.perCpuSecond = 1e6 / peer.figures.cpuMicroseconds;
  }
  const [jackfield, ...others] = all;
  memory[`after GET ${ROUTE}`] = jackfield.resident;
  const ratio = (peer) => jackfield.perCpuSecond / peer.perCpuSecond;
  const row = (peer) => [
    peer.name, thousands(peer.figures.perSecond), peer.figures.p50.toFixed(2), peer.figures.p99.toFixed(2),
    peer.figures.cpuMicroseconds.toFixed(0), peer === jackfield ? "" : `${ratio(peer).toFixed(1)}×`,
    mebibytes(peer.idle), mebibytes(peer.resident),
  ];
  return {
    title: "Beginning a consent at Google",
    notes: `\`GET ${ROUTE}\` by ${thousands(USERS)} users of ${TENANTS} tenants, each with an HS256 token. ${CONNECTIONS} ` +
      `connections that always have a request open; ${rounds} runs of ${seconds} s each, taking turns. Each server on core ` +
      `${SERVER_CORE}, wrk on core ${LOAD_CORE}. Jackfield is \`serve\` as in production with the rate limits off; uvicorn has one ` +
      "worker. Every answer was made anew and had the same parameters for Google; both write a log line for each request to a " +
      "file.\n\n" +
      "What both do: check the token's signature and end, make a PKCE verifier of 256 random bits and its S256 challenge, " +
      "build the URL, answer JSON. What differs: *state in SQLite* writes a row with a state of 256 random bits and an end " +
      "after 10 minutes (WAL, no fsync for each commit), as the server that Jackfield replaces did. Jackfield writes " +
      "nothing: the whole flow, its verifier too, travels sealed (AES-256-GCM, a key derived for each) in the state, which " +
      `makes its answer longer (${jackfield.bytes} bytes; ${others.map(({ bytes }) => bytes).join(" and ")}). *State sealed* is the same app doing that, without a key of its own ` +
      "for each. Only Jackfield looks whether the tenant has an OAuth app of its own (kept for 30 s), binds the flow to the " +
      "browser by a cookie, checks the role and the tenant, counts metrics, and gives each request an id.",
    table: table(["", "requests/s", "p50 ms", "p99 ms", "processor µs per request", "Jackfield per processor second", "resident, idle",
      "resident, after"], all.map(row)),
    targets: [{
      name: `requests per processor second, at least ${TARGET_RATIO} times the FastAPI app's (state in SQLite; state sealed)`,
      value: others.map((peer) => `${ratio(peer).toFixed(1)}×`).join("; "),
      met: ratio(others[0]) >= TARGET_RATIO,
    }],
  };
}
