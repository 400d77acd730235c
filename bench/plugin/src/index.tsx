import { definePlugin, usePluginConfig } from "@jackfield/plugin-sdk";
import { useEffect, useMemo, useState } from "react";
import { Card, Row, type Tone } from "./card";
import { currency, percent } from "./format";

interface Order {
  id: string;
  total: number;
  refunded: boolean;
}

interface Config {
  currency?: string;
  threshold?: number;
}

function toneOf(ratio: number, threshold: number): Tone {
  return ratio > threshold ? "bad" : ratio > threshold / 2 ? "warning" : "good";
}

function RefundWidget({ orders = [] as Order[] }) {
  const config = usePluginConfig() as Config;
  const [selected, select] = useState<string | null>(null);
  const totals = useMemo(() => {
    const refunds = orders.filter((order) => order.refunded);
    const sum = (list: Order[]) => list.reduce((total, order) => total + order.total, 0);
    return { all: sum(orders), refunded: sum(refunds), ratio: orders.length ? refunds.length / orders.length : 0 };
  }, [orders]);

  useEffect(() => {
    if (selected && !orders.some((order) => order.id === selected)) select(null);
  }, [orders, selected]);

  return (
    <Card title="Refunds" tone={toneOf(totals.ratio, config.threshold ?? 0.1)}>
      <Row label="Total" value={currency(totals.all, config.currency)} />
      <Row label="Refunded" value={currency(totals.refunded, config.currency)} />
      <Row label="Ratio" value={percent(totals.ratio)} />
      <ul>
        {orders.map(({ id, total, refunded }) => (
          <li key={id} aria-current={id === selected} onClick={() => select(id)}>
            {id}: {currency(total, config.currency)} {refunded ? "refunded" : null}
          </li>
        ))}
      </ul>
    </Card>
  );
}

export default definePlugin({
  name: "Refund watch",
  version: "1.4.2",
  description: "Shows how many orders were refunded",
  category: "analytics",
  metadata: { author: "Acme", priority: 10 },
  extensionPoints: { "dashboard-widgets": RefundWidget },
});
