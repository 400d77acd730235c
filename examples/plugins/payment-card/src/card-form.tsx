import { createExtensionPoint, usePlatformSDK } from "@jackfield/plugin-sdk";
import { type FormEvent, lazy, Suspense, useRef, useState } from "react";
import { type Brand, brandOf, type CardErrors, type CardInput, checkCard, digitsOf, formatExpiry, formatNumber } from "./card";
import cardIcon from "./card.svg";
import { type CardConfig, withDefaults } from "./config";
import { Field } from "./field";
import { formatMoney } from "./payments";

const CodeHelp = lazy(() => import("./code-help"));

interface PaymentProps {
  amount: number;
  currency: string;
  onPaymentComplete(payment: Payment): void;
}

const EMPTY: CardInput = { number: "", expiry: "", code: "", holder: "" };
const FIELDS = ["number", "expiry", "code", "holder"] as const;

/**
 * The card form of the checkout. What is typed stays in this page; the plugin's backend and the host learn brand and last four digits.
 */
export const CardForm = createExtensionPoint<PaymentProps, Partial<CardConfig>>(
  ({ amount, currency, config, onPaymentComplete }) => {
    const { locale, backend } = usePlatformSDK();
    const rules = withDefaults(config);
    const [card, setCard] = useState(EMPTY);
    const [errors, setErrors] = useState<CardErrors>({});
    const [help, setHelp] = useState(false);
    const [paying, setPaying] = useState(false);
    const [failure, setFailure] = useState("");
    // One for what is typed: sending it again after a broken connection must not pay twice.
    const attempt = useRef<string>(undefined);
    const form = useRef<HTMLFormElement>(null);
    const brand = brandOf(digitsOf(card.number));

    const change = (field: keyof CardInput) => (value: string) => {
      setCard({ ...card, [field]: value });
      attempt.current = undefined;
      if (errors[field] !== undefined) setErrors({ ...errors, [field]: undefined });
    };
    const check = (field: keyof CardInput) => () => {
      if (card[field] === "") return;
      setErrors({ ...errors, [field]: checkCard(card, rules, new Date())[field] });
    };
    const pay = async (brand: Brand) => {
      attempt.current ??= crypto.randomUUID();
      setPaying(true);
      setFailure("");
      try {
        const last4 = digitsOf(card.number).slice(-4);
        const payment = await backend.post<{ number: string }>(
          "/payments",
          { amount, currency, brand: brand.id, last4 },
          { headers: { "idempotency-key": attempt.current } },
        );
        attempt.current = undefined;
        setCard(EMPTY);
        onPaymentComplete({ method: "card", label: `${brand.name} ending in ${last4}`, number: payment.number });
      } catch (error) {
        setFailure(error instanceof Error ? error.message : String(error));
      } finally {
        setPaying(false);
      }
    };
    const submit = (event: FormEvent) => {
      event.preventDefault();
      const found = checkCard(card, rules, new Date());
      setErrors(found);
      const first = FIELDS.find((field) => found[field] !== undefined);
      if (first !== undefined) (form.current?.elements.namedItem(first) as HTMLInputElement | null)?.focus();
      else if (brand !== undefined && !paying) void pay(brand);
    };

    return (
      <form ref={form} className="pc-form" noValidate onSubmit={submit} aria-label={rules.merchantName}>
        <header className="pc-head">
          <img src={cardIcon} alt="" width="32" height="24" />
          <strong>{rules.merchantName}</strong>
          <span className="pc-brand" aria-live="polite">
            {brand?.name ?? ""}
          </span>
        </header>
        <Field
          label="Card number"
          name="number"
          inputMode="numeric"
          autoComplete="cc-number"
          placeholder="1234 1234 1234 1234"
          value={card.number}
          error={errors.number}
          onValue={(value) => change("number")(formatNumber(value))}
          onBlur={check("number")}
        />
        <div className="pc-row">
          <Field
            label="Expiry date"
            name="expiry"
            inputMode="numeric"
            autoComplete="cc-exp"
            placeholder="MM / YY"
            value={card.expiry}
            error={errors.expiry}
            onValue={(value) => change("expiry")(formatExpiry(value))}
            onBlur={check("expiry")}
          />
          <Field
            label="Security code"
            name="code"
            inputMode="numeric"
            autoComplete="cc-csc"
            placeholder={brand?.code === 4 ? "1234" : "123"}
            value={card.code}
            error={errors.code}
            onValue={(value) => change("code")(digitsOf(value).slice(0, brand?.code ?? 4))}
            onBlur={check("code")}
          />
        </div>
        {rules.askForName && (
          <Field
            label="Name on the card"
            name="holder"
            autoComplete="cc-name"
            value={card.holder}
            error={errors.holder}
            onValue={change("holder")}
            onBlur={check("holder")}
          />
        )}
        <button type="button" className="pc-link" aria-expanded={help} onClick={() => setHelp(!help)}>
          Where is the security code?
        </button>
        {help && (
          <Suspense fallback={<p role="status">Loading…</p>}>
            <CodeHelp brand={brand} />
          </Suspense>
        )}
        <button type="submit" className="pc-pay" disabled={paying}>
          {paying ? "Paying…" : `Pay ${formatMoney(amount, currency, locale)}`}
        </button>
        {failure !== "" && (
          <p role="alert" className="pc-error">
            Not paid: {failure}
          </p>
        )}
      </form>
    );
  },
);
