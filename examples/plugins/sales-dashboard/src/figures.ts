/** The figures of the widget, from the host's list of days. */

/** Sums over a span of days, and the change against the span before it. */
export interface Figures {
  revenue: number;
  orders: number;
  /** 0.1 is ten percent more than in the span before; null if there is nothing to compare with. */
  change: number | null;
  best: SalesDay | null;
  daysOnGoal: number;
}

/** The figures of the last `days` days; `sales` is oldest first. */
export function figuresOf(sales: readonly SalesDay[], days: number, dailyGoal: number): Figures {
  const now = sales.slice(-days);
  const before = sales.slice(-2 * days, -days);
  const revenue = sum(now.map((day) => day.revenue));
  const earlier = sum(before.map((day) => day.revenue));
  return {
    revenue,
    orders: sum(now.map((day) => day.orders)),
    // A shorter span before would make any change look like growth.
    change: before.length < days || earlier === 0 ? null : revenue / earlier - 1,
    best: now.reduce<SalesDay | null>((best, day) => (best === null || day.revenue > best.revenue ? day : best), null),
    daysOnGoal: dailyGoal === 0 ? 0 : now.filter((day) => day.revenue >= dailyGoal).length,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
