import { type ComponentProps, type ReactNode, useId } from "react";

interface FieldProps extends Omit<ComponentProps<"input">, "id" | "onChange" | "value"> {
  label: string;
  value: string;
  error?: string | undefined;
  hint?: ReactNode;
  onValue(value: string): void;
}

/** A labelled input that tells assistive technology what is wrong with it. */
export function Field({ label, error, hint, onValue, ...input }: FieldProps) {
  const id = useId();
  const described = [hint === undefined ? "" : `${id}-hint`, error === undefined ? "" : `${id}-error`].join(" ").trim();
  return (
    <div className="pc-field">
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        aria-invalid={error !== undefined}
        aria-describedby={described === "" ? undefined : described}
        onChange={(event) => onValue(event.target.value)}
      />
      {hint !== undefined && (
        <small id={`${id}-hint`} className="pc-hint">
          {hint}
        </small>
      )}
      {error !== undefined && (
        <small id={`${id}-error`} className="pc-error">
          {error}
        </small>
      )}
    </div>
  );
}
