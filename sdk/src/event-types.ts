/** Events, as pages and backends see them. */

/**
 * What events carry, by their type. Empty here; declare yours to have `useEvents`, `emit` and hooks checked, in a page's code and a
 * backend's (there for `"@jackfield/plugin-sdk/server"`):
 *
 * ```ts
 * declare module "@jackfield/plugin-sdk" {
 *   interface EventMap { "payment.succeeded": { amount: number; currency: string } }
 * }
 * ```
 */
export interface EventMap {}

/** A type of events: one of `EventMap`, or any other. */
export type EventName = (keyof EventMap & string) | (string & {});

/** What events of a type carry, as far as `EventMap` says. */
export type EventData<Type extends string> = Type extends keyof EventMap ? EventMap[Type] : unknown;

/**
 * An event of the tenant's log: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md. `source` and `id` together name it
 * for ever: whoever gets it twice tells it by them.
 */
export interface CloudEvent<Type extends string = string, Data = EventData<Type>> {
  readonly specversion: "1.0";
  readonly id: string;
  /** `jackfield/plugins/{id}` of plugins, `jackfield` of the server itself. */
  readonly source: string;
  readonly type: Type;
  /** RFC 3339. */
  readonly time?: string;
  /** What it is about, such as an order's number. */
  readonly subject?: string;
  /** Checked against nothing: `EventMap` only says what its senders have promised. */
  readonly data: Data;
  /** Extension attributes; of them the server sets `sender`, who has published it, and `hops`, how many events led to it. */
  readonly [attribute: string]: unknown;
}

/** The events that a pattern stands for: `order.created`, `order.*` for all that begin so, `*` for all. */
export type EventOf<Pattern extends string> = Pattern extends `${string}*`
  ? CloudEvent<string, unknown>
  : Pattern extends string
    ? CloudEvent<Pattern>
    : never;

/** How an event is published. */
export interface EmitOptions {
  /** What it is about, in 1 to 256 bytes; events of one subject are delivered in their order. */
  readonly subject?: string;
}

/** How a page publishes an event. */
export interface PageEmitOptions extends EmitOptions {
  /** The event that this one answers, if there is one. So pages that answer each other come to an end, after eight events. */
  readonly cause?: CloudEvent<string, unknown>;
}

/** What came of it. */
export interface Emitted {
  readonly id: string;
}
