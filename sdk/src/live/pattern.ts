/** Which events a pattern stands for. */

/** Whether an event's type is what a pattern stands for: itself, `order.*` for what begins with `order.`, `*` for all. */
export function isOf(pattern: string, type: string): boolean {
  if (!pattern.endsWith("*")) return pattern === type;
  const start = pattern.slice(0, -1);
  return type.length > start.length && type.startsWith(start);
}
