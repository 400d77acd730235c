/** The texts in the language of the page. */
import texts from "./texts.json";

export type Texts = typeof texts.en;

/** Texts for a BCP 47 tag; English where there are none. */
export function textsFor(locale: string): Texts {
  const language = new Intl.Locale(locale).language;
  return Object.hasOwn(texts, language) ? texts[language as keyof typeof texts] : texts.en;
}

/** An amount in minor units of a currency. */
export function money(minorUnits: number, currency: string, locale: string): string {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  return format.format(minorUnits / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}
