/** The plugin's server half: keeps what was paid. No payment provider is behind it, and nothing is charged. */
import { type BackendRequest, defineBackendPlugin, errorResponse, jsonResponse } from "@jackfield/plugin-sdk/server";
import { checkPayment, isPaymentId, paymentId, paymentsIn } from "./payments";

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{8,128}$/;
const NEWEST = 20;

export default defineBackendPlugin({
  routes: [
    { method: "POST", path: "/payments", handler: "createPayment" },
    { method: "GET", path: "/payments", handler: "listPayments" },
    { method: "GET", path: "/payments/:id", handler: "getPayment" },
  ],
  handlers: {
    /** Keeps a payment and gives it a number. The same `Idempotency-Key` gives the same payment, however often it is sent. */
    async createPayment(req, ctx) {
      const payer = req.user?.id;
      if (payer === undefined) return errorResponse(401, "sign in to pay");
      const key = req.headers["idempotency-key"] ?? "";
      if (!IDEMPOTENCY_KEY.test(key)) return errorResponse(400, "send an Idempotency-Key of 8 to 128 characters");
      const checked = checkPayment(req.body, ctx.config);
      if (!checked.ok) return errorResponse(422, checked.why, { field: checked.field });

      const id = await paymentId(payer, key);
      const { payment, isNew } = await paymentsIn(ctx.storage).add({ id, payer, ...checked.payment });
      if (payment.amount !== checked.payment.amount || payment.currency !== checked.payment.currency) {
        return errorResponse(422, "this Idempotency-Key was sent with another payment");
      }
      if (isNew) ctx.logger.info("payment recorded", { number: payment.number, amount: payment.amount, currency: payment.currency });
      return jsonResponse(payment, isNew ? 201 : 200);
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
