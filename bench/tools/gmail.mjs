// A Gmail, a pooled client that calls it directly, and a Jackfield whose users have connected their accounts there.
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cookiesOf, expect } from "./http.mjs";
import { Server, token } from "./jackfield.mjs";
import { firstLine, start, stop } from "./process.mjs";

const SCOPES = ["openid", "email", "https://www.googleapis.com/auth/gmail.readonly"];
const run = promisify(execFile);

/** A mailbox of so many messages that answers after so many milliseconds. `messageBytes` is the length of each. */
export class Mailbox {
  constructor(child, { port, message_bytes: messageBytes }, { messages, delay }) {
    Object.assign(this, { child, messages, delay, messageBytes, base: `http://127.0.0.1:${port}` });
  }

  static async start(programs, cores, { messages, delay }) {
    const args = ["serve", "--messages", String(messages), "--delay-ms", String(delay)];
    const child = start(cores, programs.gmail, args, { stdio: ["ignore", "pipe", "inherit"] });
    return new Mailbox(child, await firstLine(child), { messages, delay });
  }

  /** Fails unless whatever `work` does makes exactly the calls of its `listings`: none is left out, none repeated. */
  async during(work) {
    const before = await this.#calls();
    const result = await work();
    const after = await this.#calls();
    const [lists, messages] = [after.lists - before.lists, after.messages - before.messages];
    if (lists !== result.listings || messages !== lists * this.messages) {
      throw new Error(`${result.listings} listings made ${lists} calls for a list and ${messages} for a message`);
    }
    return result;
  }

  async #calls() {
    return JSON.parse((await expect(200, `${this.base}/calls`)).text);
  }

  stop() {
    return stop(this.child);
  }
}

/** Runs the program that lists or asks; fails with what it says where one listing fails. */
async function timed(program, cores, args, { times, concurrent }) {
  const extent = ["--times", String(times), "--concurrent", String(concurrent)];
  const { stdout } = await run("taskset", ["-c", cores, program, ...args, ...extent]);
  const { listings, seconds, wall_seconds: wall, cpu_seconds: cpu, max_rss_kib: peak } = JSON.parse(stdout);
  return { listings, seconds, wall, cpu: cpu / seconds.length, peak: peak * 1024 };
}

/** Has the pooled client list the mailbox. Seconds of each listing, of all, of the processor for each; peak in bytes. */
export function direct(programs, cores, mailbox, { parse, ...extent }) {
  const args = ["list", "--address", mailbox.base, "--messages", String(mailbox.messages), ...(parse ? ["--parse"] : [])];
  return timed(programs.gmail, cores, args, extent);
}

/** Has callers ask Jackfield for the listing, each request of the next user. The processor's time is the callers'. */
export function asked(programs, cores, jackfield, extent) {
  return timed(programs.gmail, cores, ["ask", "--url", jackfield.url, "--tokens", jackfield.tokens], extent);
}

/** Connects a user's account as its browser does: consent at the provider, and back. */
async function consent(base, authorization) {
  const query = new URLSearchParams({ scopes: SCOPES.join(" ") });
  const begun = await expect(200, `${base}/api/v1/unified/auth/google/url?${query}`, { headers: { authorization } });
  const consented = await expect(303, JSON.parse(begun.text).auth_url);
  await expect(200, consented.headers.location, { headers: { cookie: cookiesOf(begun) } });
}

/** A Jackfield with an account of each user connected. `url` is a listing, `tokens` a file with the users' tokens. */
export class Connected {
  constructor(server, { url, tokens, authorization }) {
    Object.assign(this, { server, pid: server.pid, url, tokens, authorization });
  }

  static async start(programs, folder, cores, { provider, mailbox, users, tenants }) {
    mkdirSync(folder);
    const settings = { ...provider.settings, GMAIL_BASE_URL: mailbox.base };
    const server = await Server.start(programs.jackfield, folder, cores, settings);
    const all = Array.from({ length: users }, (_, n) => {
      const tenantId = `tenant-${n % tenants}`;
      return token({ sub: `user-${n}`, email: `user-${n}@${tenantId}.example`, tenantId, role: "user" });
    });
    for (const each of all) await consent(server.base, `Bearer ${each}`);
    const tokens = join(folder, "tokens-of-users");
    writeFileSync(tokens, all.join("\n") + "\n");
    const url = `${server.base}/api/v1/unified/gmail/emails?max_results=${mailbox.messages}`;
    return new Connected(server, { url, tokens, authorization: `Bearer ${all[0]}` });
  }

  /** Fails unless the listing has every message once, with its text. Gives its length in bytes. */
  async checked(mailbox) {
    const { text } = await expect(200, this.url, { headers: { authorization: this.authorization } });
    const { messages: items } = JSON.parse(text);
    const ids = new Set(items.filter((item) => item.text && item.title && item.extra.html).map(({ id }) => id));
    if (ids.size !== mailbox.messages || items.length !== mailbox.messages) {
      throw new Error(`${ids.size} of ${items.length} messages are whole, of ${mailbox.messages}: ${text.slice(0, 500)}`);
    }
    return Buffer.byteLength(text);
  }

  stop() {
    return this.server.stop();
  }
}
