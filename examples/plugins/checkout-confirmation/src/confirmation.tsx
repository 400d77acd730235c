import { createExtensionPoint, usePlatformSDK, usePluginConfig } from "@jackfield/plugin-sdk";
import { lazy, Suspense, useEffect, useId, useRef, useState } from "react";
import doneIcon from "./done.svg";
import { money, textsFor } from "./texts";

const Receipt = lazy(() => import("./receipt"));

interface ConfirmationConfig {
  message?: string;
  supportEmail?: string;
  offerReceipt?: boolean;
}

/** What a customer sees after paying. */
export const Confirmation = createExtensionPoint<{ order: Order }>(({ order }) => {
  const { message, supportEmail, offerReceipt = true } = usePluginConfig<ConfirmationConfig>().config;
  const { locale } = usePlatformSDK();
  const texts = textsFor(locale);
  const [open, setOpen] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const receiptId = useId();

  // The page has changed under the customer: say so to those who do not see it.
  useEffect(() => heading.current?.focus(), [order.reference]);

  return (
    <article className="cc-card">
      <img src={doneIcon} alt="" width="56" height="56" />
      <h3 ref={heading} tabIndex={-1}>
        {texts.thanks}
      </h3>
      {message !== undefined && message !== "" && <p>{message}</p>}
      <dl>
        <div>
          <dt>{texts.reference}</dt>
          <dd>{order.reference}</dd>
        </div>
        <div>
          <dt>{texts.paid}</dt>
          <dd>{order.payment.label}</dd>
        </div>
        <div>
          <dt>{texts.total}</dt>
          <dd>{money(order.total, order.currency, locale)}</dd>
        </div>
      </dl>
      {offerReceipt && (
        <button type="button" aria-expanded={open} aria-controls={receiptId} onClick={() => setOpen(!open)}>
          {open ? texts.hide : texts.receipt}
        </button>
      )}
      <div id={receiptId} className="cc-slot">
        {open && (
          <Suspense fallback={<p role="status">…</p>}>
            <Receipt order={order} locale={locale} texts={texts} />
          </Suspense>
        )}
      </div>
      {supportEmail !== undefined && supportEmail !== "" && (
        <p className="cc-support">
          {texts.questions} <a href={`mailto:${encodeURIComponent(supportEmail)}`}>{supportEmail}</a>
        </p>
      )}
    </article>
  );
});
