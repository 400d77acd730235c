/** The payment processor's API, and what its webhooks say. */
import { type BackendContext, type BackendResponse, errorResponse } from "@jackfield/plugin-sdk/server";
import { isPaymentId, paymentsIn, type StoredPayment } from "./payments";

/** A payment that the processor says has succeeded. */
export interface Settled {
  /** Ours: the reference that it was made with. */
  readonly id: string;
  readonly processorId: string;
  readonly amount: number;
  readonly currency: string;
}

type Made = { payment: StoredPayment } | { refused: BackendResponse };

/**
 * Makes a payment at the processor, once, however often it is asked: our id is the key of that there, too. The key for the processor
 * is added by the server, by the manifest's rule for its host.
 */
export async function makePayment(ctx: BackendContext, processorUrl: string, payment: StoredPayment): Promise<Made> {
  if (payment.status === "declined") return { refused: errorResponse(402, "the card was declined") };
  if (payment.processorId !== undefined) return { payment };
  const { id, amount, currency, brand, last4 } = payment;
  const answer = await ctx.http
    .post<{ id?: unknown }>(
      `${processorUrl.replace(/\/$/, "")}/v1/payments`,
      { amount, currency, reference: id, card: { brand, last4 } },
      { headers: { "Idempotency-Key": id } },
    )
    .catch((error: unknown) => {
      ctx.logger.error("the processor cannot be reached", { why: String(error) });
      return undefined;
    });
  const payments = paymentsIn(ctx.storage);
  if (answer?.status === 402) {
    await payments.update(id, (now) => (now.status === "pending" ? { ...now, status: "declined" } : null));
    return { refused: errorResponse(402, "the card was declined") };
  }
  const processorId = answer?.ok === true ? answer.body?.id : undefined;
  if (typeof processorId !== "string") {
    if (answer !== undefined) ctx.logger.error("the processor refuses a payment", { status: answer.status });
    // The payment stays pending, and the same request makes it another time.
    return { refused: errorResponse(502, "the payment could not be made: try again in a moment") };
  }
  // Its webhook may have been faster than its answer.
  const kept = await payments.update(id, (now) => (now.processorId === undefined ? { ...now, processorId } : null));
  return { payment: kept ?? payment };
}

/** What a webhook tells of a payment, if it is that one has succeeded; all else is none of our business. */
export function settledBy(event: unknown): Settled | undefined {
  const { type, data } = record(event);
  const { id: processorId, reference: id, amount, currency } = record(record(data)["object"]);
  const isOurs = type === "payment.succeeded" && typeof id === "string" && isPaymentId(id);
  if (!isOurs || typeof processorId !== "string" || typeof amount !== "number" || typeof currency !== "string") return undefined;
  return { id, processorId, amount, currency };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
