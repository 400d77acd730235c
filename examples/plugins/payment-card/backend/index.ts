/**
 * The plugin's server half: keeps what was paid. Where the configuration names a processor it makes the payment there, and learns from
 * the processor's webhook what became of it; then it tells the tenant's other plugins and pages. Without one, nothing is charged.
 */
import {
  type BackendRequest, defineBackendPlugin, errorResponse, jsonResponse, type WebhookRequest,
} from "@jackfield/plugin-sdk/server";
import { checkPayment, isPaymentId, paymentId, paymentsIn } from "./payments";
import { makePayment, settledBy } from "./processor";

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{8,128}$/;
const NEWEST = 20;

export default defineBackendPlugin({
  routes: [
    { method: "POST", path: "/payments", handler: "createPayment" },
    { method: "GET", path: "/payments", handler: "listPayments" },
    { method: "GET", path: "/payments/:id", handler: "getPayment" },
  ],
  handlers: {
    /** Makes a payment and gives it a number. The same `Idempotency-Key` gives the same payment, however often it is sent. */
    async createPayment(req, ctx) {
      const payer = req.user?.id;
      if (payer === undefined) return errorResponse(401, "sign in to pay");
      const key = req.headers["idempotency-key"] ?? "";
      if (!IDEMPOTENCY_KEY.test(key)) return errorResponse(400, "send an Idempotency-Key of 8 to 128 characters");
      const checked = checkPayment(req.body, ctx.config);
      if (!checked.ok) return errorResponse(422, checked.why, { field: checked.field });

      const id = await paymentId(payer, key);
      const { processorUrl } = ctx.config;
      const status = typeof processorUrl === "string" ? "pending" : "recorded";
      const { payment, isNew } = await paymentsIn(ctx.storage).add({ id, payer, status, ...checked.payment });
      if (payment.amount !== checked.payment.amount || payment.currency !== checked.payment.currency) {
        return errorResponse(422, "this Idempotency-Key was sent with another payment");
      }
      if (isNew) ctx.logger.info("payment recorded", { number: payment.number, amount: payment.amount, currency: payment.currency });
      if (payment.status === "recorded" || typeof processorUrl !== "string") return jsonResponse(payment, isNew ? 201 : 200);

      const made = await makePayment(ctx, processorUrl, payment);
      if ("refused" in made) return made.refused;
      return jsonResponse(made.payment, isNew ? 201 : 200);
    },

    /** What the processor tells; the server has verified its signature. It may tell the same thing more than once. */
    async webhook(req: WebhookRequest, ctx) {
      const settled = settledBy(req.body);
      const payment = settled === undefined ? null : await paymentsIn(ctx.storage).get(settled.id);
      if (settled === undefined || payment === null || payment.amount !== settled.amount || payment.currency !== settled.currency) {
        // To be told again would not make it ours.
        ctx.logger.warn("the processor tells of a payment that is none of these", { path: req.path });
        return { taken: false };
      }
      if (payment.status === "succeeded") return { taken: true };
      const { number, amount, currency, brand, last4 } = payment;
      // Told before it is kept as told: should this break off in between, it is told twice, with one number, rather than never.
      await ctx.events.emit("payment.succeeded", { number, amount, currency, brand, last4 }, { subject: number });
      await paymentsIn(ctx.storage).update(payment.id, (now) => ({ ...now, status: "succeeded", processorId: settled.processorId }));
      ctx.logger.info("payment succeeded", { number });
      return { taken: true };
    },

    /** A payment, for who made it and for administrators. */
    async getPayment(req, ctx) {
      const id = req.params["id"] ?? "";
      const payment = isPaymentId(id) ? await paymentsIn(ctx.storage).get(id) : null;
      const mayRead = payment !== null && (isAdmin(req) || payment.payer === req.user?.id);
      return mayRead ? payment : errorResponse(404, "there is no such payment");
    },

    /** The newest payments, for administrators. */
    async listPayments(req, ctx) {
      if (!isAdmin(req)) return errorResponse(403, "only administrators see all payments");
      return { payments: await paymentsIn(ctx.storage).newest(NEWEST) };
    },

    /** An action: tells administrators which secret key is stored, by a fingerprint that does not give it away. */
    async checkKey(req, ctx) {
      if (!isAdmin(req)) return errorResponse(403, "only administrators see which key is stored");
      const key = await ctx.secrets.get("secretKey");
      if (key === null) return { stored: false };
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${ctx.tenantId} ${key}`));
      return { stored: true, fingerprint: hex(new Uint8Array(digest).slice(0, 6)) };
    },
  },
  onInstall(ctx) {
    ctx.logger.info("ready to take payments", { version: ctx.version });
  },
});

function isAdmin(req: BackendRequest): boolean {
  return req.user !== undefined && req.user.role !== "user";
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
