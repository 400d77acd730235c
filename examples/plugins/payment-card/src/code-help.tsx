import type { Brand } from "./card";

/** Where to find the security code; loaded only for those who ask. */
export default function CodeHelp({ brand }: { brand: Brand | undefined }) {
  const front = brand?.code === 4;
  return (
    <p className="pc-help">
      <svg viewBox="0 0 120 76" width="120" height="76" aria-hidden="true">
        <rect x="1" y="1" width="118" height="74" rx="8" className="pc-help-card" />
        {!front && <rect x="1" y="12" width="118" height="14" className="pc-help-stripe" />}
        <rect x={front ? 80 : 82} y={front ? 20 : 36} width="26" height="14" rx="3" className="pc-help-code" />
      </svg>
      <span>
        {front
          ? "The four digits above the card number, on the front."
          : "The last three digits on the back, beside the signature."}
      </span>
    </p>
  );
}
