/** Events and lines of the log, kept for a test to look at. */
import type { BackendEmitOptions, Events, LogFields, Logger } from "../server/context.js";
import { sizeOf, throughJson, toJson } from "./json.js";
import { UNBOUNDED, type Used } from "./limits.js";
import type { TestManifest } from "./manifest.js";

const MAX_DATA_BYTES = 64 * 1024;
/** Of a subject, and of a key. */
const MAX_TEXT_BYTES = 256;

/** An event that was emitted. */
export interface EmittedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  /** Of the options, if given. */
  readonly subject?: string;
  /** Of the options, if given. */
  readonly key?: string;
}

/** The events of a test. */
export interface TestEvents extends Events {
  /** In their order. */
  readonly emitted: readonly EmittedEvent[];
}

/** A line of the log. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields?: LogFields;
}

/** The log of a test. */
export interface TestLogger extends Logger {
  /** Oldest first. */
  readonly lines: readonly LogLine[];
}

/** The same events, for whom they are counted. */
export type EventsFor = (used: Used) => TestEvents;

/** Events that are kept; of the types in the manifest's `emits`, if there is a manifest. */
export function createEvents(manifest: TestManifest | undefined): EventsFor {
  const emitted: EmittedEvent[] = [];
  return (used = UNBOUNDED) =>
    Object.freeze({
      emitted,
      async emit(type: string, data?: unknown, { subject, key }: BackendEmitOptions = {}) {
        if (manifest !== undefined && !(manifest.emits ?? []).includes(type)) {
          throw new Error(`the plugin may not emit ${type}: add "${type}" to emits in the manifest`);
        }
        if (!/^[a-z][\w.-]{0,127}$/i.test(type) || /^jackfield\./i.test(type)) {
          throw new Error(`events.emit: ${JSON.stringify(type)} is no type of an event: letters, digits, ._- and not jackfield. in front`);
        }
        const json = toJson(data ?? null, "the data of the event");
        const size = sizeOf(json);
        if (size > MAX_DATA_BYTES) throw new Error(`the data of the event has ${size} bytes as JSON; it may have at most ${MAX_DATA_BYTES}`);
        const more = { ...named("subject", subject), ...named("key", key) };
        used.count("events");
        const id = `event-${emitted.length + 1}`;
        emitted.push({ id, type, data: JSON.parse(json) as unknown, ...more });
        return { id };
      },
    });
}

function named<Name extends "subject" | "key">(name: Name, text: string | undefined): { [Key in Name]?: string } {
  if (text === undefined) return {};
  const size = typeof text === "string" ? sizeOf(text) : 0;
  if (size < 1 || size > MAX_TEXT_BYTES) throw new Error(`the ${name} of the event must have 1 to ${MAX_TEXT_BYTES} bytes, or be left out`);
  return { [name]: text } as { [Key in Name]?: string };
}

/** A log that is kept. */
export function createLogger(): TestLogger {
  const lines: LogLine[] = [];
  const at = (level: LogLine["level"]) => (message: string, fields?: LogFields) =>
    void lines.push({ level, message: String(message), ...(fields === undefined ? {} : { fields: throughJson(fields, "fields") }) });
  return Object.freeze({ lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") });
}
