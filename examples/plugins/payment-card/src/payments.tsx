import { usePlatformSDK } from "@jackfield/plugin-sdk";
import { useEffect, useState } from "react";
import { brandById } from "./card";

interface Payment {
  id: string;
  number: string;
  amount: number;
  currency: string;
  brand: string;
  last4: string;
  status: "recorded" | "pending" | "succeeded" | "declined";
  createdAt: string;
}

/** The newest payments, as the plugin's backend keeps them. For administrators. */
export function Payments() {
  const { backend, locale } = usePlatformSDK();
  const [payments, setPayments] = useState<Payment[] | null>(null);
  const [failure, setFailure] = useState("");

  useEffect(() => {
    const left = new AbortController();
    backend.get<{ payments: Payment[] }>("/payments", { signal: left.signal }).then(
      (answer) => setPayments(answer.payments),
      (error: unknown) => left.signal.aborted || setFailure(error instanceof Error ? error.message : String(error)),
    );
    return () => left.abort();
  }, [backend]);

  return (
    <section className="pc-payments" aria-label="Payments">
      <h3>Payments</h3>
      {failure !== "" && <p className="pc-error">The payments could not be read: {failure}</p>}
      {payments?.length === 0 && <p className="pc-hint">Nothing has been paid yet.</p>}
      <ul>
        {payments?.map(({ id, number, amount, currency, brand, last4, status, createdAt }) => (
          <li key={id}>
            <b>{number}</b>
            <span>
              {brandById(brand)?.name ?? brand} ending in {last4}
            </span>
            {status !== "recorded" && <em>{status}</em>}
            <time dateTime={createdAt}>{new Date(createdAt).toLocaleString(locale)}</time>
            <span>{formatMoney(amount, currency, locale)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** An amount in minor units, for people. */
export function formatMoney(minorUnits: number, currency: string, locale: string): string {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  return format.format(minorUnits / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}
