import { expect, it } from "vitest";
import { figuresOf } from "../sales-dashboard/src/figures";

const day = (n: number, revenue: number): SalesDay => ({ date: `2026-11-${String(n).padStart(2, "0")}`, orders: n, revenue });

it("sums the span, compares it with the one before, and counts the days on goal", () => {
  const sales = [day(1, 9000), day(2, 100), day(3, 100), day(4, 150), day(5, 250)];
  expect(figuresOf(sales, 2, 200)).toEqual({ revenue: 400, orders: 9, change: 1, best: day(5, 250), daysOnGoal: 1 });
});

it("compares with nothing where the span before is short or empty", () => {
  expect(figuresOf([day(1, 5), day(2, 5), day(3, 5)], 2, 0).change).toBeNull();
  expect(figuresOf([day(1, 0), day(2, 5)], 1, 0).change).toBeNull();
  expect(figuresOf([], 2, 0)).toEqual({ revenue: 0, orders: 0, change: null, best: null, daysOnGoal: 0 });
});
