/** What can be known of a card without asking anybody. */
import brands from "./brands.json";

/** A card network. */
export interface Brand {
  id: string;
  name: string;
  /** Ranges of leading digits. */
  prefixes: number[][];
  lengths: number[];
  /** Digits of the security code. */
  code: number;
  groups: number[];
}

/** The networks this plugin knows. */
export const BRANDS: readonly Brand[] = brands;

/** What a customer has typed. */
export interface CardInput {
  number: string;
  expiry: string;
  code: string;
  holder: string;
}

/** The field that is wrong, and why. */
export type CardErrors = Partial<Record<keyof CardInput, string>>;

/** What the plugin's settings ask of a card. */
export interface CardRules {
  acceptedBrands: readonly string[];
  askForName: boolean;
}

export function digitsOf(text: string): string {
  return text.replace(/\D/g, "");
}

/** The network whose numbers begin like this one. */
export function brandOf(digits: string): Brand | undefined {
  return BRANDS.find(({ prefixes }) =>
    prefixes.some(([from = 0, to = 0]) => {
      const width = String(from).length;
      const start = digits.slice(0, width);
      return start.length === width && Number(start) >= from && Number(start) <= to;
    }),
  );
}

/** The network of this id. */
export function brandById(id: string): Brand | undefined {
  return BRANDS.find((brand) => brand.id === id);
}

/** The check digit of ISO/IEC 7812-1 (Luhn). */
export function passesLuhn(digits: string): boolean {
  if (!/^\d{2,}$/.test(digits)) return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** The number in the groups printed on cards of its network. */
export function formatNumber(text: string): string {
  const brand = brandOf(digitsOf(text));
  const digits = digitsOf(text).slice(0, Math.max(...(brand?.lengths ?? [19])));
  const groups: string[] = [];
  let at = 0;
  for (const size of brand?.groups ?? [4, 4, 4, 4, 3]) {
    if (at < digits.length) groups.push(digits.slice(at, at + size));
    at += size;
  }
  return groups.join(" ");
}

/** `MM / YY`, as far as it is typed. */
export function formatExpiry(text: string): string {
  let digits = digitsOf(text).slice(0, 4);
  // 2 to 9 can only be a month with its zero left out.
  if (/^[2-9]/.test(digits)) digits = `0${digits}`.slice(0, 4);
  return digits.length > 2 ? `${digits.slice(0, 2)} / ${digits.slice(2)}` : digits;
}

/** What is wrong with a card on a day; nothing if it may be used. */
export function checkCard(card: CardInput, rules: CardRules, today: Date): CardErrors {
  const errors: CardErrors = {};
  const digits = digitsOf(card.number);
  const brand = brandOf(digits);
  const number = checkNumber(digits, brand, rules.acceptedBrands);
  if (number !== undefined) errors.number = number;
  const expiry = checkExpiry(digitsOf(card.expiry), today);
  if (expiry !== undefined) errors.expiry = expiry;
  const length = brand?.code ?? 3;
  if (digitsOf(card.code).length !== length) errors.code = `Enter the ${length} digits of the security code`;
  if (rules.askForName && card.holder.trim() === "") errors.holder = "Enter the name on the card";
  return errors;
}

function checkNumber(digits: string, brand: Brand | undefined, accepted: readonly string[]): string | undefined {
  if (digits === "") return "Enter the card number";
  if (brand === undefined) return "This is not a card that can be used here";
  if (!accepted.includes(brand.id)) return `${brand.name} is not accepted here`;
  if (!brand.lengths.includes(digits.length)) return "The card number is not complete";
  if (!passesLuhn(digits)) return "Check the card number: a digit is wrong";
  return undefined;
}

function checkExpiry(digits: string, today: Date): string | undefined {
  if (digits.length !== 4) return "Enter the expiry date as MM / YY";
  const month = Number(digits.slice(0, 2));
  const year = 2000 + Number(digits.slice(2));
  if (month < 1 || month > 12) return "The month must be 01 to 12";
  // A card is valid to the end of its month.
  if (new Date(year, month, 1) <= today) return "This card has expired";
  if (year > today.getFullYear() + 20) return "Check the year of the expiry date";
  return undefined;
}
