// The peer of deliveries: sends an event to many endpoints, signed by Standard Webhooks, as many at once as it is told. Keeps no record.
import { createInterface } from "node:readline";
import { Agent, request } from "node:http";
import { Webhook } from "standardwebhooks";

const { URLS, EXPECTED, AT_ONCE } = process.env;
const agent = new Agent({ keepAlive: true, maxSockets: Number(AT_ONCE) });
const webhook = new Webhook(`whsec_${Buffer.alloc(32, 1).toString("base64")}`);

function send(url, id, body) {
  const now = new Date();
  const headers = {
    "content-type": "application/cloudevents+json", "webhook-id": id, "webhook-timestamp": Math.floor(now.getTime() / 1000),
    "webhook-signature": webhook.sign(id, now, body),
  };
  return new Promise((resolve, reject) => {
    request(url, { method: "POST", agent, headers }, (answer) => answer.resume().on("end", resolve)).on("error", reject).end(body);
  });
}

console.log("{}");
for await (const body of createInterface({ input: process.stdin })) {
  let next = 0;
  const lane = async () => {
    while (next < Number(EXPECTED)) await send(URLS, `message-${next++}`, body);
  };
  await Promise.all(Array.from({ length: Number(AT_ONCE) }, lane));
}
