// An OAuth 2.0 and OpenID Connect server (npm oidc-provider): PKCE required, refresh tokens rotated, reuse of one
// revokes the grant, revocation (RFC 7009), introspection (RFC 7662), userinfo.
//
//   node oidc-provider.mjs '{"clients": [{"client_id": …, "client_secret": …, "redirect_uris": […]}], "users": […]}'
//
// For tests it also answers below /test: GET /test/log (what it was asked), POST /test/settings (lifetimes, delays),
// POST /test/redirect-uris (more of them for a client), POST /test/forget (every grant is withdrawn, as when people
// remove the app from their account).
import { setTimeout as sleep } from "node:timers/promises";
import { exportJWK, generateKeyPair } from "jose";
import { answerJson, bodyOf, listen, options, ready } from "./peer.mjs";

// Node 22 has it, and the library uses it.
URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);
const { Provider } = await import("oidc-provider");
const { createMemoryAdapter } = await import("./node_modules/oidc-provider/lib/adapters/memory_adapter.js");

const settings = { accessTokenSeconds: 300, delayBeforeMs: 0, delayAfterMs: 0, ...options.settings };
const users = new Map(options.users.map((user) => [user.sub, user]));
const log = [];
const grants = new Set();

const { base, handle } = await listen();
const adapter = createMemoryAdapter();
const clients = adapter("Client");
for (const client of options.clients) await clients.upsert(client.client_id, client);

const RESOURCES = ["notes.read", "notes.write", "customers_write", "read:jira-work", "write:jira-work"];
const { privateKey } = await generateKeyPair("RS256", { extractable: true });
const provider = new Provider(base, {
  adapter,
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: "RS256", use: "sig" }] },
  cookies: { keys: [crypto.randomUUID()] },
  pkce: { required: () => true },
  scopes: ["openid", "offline_access", "email", "profile", ...RESOURCES],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  findAccount: (_ctx, sub) => users.has(sub) && { accountId: sub, claims: () => ({ ...users.get(sub), email_verified: true }) },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    revocation: { enabled: true },
    userinfo: { enabled: true },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed("refresh_token"),
  expiresWithSession: () => false,
  rotateRefreshToken: true,
  ttl: {
    AccessToken: () => settings.accessTokenSeconds,
    AuthorizationCode: 60,
    Grant: 86400,
    IdToken: 3600,
    Interaction: 600,
    RefreshToken: 86400,
    Session: 86400,
  },
});

provider.use(async (ctx, next) => {
  const isToken = ctx.path === "/token";
  if (isToken) await sleep(settings.delayBeforeMs);
  try {
    await next();
  } finally {
    const { route, params, entities } = ctx.oidc ?? {};
    if (route) {
      log.push({ endpoint: route, grant_type: params?.grant_type, status: ctx.status, error: ctx.body?.error });
    }
    if (entities?.Grant) grants.add(entities.Grant.jti);
  }
  if (isToken) await sleep(settings.delayAfterMs);
});

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => String(text).replace(/[&<>"']/g, (character) => escapes[character]);

function page(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><h1>${title}</h1>\n${body}</html>`;
}

function loginPage() {
  const buttons = [...users.values()].map(
    (user) => `<p><button name="login" value="${escape(user.sub)}">${escape(user.name)}</button></p>`,
  );
  return page("Who are you?", `<form method="post">${buttons.join("\n")}</form>`);
}

function consentPage({ params, prompt }) {
  const boxes = (prompt.details.missingOIDCScope ?? []).map(
    (scope) => `<p><label><input type="checkbox" name="scope" value="${escape(scope)}" checked>${escape(scope)}</label></p>`,
  );
  return page(
    `Give ${escape(params.client_id)} access?`,
    `<form method="post">${boxes.join("\n")}
<button name="consent" value="allow">Allow</button> <button name="consent" value="deny">Deny</button></form>`,
  );
}

async function consented({ params, session, grantId, prompt }, scopes) {
  const { accountId } = session;
  const grant = (await provider.Grant.find(grantId)) ?? new provider.Grant({ accountId, clientId: params.client_id });
  const missing = prompt.details.missingOIDCScope ?? [];
  const granted = missing.filter((scope) => scopes.includes(scope));
  const rejected = missing.filter((scope) => !scopes.includes(scope));
  if (granted.length > 0) grant.addOIDCScope(granted.join(" "));
  if (rejected.length > 0) grant.rejectOIDCScope(rejected.join(" "));
  if (prompt.details.missingOIDCClaims) grant.addOIDCClaims(prompt.details.missingOIDCClaims);
  return { consent: { grantId: await grant.save() } };
}

async function interaction(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method === "GET") {
    const html = details.prompt.name === "login" ? loginPage() : consentPage(details);
    return response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" }).end(html);
  }
  const form = new URLSearchParams((await bodyOf(request)).toString());
  let result = { error: "access_denied", error_description: "the person said no" };
  if (details.prompt.name === "login" && form.has("login")) {
    result = { login: { accountId: form.get("login") } };
  } else if (details.prompt.name === "consent" && form.get("consent") === "allow") {
    result = await consented(details, form.getAll("scope"));
  }
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
}

async function forget() {
  for (const grant of grants) {
    for (const model of ["AccessToken", "AuthorizationCode", "RefreshToken"]) await provider[model].revokeByGrantId(grant);
    await adapter("Grant").destroy(grant);
  }
  const forgotten = grants.size;
  grants.clear();
  return forgotten;
}

async function test(request, response) {
  const body = request.method === "POST" ? JSON.parse((await bodyOf(request)).toString() || "{}") : undefined;
  switch (request.url) {
    case "/test/log":
      return answerJson(response, log);
    case "/test/settings":
      return answerJson(response, Object.assign(settings, body));
    case "/test/redirect-uris": {
      const client = await clients.find(body.client_id);
      await clients.upsert(body.client_id, { ...client, redirect_uris: [...client.redirect_uris, ...body.redirect_uris] });
      return answerJson(response, {});
    }
    case "/test/forget":
      return answerJson(response, { grants: await forget() });
    default:
      return answerJson(response, { error: "no such test route" }, 404);
  }
}

const callback = provider.callback();
handle((request, response) => {
  const path = request.url ?? "/";
  const own = path.startsWith("/test/") ? test : path.startsWith("/interaction/") ? interaction : undefined;
  if (!own) return callback(request, response);
  return own(request, response).catch((error) => {
    console.error(error);
    answerJson(response, { error: error.name, error_description: error.message }, 400);
  });
});
ready({ base });
