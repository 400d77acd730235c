// Prints JSON with webhooks that the libraries of senders have signed.
//
//   node sign.mjs <<< '{"bodies": ["…"], "secret": "…", "otherSecret": "…", "standardSecret": "whsec_…", "now": 1700000000}'
//
// Each is {scheme, library, headers, body, secret}. `otherSecret` is what a header with two signatures has besides.
import { text } from "node:stream/consumers";
import { sign as signOctokit } from "@octokit/webhooks-methods";
import { Webhook as Standard } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as Svix } from "svix";

const { bodies, secret, otherSecret, standardSecret, now } = JSON.parse(await text(process.stdin));
const stripe = new Stripe("sk_test_none");
const signed = [];

for (const [place, body] of bodies.entries()) {
  const id = `msg_${place}`;
  const add = (scheme, library, headers, own = secret) => signed.push({ scheme, library, headers, body, secret: own });

  const header = (own) => stripe.webhooks.generateTestHeaderString({ payload: body, secret: own, timestamp: now });
  add("stripe", "stripe", { "stripe-signature": header(secret) });
  // As Stripe does while a secret is rolled: one signature for each that is live.
  const both = `${header(otherSecret)},${header(secret).split(",")[1]}`;
  add("stripe", "stripe", { "stripe-signature": both });

  add("github", "@octokit/webhooks-methods", {
    "x-hub-signature-256": await signOctokit(secret, body),
    "x-github-delivery": id,
  });

  const time = new Date(now * 1000);
  const standard = new Standard(standardSecret).sign(id, time, body);
  const names = (prefix, signature) => ({
    [`${prefix}-id`]: id,
    [`${prefix}-timestamp`]: String(now),
    [`${prefix}-signature`]: signature,
  });
  add("standard", "standardwebhooks", names("webhook", standard), standardSecret);
  add("standard", "svix", names("svix", new Svix(standardSecret).sign(id, time, body)), standardSecret);
}

process.stdout.write(JSON.stringify(signed));
