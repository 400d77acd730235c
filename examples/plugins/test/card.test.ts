import { describe, expect, it } from "vitest";
import { brandOf, type CardInput, checkCard, formatExpiry, formatNumber, passesLuhn } from "../payment-card/src/card";

const today = new Date(2026, 10, 21);
const rules = { acceptedBrands: ["visa", "mastercard", "amex"], askForName: true };
const good: CardInput = { number: "4242 4242 4242 4242", expiry: "11 / 26", code: "123", holder: "A. Customer" };

describe("a card", () => {
  it("passes when everything is right, to the end of its month", () => {
    expect(checkCard(good, rules, today)).toEqual({});
    expect(checkCard(good, rules, new Date(2026, 10, 30, 23, 59))).toEqual({});
    expect(checkCard(good, rules, new Date(2026, 11, 1))).toEqual({ expiry: "This card has expired" });
  });

  it.each([
    [{ number: "" }, "number", "Enter the card number"],
    [{ number: "4242 4242 4242 4241" }, "number", "Check the card number: a digit is wrong"],
    [{ number: "4242 4242 4242" }, "number", "The card number is not complete"],
    [{ number: "9999 9999 9999 9999" }, "number", "This is not a card that can be used here"],
    [{ number: "6011 1111 1111 1117" }, "number", "Discover is not accepted here"],
    [{ expiry: "13 / 30" }, "expiry", "The month must be 01 to 12"],
    [{ expiry: "01 / 77" }, "expiry", "Check the year of the expiry date"],
    [{ expiry: "1" }, "expiry", "Enter the expiry date as MM / YY"],
    [{ code: "12" }, "code", "Enter the 3 digits of the security code"],
    [{ holder: "  " }, "holder", "Enter the name on the card"],
  ])("is refused with %o", (change, field, message) => {
    expect(checkCard({ ...good, ...change }, rules, today)).toEqual({ [field]: message });
  });

  it("of American Express has four digits of code and 15 of number", () => {
    const amex = { ...good, number: "3782 822463 10005", code: "1234" };
    expect(checkCard(amex, rules, today)).toEqual({});
    expect(formatNumber("378282246310005999")).toBe("3782 822463 10005");
  });
});

describe("what is typed", () => {
  it("is grouped as on the card", () => {
    expect(formatNumber("4242424242424242")).toBe("4242 4242 4242 4242");
    expect(formatNumber("42 4x2")).toBe("4242");
    expect([formatExpiry("1"), formatExpiry("9"), formatExpiry("1126"), formatExpiry("11 / 2")]).toEqual([
      "1", "09", "11 / 26", "11 / 2",
    ]);
  });

  it("tells the network from the leading digits, at the edges of its ranges", () => {
    const ids = ["4", "51", "55", "56", "2220", "2221", "2720", "2721", "34", "6011", "643", "644", "65", "5"];
    expect(ids.map((digits) => brandOf(digits)?.id)).toEqual([
      "visa", "mastercard", "mastercard", undefined, undefined, "mastercard", "mastercard", undefined,
      "amex", "discover", undefined, "discover", "discover", undefined,
    ]);
  });

  it("has a check digit that catches any one wrong digit", () => {
    const number = "5555555555554444";
    expect(passesLuhn(number)).toBe(true);
    for (let at = 0; at < number.length; at += 1) {
      const wrong = String((Number(number[at]) + 1) % 10);
      expect(passesLuhn(number.slice(0, at) + wrong + number.slice(at + 1))).toBe(false);
    }
  });
});
