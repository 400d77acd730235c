import { createExtensionPoint, usePlatformSDK } from "@jackfield/plugin-sdk";
import { type FormEvent, useState } from "react";
import { BRANDS } from "./card";
import { type CardConfig, withDefaults } from "./config";
import { Field } from "./field";
import { Payments } from "./payments";

interface SettingsProps {
  onConfigChange(configuration: Record<string, unknown>): Promise<void>;
}

type Outcome = { kind: "idle" | "saving" | "saved" } | { kind: "failed"; why: string };

/** What of these is not empty. */
function typed(fields: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter(([, text]) => text !== ""));
}

/** The settings page. A stored key is masked by the server; it is sent only when a new one is typed. */
export const Settings = createExtensionPoint<SettingsProps, Partial<CardConfig>>(({ config, onConfigChange }) => {
  const [draft, setDraft] = useState(() => withDefaults(config));
  const [secretKey, setSecretKey] = useState("");
  const [webhookSecret, setWebhookSecret] = useState("");
  const [outcome, setOutcome] = useState<Outcome>({ kind: "idle" });
  const [key, setKey] = useState("");
  const { backend } = usePlatformSDK();
  const stored = config.secretKey !== undefined;
  const nameError = draft.merchantName.trim() === "" ? "Enter a name" : undefined;
  const brandError = draft.acceptedBrands.length === 0 ? "Accept at least one kind of card" : undefined;

  const edit = (change: Partial<CardConfig>) => {
    setDraft({ ...draft, ...change });
    setOutcome({ kind: "idle" });
  };
  const accept = (id: string, on: boolean) =>
    edit({ acceptedBrands: BRANDS.map((brand) => brand.id).filter((b) => (b === id ? on : draft.acceptedBrands.includes(b))) });
  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (nameError !== undefined || brandError !== undefined) return;
    setOutcome({ kind: "saving" });
    const { processorUrl = "", ...others } = draft;
    try {
      await onConfigChange({ ...others, ...typed({ processorUrl, secretKey, webhookSecret }) });
      setSecretKey("");
      setWebhookSecret("");
      setOutcome({ kind: "saved" });
    } catch (error) {
      setOutcome({ kind: "failed", why: error instanceof Error ? error.message : String(error) });
    }
  };
  const checkKey = async () => {
    try {
      const { fingerprint } = await backend.action<{ fingerprint?: string }>("checkKey");
      setKey(fingerprint === undefined ? "No key is stored" : `The stored key has the fingerprint ${fingerprint}`);
    } catch (error) {
      setKey(error instanceof Error ? error.message : String(error));
    }
  };

  return (
    <>
      <form className="pc-form" noValidate onSubmit={(event) => void save(event)} aria-label="Card payments settings">
        <Field
          label="Name shown to customers"
          value={draft.merchantName}
          maxLength={60}
          error={nameError}
          onValue={(merchantName) => edit({ merchantName })}
        />
        <fieldset className="pc-brands">
          <legend>Accepted cards</legend>
          {BRANDS.map(({ id, name }) => (
            <label key={id}>
              <input
                type="checkbox"
                checked={draft.acceptedBrands.includes(id)}
                onChange={(event) => accept(id, event.target.checked)}
              />
              {name}
            </label>
          ))}
          {brandError !== undefined && <small className="pc-error">{brandError}</small>}
        </fieldset>
        <label className="pc-check">
          <input type="checkbox" checked={draft.askForName} onChange={(event) => edit({ askForName: event.target.checked })} />
          Ask for the name on the card
        </label>
        <Field
          label="Secret key of the payment provider"
          type="password"
          autoComplete="off"
          value={secretKey}
          placeholder={stored ? "Stored. Type to replace it" : ""}
          hint="Kept encrypted. It never reaches the browser again."
          onValue={setSecretKey}
        />
        <Field
          label="Secret that the provider signs webhooks with"
          type="password"
          autoComplete="off"
          value={webhookSecret}
          placeholder={config.webhookSecret === undefined ? "" : "Stored. Type to replace it"}
          onValue={setWebhookSecret}
        />
        <Field
          label="Address of the payment provider"
          type="url"
          value={draft.processorUrl ?? ""}
          placeholder="None: payments are only written down"
          maxLength={200}
          onValue={(processorUrl) => edit({ processorUrl })}
        />
        {stored && (
          <button type="button" className="pc-link" onClick={() => void checkKey()}>
            Which key is stored?
          </button>
        )}
        {key !== "" && <p role="status">{key}</p>}
        <div className="pc-actions">
          <button type="submit" className="pc-pay" disabled={outcome.kind === "saving"}>
            {outcome.kind === "saving" ? "Saving…" : "Save"}
          </button>
          <span role="status">{outcome.kind === "saved" ? "Saved" : ""}</span>
        </div>
        {outcome.kind === "failed" && (
          <p role="alert" className="pc-error">
            Not saved: {outcome.why}
          </p>
        )}
      </form>
      <Payments />
    </>
  );
});
