import { usePlatformSDK, useEvents } from "@jackfield/plugin-sdk";
import { money } from "./format";

const SHOWN = 3;

/** The payments that have come in since the page was opened, the newest first. */
export function JustPaid() {
  const { locale } = usePlatformSDK();
  const { events } = useEvents("payment.succeeded", undefined, { keep: 200 });
  // An event may come twice; a payment has one number.
  const payments = [...new Map(events.map(({ data }) => [data.number, data])).values()].reverse();
  const label = `Paid just now: ${payments.length}`;
  return (
    <div role="log" aria-label="Payments" className="sd-paid">
      {payments.length > 0 && (
        <>
          <strong>{label}</strong>
          <ul>
            {payments.slice(0, SHOWN).map(({ number, amount, currency }) => (
              <li key={number}>
                {number} <b>{money(amount, currency, locale)}</b>
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
