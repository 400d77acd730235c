import { usePlatformSDK } from "@jackfield/plugin-sdk";
import { useContext, useId, useState } from "react";
import { money, shortDate } from "./format";
import palette from "./palette.json";

interface ChartProps {
  days: readonly SalesDay[];
  currency: string;
  dailyGoal: number;
}

const WIDTH = 560;
const HEIGHT = 160;

/** Bars by day. Loaded after the figures, which are enough to read while it comes. */
export default function Chart({ days, currency, dailyGoal }: ChartProps) {
  const { locale, ThemeContext } = usePlatformSDK();
  const colours = palette[useContext(ThemeContext)];
  const titleId = useId();
  const [shown, setShown] = useState<SalesDay | null>(null);
  const top = Math.max(dailyGoal, ...days.map((day) => day.revenue), 1);
  const step = WIDTH / Math.max(days.length, 1);
  const tall = (value: number) => (value / top) * (HEIGHT - 12);
  const best = Math.max(...days.map((day) => day.revenue));

  return (
    <figure className="sd-chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-labelledby={titleId}>
        <title id={titleId}>{`Revenue of the last ${days.length} days`}</title>
        {days.map((day, at) => (
          <rect
            key={day.date}
            role="img"
            tabIndex={0}
            aria-label={`${shortDate(day.date, locale)}: ${money(day.revenue, currency, locale)}, ${day.orders} orders`}
            x={at * step + step * 0.12}
            y={HEIGHT - Math.max(tall(day.revenue), 2)}
            width={step * 0.76}
            height={Math.max(tall(day.revenue), 2)}
            rx={Math.min(4, step / 5)}
            fill={day.revenue === best ? colours.best : colours.bar}
            onMouseEnter={() => setShown(day)}
            onMouseLeave={() => setShown(null)}
            onFocus={() => setShown(day)}
            onBlur={() => setShown(null)}
          />
        ))}
        {dailyGoal > 0 && (
          <line
            x1="0"
            x2={WIDTH}
            y1={HEIGHT - tall(dailyGoal)}
            y2={HEIGHT - tall(dailyGoal)}
            stroke={colours.goal}
            strokeWidth="2"
            strokeDasharray="6 5"
          />
        )}
      </svg>
      <figcaption>
        {shown === null
          ? caption(days, dailyGoal, currency, locale)
          : `${shortDate(shown.date, locale)}: ${money(shown.revenue, currency, locale)}, ${shown.orders} orders`}
      </figcaption>
    </figure>
  );
}

function caption(days: readonly SalesDay[], dailyGoal: number, currency: string, locale: string): string {
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return "";
  const span = `${shortDate(first.date, locale)} to ${shortDate(last.date, locale)}`;
  return dailyGoal > 0 ? `${span}; the line is the goal of ${money(dailyGoal, currency, locale)} a day` : span;
}
