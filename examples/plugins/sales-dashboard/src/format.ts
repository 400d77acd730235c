/** Writing figures for people. */

/** An amount in minor units of a currency. */
export function money(minorUnits: number, currency: string, locale: string): string {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  return format.format(minorUnits / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

/** An ISO 8601 date without its year. */
export function shortDate(date: string, locale: string): string {
  return new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" }).format(new Date(date));
}

/** A share of one, with its sign. */
export function signedPercent(share: number, locale: string): string {
  const options = { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" } as const;
  return new Intl.NumberFormat(locale, options).format(share);
}
