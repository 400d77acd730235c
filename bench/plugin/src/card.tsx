import type { ReactNode } from "react";

export type Tone = "good" | "warning" | "bad";

export enum Weight {
  Normal = 400,
  Bold = 700,
}

const COLORS: Record<Tone, string> = { good: "#0a7d36", warning: "#a15c00", bad: "#b3261e" };

interface CardProps {
  title: string;
  tone?: Tone;
  children?: ReactNode;
}

export function Card({ title, tone = "good", children }: CardProps) {
  return (
    <section style={{ borderLeft: `4px solid ${COLORS[tone]}`, padding: 12 }}>
      <h3 style={{ color: COLORS[tone], fontWeight: Weight.Bold }}>{title}</h3>
      {children ?? <p>Nothing here yet.</p>}
    </section>
  );
}

export function Row({ label, value }: { label: string; value: ReactNode }) {
  return (
    <p>
      <span style={{ fontWeight: Weight.Normal }}>{label}</span> <strong>{value}</strong>
    </p>
  );
}
