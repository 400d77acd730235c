/** Events and lines of the log, kept for a test to look at. */
import type { Events, LogFields, Logger } from "../server/context.js";
import { sizeOf, throughJson, toJson } from "./json.js";
import { UNBOUNDED, type Used } from "./limits.js";
import type { TestManifest } from "./manifest.js";

const MAX_DATA_BYTES = 64 * 1024;

/** An event that was emitted. */
export interface EmittedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
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
      async emit(type: string, data?: unknown) {
        if (manifest !== undefined && !(manifest.emits ?? []).includes(type)) {
          throw new Error(`the plugin may not emit ${type}: add "${type}" to emits in the manifest`);
        }
        if (!/^[a-z][\w.-]{0,127}$/i.test(type) || /^jackfield\./i.test(type)) {
          throw new Error(`events.emit: ${JSON.stringify(type)} is no type of an event: letters, digits, ._- and not jackfield. in front`);
        }
        const json = toJson(data ?? null, "the data of the event");
        const size = sizeOf(json);
        if (size > MAX_DATA_BYTES) throw new Error(`the data of the event has ${size} bytes as JSON; it may have at most ${MAX_DATA_BYTES}`);
        used.count("events");
        const id = `event-${emitted.length + 1}`;
        emitted.push({ id, type, data: JSON.parse(json) as unknown });
        return { id };
      },
    });
}

/** A log that is kept. */
export function createLogger(): TestLogger {
  const lines: LogLine[] = [];
  const at = (level: LogLine["level"]) => (message: string, fields?: LogFields) =>
    void lines.push({ level, message: String(message), ...(fields === undefined ? {} : { fields: throughJson(fields, "fields") }) });
  return Object.freeze({ lines, debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") });
}
