/** Payments as they are kept in the plugin's storage. */
import type { PluginStorage } from "@jackfield/plugin-sdk/server";

/** What a card form sends: never more of a card than its brand and last four digits. */
export interface NewPayment {
  /** In minor units of the currency (cents, for euros). */
  amount: number;
  /** ISO 4217 code. */
  currency: string;
  brand: string;
  last4: string;
}

/** A payment that is kept. */
export interface StoredPayment extends NewPayment {
  id: string;
  /** For people: `P00042`. Numbers rise, and one may be left out. */
  number: string;
  /** The id of the user who paid. */
  payer: string;
  /**
   * `recorded`: written down, and no processor asked. `pending`: the processor has it, or is about to. The processor says what follows.
   */
  status: "recorded" | "pending" | "succeeded" | "declined";
  /** The processor's own id, once it has given one. */
  processorId?: string;
  /** ISO 8601. */
  createdAt: string;
}

type Checked = { ok: true; payment: NewPayment } | { ok: false; field: string; why: string };

const MAX_AMOUNT = 99_999_999;
const MAX_ATTEMPTS = 10;

/**
 * Checks what came in. The page says what is to be paid; a plugin of a real shop would ask the shop itself (`ctx.platform`), because a
 * page can be changed by whoever looks at it.
 */
export function checkPayment(body: unknown, config: Readonly<Record<string, unknown>>): Checked {
  const { amount, currency, brand, last4 } = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const wrong = (field: string, why: string): Checked => ({ ok: false, field, why });
  if (typeof amount !== "number" || !Number.isInteger(amount) || amount < 1 || amount > MAX_AMOUNT) {
    return wrong("amount", `amount must be a whole number of minor units from 1 to ${MAX_AMOUNT}`);
  }
  if (typeof currency !== "string" || !/^[A-Z]{3}$/.test(currency)) return wrong("currency", "currency must be a code such as EUR");
  const accepted = Array.isArray(config["acceptedBrands"]) ? (config["acceptedBrands"] as unknown[]) : ["visa", "mastercard"];
  if (typeof brand !== "string" || !accepted.includes(brand)) return wrong("brand", `brand must be one of ${accepted.join(", ")}`);
  if (typeof last4 !== "string" || !/^\d{4}$/.test(last4)) return wrong("last4", "last4 must be the last four digits of the card");
  return { ok: true, payment: { amount, currency, brand, last4 } };
}

/** The id that a payer's key leads to, so that a repeated request finds its payment. */
export async function paymentId(payer: string, key: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify([payer, key])));
  return Array.from(new Uint8Array(digest).slice(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether a text can be such an id: what callers send is looked at before it becomes part of a key. */
export function isPaymentId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

/** The payments of a tenant. */
export interface Payments {
  /** Keeps a payment, unless one with its id is there: then that one is given. */
  add(payment: NewPayment & Pick<StoredPayment, "id" | "payer" | "status">): Promise<{ payment: StoredPayment; isNew: boolean }>;
  get(id: string): Promise<StoredPayment | null>;
  /** Changes a payment that is there, whoever else is changing it; what `change` gives for what is kept is kept, null leaves it. */
  update(id: string, change: (payment: StoredPayment) => StoredPayment | null): Promise<StoredPayment | null>;
  /** The newest first. */
  newest(count: number): Promise<StoredPayment[]>;
}

/** The payments in `storage`: `payment:<id>` holds each, `number:<number>` its id, and `numbers` the last number. */
export function paymentsIn(storage: PluginStorage): Payments {
  const get = (id: string) => storage.get<StoredPayment>(`payment:${id}`);
  const numberOf = (count: number) => `P${String(count).padStart(5, "0")}`;
  return {
    get,

    async add(wanted) {
      const before = await get(wanted.id);
      if (before !== null) return { payment: before, isNew: false };
      const number = numberOf(await storage.increment("numbers"));
      const payment: StoredPayment = { ...wanted, number, createdAt: new Date().toISOString() };
      // First, so that no payment can be missing from the list; a number that leads nowhere is passed over there.
      await storage.set(`number:${number}`, wanted.id);
      if (await storage.compareAndSet(`payment:${wanted.id}`, null, payment)) return { payment, isNew: true };
      // The same request has come twice at the same time, and the other was first.
      await storage.delete(`number:${number}`);
      return { payment: (await get(wanted.id)) ?? payment, isNew: false };
    },

    async update(id, change) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
        const before = await get(id);
        const after = before === null ? null : change(before);
        if (after === null) return before;
        if (await storage.compareAndSet(`payment:${id}`, before, after)) return after;
      }
      throw new Error("the payment is being changed by others all the time");
    },

    async newest(count) {
      const last = (await storage.get<number>("numbers")) ?? 0;
      // Counted down from the last, whatever there is before; with as many more, for numbers that lead nowhere.
      const looked = Array.from({ length: Math.min(last, 2 * count) }, (_, back) => `number:${numberOf(last - back)}`);
      const ids = (await Promise.all(looked.map((key) => storage.get<string>(key)))).filter((id) => id !== null);
      const payments = await Promise.all(ids.slice(0, count).map(get));
      return payments.filter((payment) => payment !== null);
    },
  };
}
