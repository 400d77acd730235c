// A provider of the benchmark's own, which also stands in for Google: everyone consents at once, and every refresh token
// gives new tokens, once; it counts.
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";

const LIFETIME_SECONDS = 3600;
const text = (bytes) => randomBytes(bytes).toString("base64url");

export class Provider {
  #server;
  #redeemed = new Set();
  /** How many tokens were renewed in each second since the epoch. */
  perSecond = new Map();
  renewals = 0;
  /** Refresh tokens that came a second time: each would have cost a user's connection. */
  repeated = 0;

  /** Starts it and describes it to Jackfield in a file, `settings` in the environment. */
  static async start(folder) {
    const provider = new Provider();
    provider.#server = createServer((request, response) => provider.#answer(request, response)).listen(0, "127.0.0.1");
    await once(provider.#server, "listening");
    const base = `http://127.0.0.1:${provider.#server.address().port}`;
    provider.base = base;
    const file = join(folder, "providers.toml");
    const urls = `
      authorization_url = "${base}/authorize"
      token_url = "${base}/token"
      userinfo_url = "${base}/userinfo"
      client_id = "bench"
      client_secret = "a secret of the benchmark"
    `;
    writeFileSync(file, `
      [providers.bench]
      name = "Bench"
      default_scopes = ["openid", "email", "profile"]
      rotation = { rotates = true }
      account = { id = "/sub", email = "/email" }
      ${urls}
      [providers.google]
      issuer = ""
      revocation_url = "${base}/revoke"
      ${urls}
    `);
    provider.settings = { PROVIDERS_FILE: file };
    return provider;
  }

  async #answer(request, response) {
    let body = "";
    for await (const piece of request) body += piece;
    const answer = (status, value) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    const { pathname, searchParams: asked } = new URL(request.url, this.base);
    if (pathname === "/authorize") {
      const back = new URL(asked.get("redirect_uri"));
      back.searchParams.set("code", text(32));
      back.searchParams.set("state", asked.get("state"));
      return response.writeHead(303, { location: back.href }).end();
    }
    if (pathname !== "/token") return answer(200, { sub: "1", email: "user@bench.example" });
    const tokens = { access_token: text(160), refresh_token: text(77), token_type: "Bearer", expires_in: LIFETIME_SECONDS };
    const form = new URLSearchParams(body);
    if (form.get("grant_type") === "authorization_code") return answer(200, tokens);
    const refresh = form.get("refresh_token");
    if (!refresh || this.#redeemed.has(refresh)) {
      this.repeated++;
      return answer(400, { error: "invalid_grant" });
    }
    this.#redeemed.add(refresh);
    this.renewals++;
    const second = Math.floor(Date.now() / 1000);
    this.perSecond.set(second, (this.perSecond.get(second) ?? 0) + 1);
    answer(200, tokens);
  }

  /** Forgets what it counted. */
  reset() {
    this.perSecond.clear();
    this.renewals = 0;
  }

  async stop() {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}
