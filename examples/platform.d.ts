/**
 * What the example host offers to plugins. A real platform publishes such a file for its plugin authors; both
 * sides compile against it.
 */
import type { Context } from "react";

declare global {
  /** One day of sales. */
  interface SalesDay {
    /** ISO 8601 date, such as `2026-11-21`. */
    readonly date: string;
    readonly orders: number;
    /** In minor units of the currency (cents, for euros). */
    readonly revenue: number;
  }

  /** How an order was paid. Never more of a card than its brand and last four digits. */
  interface Payment {
    readonly method: string;
    /** For people: `Visa ending in 4242`. */
    readonly label: string;
    /** The number under which it is kept, if it is. */
    readonly number?: string;
  }

  /** A finished order. */
  interface Order {
    readonly reference: string;
    readonly placedAt: string;
    readonly currency: string;
    readonly payment: Payment;
    readonly items: readonly { readonly name: string; readonly quantity: number; readonly price: number }[];
    /** In minor units of the currency. */
    readonly total: number;
  }

  /** The host's colour scheme. */
  type Theme = "light" | "dark";
}

declare module "@jackfield/plugin-sdk" {
  interface PlatformExtensions {
    /** The page's theme, as React context: it changes while plugins are shown. */
    ThemeContext: Context<Theme>;
    /** BCP 47 language tag of the page. */
    locale: string;
  }

  interface ExtensionPointMap {
    "payment-methods": {
      /** In minor units of `currency`. */
      amount: number;
      /** ISO 4217 code. */
      currency: string;
      onPaymentComplete(payment: Payment): void;
    };
    "admin-settings": {
      /** Saves the whole configuration; rejects with the server's reasons. */
      onConfigChange(configuration: Record<string, unknown>): Promise<void>;
    };
    "dashboard-widgets": {
      currency: string;
      /** Oldest first. */
      sales: readonly SalesDay[];
    };
    "checkout-confirmation": { order: Order };
  }

  interface EventMap {
    /** A processor has told that a payment has succeeded. It may come twice, with the same number. */
    "payment.succeeded": {
      readonly number: string;
      /** In minor units of `currency`. */
      readonly amount: number;
      /** ISO 4217 code. */
      readonly currency: string;
      readonly brand: string;
      readonly last4: string;
    };
  }
}
