import { createExtensionPoint, usePlatformSDK, usePluginConfig } from "@jackfield/plugin-sdk";
import { lazy, Suspense, useContext, useId, useMemo } from "react";
import { figuresOf } from "./figures";
import { money, shortDate, signedPercent } from "./format";
import { JustPaid } from "./just-paid";
import icon from "./trend.svg";

const Chart = lazy(() => import("./chart"));

interface SalesProps {
  currency: string;
  sales: readonly SalesDay[];
}

interface SalesConfig {
  title?: string;
  days?: number;
  dailyGoal?: number;
}

/** Figures and chart of the last days. */
export const Widget = createExtensionPoint<SalesProps>(({ currency, sales }) => {
  const { title = "Sales", days = 14, dailyGoal = 0 } = usePluginConfig<SalesConfig>().config;
  const { locale, ThemeContext } = usePlatformSDK();
  const theme = useContext(ThemeContext);
  const headingId = useId();
  const figures = useMemo(() => figuresOf(sales, days, dailyGoal), [sales, days, dailyGoal]);
  const rows = [
    { name: "Revenue", value: money(figures.revenue, currency, locale) },
    { name: "Orders", value: figures.orders.toLocaleString(locale) },
    { name: "Change", value: figures.change === null ? "–" : signedPercent(figures.change, locale) },
    { name: "Best day", value: figures.best === null ? "–" : shortDate(figures.best.date, locale) },
    ...(dailyGoal > 0 ? [{ name: "Days on goal", value: `${figures.daysOnGoal} of ${Math.min(days, sales.length)}` }] : []),
  ];

  return (
    <section className="sd-widget" data-theme={theme} aria-labelledby={headingId}>
      <header>
        <img src={icon} alt="" width="24" height="24" />
        <h3 id={headingId}>{title}</h3>
        <small>last {days} days</small>
      </header>
      <JustPaid />
      {sales.length === 0 ? (
        <p>No sales yet.</p>
      ) : (
        <>
          <dl className="sd-figures">
            {rows.map(({ name, value }) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          <Suspense fallback={<p role="status">Drawing the chart…</p>}>
            <Chart days={sales.slice(-days)} currency={currency} dailyGoal={dailyGoal} />
          </Suspense>
        </>
      )}
    </section>
  );
});
