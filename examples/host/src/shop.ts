/** What this little shop sells, and what it has sold: the host's own data, which it passes to plugins. */

export const CURRENCY = "EUR";

/** The basket, prices in cents. */
export const BASKET = [
  { name: "Concert ticket, stalls", quantity: 2, price: 4900 },
  { name: "Programme", quantity: 1, price: 650 },
] as const;

/** Of the basket, in cents. */
export const TOTAL = BASKET.reduce((sum, { quantity, price }) => sum + quantity * price, 0);

/** The box office's book, oldest day first: date, orders, revenue in cents. */
export const SALES: readonly SalesDay[] = (
  [
    ["2026-10-24", 11, 92400], ["2026-10-25", 14, 118300], ["2026-10-26", 6, 51200], ["2026-10-27", 7, 60900],
    ["2026-10-28", 9, 78100], ["2026-10-29", 12, 99800], ["2026-10-30", 18, 151700], ["2026-10-31", 22, 184600],
    ["2026-11-01", 17, 142900], ["2026-11-02", 8, 70300], ["2026-11-03", 9, 75600], ["2026-11-04", 10, 86400],
    ["2026-11-05", 13, 109900], ["2026-11-06", 19, 160200], ["2026-11-07", 24, 203500], ["2026-11-08", 18, 149400],
    ["2026-11-09", 10, 83900], ["2026-11-10", 11, 91500], ["2026-11-11", 12, 104200], ["2026-11-12", 15, 126800],
    ["2026-11-13", 23, 192700], ["2026-11-14", 29, 246100], ["2026-11-15", 21, 178800], ["2026-11-16", 12, 98600],
    ["2026-11-17", 13, 107300], ["2026-11-18", 14, 119500], ["2026-11-19", 17, 144700], ["2026-11-20", 26, 221900],
  ] as const
).map(([date, orders, revenue]) => ({ date, orders, revenue }));

/** The order that a payment finishes. */
export function orderPaidBy(payment: Payment): Order {
  return {
    reference: payment.number ?? crypto.randomUUID().slice(0, 8).toUpperCase(),
    placedAt: new Date().toISOString(),
    currency: CURRENCY,
    payment,
    items: BASKET,
    total: TOTAL,
  };
}

/** Cents for people. */
export function money(cents: number, locale: string): string {
  return new Intl.NumberFormat(locale, { style: "currency", currency: CURRENCY }).format(cents / 100);
}
