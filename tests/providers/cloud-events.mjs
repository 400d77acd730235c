// Publishes events as the CloudEvents SDK for JavaScript writes them, and reads them back with it:
// cloud-events.mjs '{"base": "http://…", "token": "…"}'. Prints what was answered and read.
import { CloudEvent, HTTP } from "cloudevents";

const { base, token } = JSON.parse(process.argv[2]);
const headers = { authorization: `Bearer ${token}` };
const source = "https://node.example/orders";
const event = (id, fields) => new CloudEvent({ id, source, type: "node.order.paid", ...fields });

const events = {
  binary: event("binary", { subject: "order 1", data: { total: 7 }, comexample: "a b%c", partitionkey: "k1" }),
  text: event("text", { datacontenttype: "text/plain", data: "plain é" }),
  structured: event("structured", { data: { total: 8 }, time: "2026-11-21T09:30:00.000Z" }),
};
const messages = {
  binary: HTTP.binary(events.binary),
  text: HTTP.binary(events.text),
  structured: HTTP.structured(events.structured),
};

const statuses = {};
for (const [name, message] of Object.entries(messages)) {
  const response = await fetch(new URL("/events", base), {
    method: "POST",
    headers: { ...message.headers, ...headers },
    body: message.body,
  });
  statuses[name] = response.status;
}
const batch = [event("batch-1", { data: 1 }), event("batch-2", { data: 2 })];
const sent = await fetch(new URL("/events", base), {
  method: "POST",
  headers: { ...headers, "content-type": "application/cloudevents-batch+json" },
  body: JSON.stringify(batch),
});
statuses.batch = sent.status;

const listed = await (await fetch(new URL("/events?type=node.*", base), { headers })).json();
const read = HTTP.toEvent({
  headers: { "content-type": "application/cloudevents-batch+json" },
  body: JSON.stringify(listed.events),
});
const told = read.map((each) => {
  each.validate();
  const { id, type, subject, data, datacontenttype, comexample, partitionkey, sender } = each;
  return { id, type, source: each.source, subject, data, datacontenttype, comexample, partitionkey, sender };
});
console.log(JSON.stringify({ statuses, told }));
