/**
 * The processor for people to try.
 *
 * PORT            default 4010
 * PROCESSOR_KEY   what callers send as bearer token (default sk_test_example)
 * WEBHOOK_URL     the address that `GET /plugins/payment-card/webhook-url` gives
 * WEBHOOK_SECRET  what webhooks are signed with (default whsec_example)
 */
import { Processor } from "./processor.mjs";

const { PORT = "4010", PROCESSOR_KEY = "sk_test_example", WEBHOOK_URL, WEBHOOK_SECRET = "whsec_example" } = process.env;
const webhook = WEBHOOK_URL === undefined ? undefined : { url: WEBHOOK_URL, secret: WEBHOOK_SECRET };
const processor = await new Processor({ port: Number(PORT), key: PROCESSOR_KEY, webhook, log: console.log }).start();
console.log(`payments at ${processor.url}, webhooks to ${WEBHOOK_URL ?? "nobody: set WEBHOOK_URL"}`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void processor.stop().then(() => process.exit()));
