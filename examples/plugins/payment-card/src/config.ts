/** The plugin's configuration, as `plugin.json` describes it. */
export interface CardConfig {
  merchantName: string;
  acceptedBrands: string[];
  askForName: boolean;
  /** Sensitive: never in the storefront; masked for administrators once it is stored. */
  secretKey?: string;
  /** Sensitive, too. */
  webhookSecret?: string;
  /** Where payments are made; without it they are only written down. */
  processorUrl?: string;
}

/** A configuration in which nothing is missing; the defaults are those of the schema. */
export function withDefaults(config: Partial<CardConfig>): CardConfig {
  return { merchantName: "Card", acceptedBrands: ["visa", "mastercard"], askForName: true, ...config };
}
