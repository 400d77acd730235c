const formats = new Map<string, Intl.NumberFormat>();

function format(style: "currency" | "percent", code?: string): Intl.NumberFormat {
  const key = `${style}/${code ?? ""}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.NumberFormat(undefined, { style, currency: code, maximumFractionDigits: style === "percent" ? 1 : 2 });
    formats.set(key, found);
  }
  return found;
}

export const currency = (amount: number, code = "EUR"): string => format("currency", code).format(amount);

export const percent = (ratio: number): string => format("percent").format(ratio);
