// Google and Slack, emulated (npm emulate), each on a port of its own, with the people, mails, files, events, channels
// and messages of emulate-seed.json. Only tokens that it gave out, and were not revoked, are taken.
//
//   node emulate.mjs '{"google": {"client_id": …, "client_secret": …, "redirect_uris": […]}, "slack": {…}}'
//
// For tests, each also answers GET /test/log (what it was asked) and POST /test/redirect-uris (more of them).
import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { answerJson, bodyOf, listen, options, ready } from "./peer.mjs";

register("./emulate-patch.mjs", import.meta.url);
const { createEmulator } = await import("emulate");

const seed = JSON.parse(await readFile(new URL("emulate-seed.json", import.meta.url)));
seed.google.oauth_clients = [{ name: "Jackfield", ...options.google }];
seed.slack.oauth_apps = [{ ...seed.slack.app, ...options.slack }];

/** What was asked, without any secret: the path, and the grant type if it was a token that was asked for. */
function entry(request, body, status) {
  const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
  const grantType = isForm ? (new URLSearchParams(body.toString()).get("grant_type") ?? undefined) : undefined;
  return { endpoint: request.url.split("?")[0], grant_type: grantType, status };
}

async function asked(fetch, log, base, request, response) {
  const body = await bodyOf(request);
  const answer = await fetch(
    new Request(new URL(request.url, base), {
      method: request.method,
      headers: Object.entries(request.headers).flatMap(([name, value]) => [value].flat().map((each) => [name, each])),
      body: ["GET", "HEAD"].includes(request.method) ? undefined : body,
    }),
  );
  log.push(entry(request, body, answer.status));
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(Buffer.from(await answer.arrayBuffer()));
}

async function start(service, collection) {
  const { base, handle } = await listen();
  const log = [];
  let clients;
  const serve = (fetch, store) => {
    clients = store.collection(collection, ["client_id"]);
    handle((request, response) => {
      const own = request.url.startsWith("/test/") ? test : asked.bind(null, fetch, log, base);
      own(request, response).catch((error) => {
        console.error(error);
        answerJson(response, { error: error.message }, 500);
      });
    });
    return { close: (done) => done() };
  };
  async function test(request, response) {
    if (request.url === "/test/log") return answerJson(response, log);
    if (request.url !== "/test/redirect-uris") return answerJson(response, { error: "no such test route" }, 404);
    const { redirect_uris: more } = JSON.parse((await bodyOf(request)).toString());
    const [client] = clients.all();
    clients.update(client.id, { redirect_uris: [...client.redirect_uris, ...more] });
    return answerJson(response, {});
  }
  await createEmulator({ service, seed, baseUrl: base, serve });
  return base;
}

/** The emulator takes no messages as seed, so they are posted. */
async function postMessages(base) {
  const call = async (method, body) => {
    const answer = await fetch(`${base}/api/${method}`, {
      method: "POST",
      headers: { authorization: `Bearer ${seed.slack.tokens[0].token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const json = await answer.json();
    if (!json.ok) throw new Error(`${method}: ${json.error}`);
    return json;
  };
  const { channels } = await call("conversations.list", {});
  for (const { channel, text } of seed.slack.messages) {
    await call("chat.postMessage", { channel: channels.find(({ name }) => name === channel).id, text });
  }
}

const google = await start("google", "google.oauth_clients");
const slack = await start("slack", "slack.oauth_apps");
await postMessages(slack);
ready({ google, slack });
