// Prints JSON with session tokens made by next-auth v4 and @auth/core, and JWS tokens and key sets made by jose.
//
//   node samples.mjs <<< '{"jwtSecret": "…", "nextauthSecret": "…", "authSecret": "…", "issuer": "…", "audience": "…"}'
//
// Every run makes new keys and new tokens. Without an issuer, tokens with public keys are left out.
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";
import { encode as encodeV5 } from "authjs-core/jwt";
import { SignJWT, exportJWK, generateKeyPair } from "jose";

// These two modules are not exported by their packages, but they are what cuts a session into cookies.
import { SessionStore as SessionStoreV5 } from "./node_modules/authjs-core/lib/utils/cookie.js";
const require = createRequire(import.meta.url);
const { encode: encodeV4 } = require("next-auth-v4/jwt");
const { SessionStore: SessionStoreV4 } = require("./node_modules/next-auth-v4/core/lib/cookie.js");

const { jwtSecret, nextauthSecret, authSecret, issuer, audience } = JSON.parse(await text(process.stdin));

const claims = { sub: "user-42", email: "ann@example.com", name: "Ann", tenantId: "acme", role: "admin" };
const long = { ...claims, picture: "x".repeat(6000) };
const silent = { debug() {} };

const v4 = (token, options = {}) => encodeV4({ token, secret: nextauthSecret, ...options });
const v5 = (token, salt, options = {}) => encodeV5({ token, secret: authSecret, salt, ...options });

function cookies(Store, name, value) {
  const store = new Store({ name, options: {} }, Store === SessionStoreV4 ? { cookies: {} } : {}, silent);
  return store.chunk(value, {}).map((cookie) => `${cookie.name}=${cookie.value}`).join("; ");
}

const V4 = "next-auth.session-token";
const V5 = "authjs.session-token";

async function sessions() {
  const made = [];
  for (const name of [V4, `__Secure-${V4}`]) {
    for (const token of [await v4(claims), await v4(long)]) {
      made.push({ library: "next-auth v4", token, cookie: cookies(SessionStoreV4, name, token) });
    }
  }
  for (const name of [V5, `__Secure-${V5}`]) {
    for (const token of [await v5(claims, name), await v5(long, name)]) {
      made.push({ library: "@auth/core v5", token, cookie: cookies(SessionStoreV5, name, token) });
    }
  }
  return made;
}

async function refused() {
  return {
    "v4, expired": await v4(claims, { maxAge: -60 }),
    "v4, without sub": await v4({ ...claims, sub: undefined }),
    "v4, another secret": await v4(claims, { secret: "another secret of more than 32 bytes" }),
    "v4, salted": await v4(claims, { salt: V4 }),
    "v5, expired": await v5(claims, V5, { maxAge: -60 }),
    "v5, without sub": await v5({ ...claims, sub: undefined }, V5),
    "v5, another secret": await v5(claims, V5, { secret: "another secret of more than 32 bytes" }),
    "v5, another salt": await v5(claims, "authjs.csrf-token"),
  };
}

const hs256 = new TextEncoder().encode(jwtSecret);

function signed(payload, key, header, expires = "1h") {
  return new SignJWT(payload).setProtectedHeader({ typ: "JWT", ...header }).setExpirationTime(expires).sign(key);
}

async function issued() {
  const made = [];
  for (const alg of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const kid = `key-${alg}`;
    const sign = (more, header) => signed({ ...claims, iss: issuer, aud: audience, ...more }, privateKey, { alg, kid, ...header }, "72h");
    made.push({
      alg,
      jwk: { ...(await exportJWK(publicKey)), alg, kid, use: "sig" },
      token: await sign({}),
      inAudiences: await sign({ aud: ["elsewhere", audience] }),
      withoutKid: await sign({}, { kid: undefined }),
      otherAudience: await sign({ aud: "elsewhere" }),
      withoutAudience: await sign({ aud: undefined }),
      otherIssuer: await sign({ iss: `${issuer}/` }),
      withoutSub: await sign({ sub: undefined }),
    });
  }
  return made;
}

const samples = {
  hs256: await signed(claims, hs256, { alg: "HS256" }),
  hs512: await signed(claims, hs256, { alg: "HS512" }),
  sessions: await sessions(),
  refused: await refused(),
  issued: issuer ? await issued() : [],
};
process.stdout.write(JSON.stringify(samples));
