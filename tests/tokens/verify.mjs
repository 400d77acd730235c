// Checks a token as any server that trusts this one does: by jose, with the keys that are published at a URL.
//
//   node verify.mjs <<< '{"token": "…", "jwks": "http://…", "issuer": "…", "audience": "…", "typ": "…"}'
//
// Prints the claims. Fails where the token is not good.
import { text } from "node:stream/consumers";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { token, jwks, issuer, audience, typ } = JSON.parse(await text(process.stdin));
const keys = createRemoteJWKSet(new URL(jwks));
const { payload } = await jwtVerify(token, keys, { issuer, audience, typ, algorithms: ["EdDSA"], maxTokenAge: 60 });
console.log(JSON.stringify(payload));
