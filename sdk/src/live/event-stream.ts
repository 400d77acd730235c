/** Reading `text/event-stream`, as https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream has it. */

/** What a stream carried. */
export interface StreamEvent {
  /** `message` where the stream names none. */
  readonly type: string;
  readonly data: string;
  /** The last `id` that the stream has had so far; empty if none. */
  readonly id: string;
}

/** What hears of a stream's content. */
export interface EventSink {
  onEvent(event: StreamEvent): void;
  /** An event was larger than it may be and is left out. */
  onTooLarge?(id: string): void;
  /** The stream says how many milliseconds to wait before asking again. */
  onRetry?(milliseconds: number): void;
}

/** A reader that is fed with a stream's bytes, however they are cut. */
export interface EventStreamReader {
  push(bytes: Uint8Array): void;
  /** The last `id` that the stream has had; empty if none. An event that is not yet whole does not count. */
  readonly lastEventId: string;
}

/** The most characters of one event, its field names included: the server's events have far less. */
const MAX_EVENT = 1024 * 1024;
const MAX_ID = 1024;
const LF = 10;
const CR = 13;

/**
 * Makes a reader. It holds one event at most: one of more than `maxEvent` characters is left out as a whole.
 * `lastEventId` is where an earlier stream has come to.
 */
export function createEventStreamReader(sink: EventSink, lastEventId = "", maxEvent = MAX_EVENT): EventStreamReader {
  // Without `ignoreBOM` it takes a byte order mark off the beginning of the stream, and of nothing else.
  const decoder = new TextDecoder();
  let line: string[] = [];
  let size = 0;
  let isTooLarge = false;
  let isAfterCr = false;
  let type = "";
  let data: string[] = [];
  let id = lastEventId;
  let dispatched = lastEventId;

  const dispatch = () => {
    dispatched = id;
    if (isTooLarge) sink.onTooLarge?.(id);
    else if (data.length > 0) sink.onEvent({ type: type || "message", data: data.join("\n"), id });
    type = "";
    data = [];
    size = 0;
    isTooLarge = false;
  };

  const field = (name: string, value: string) => {
    if (name === "data") data.push(value);
    else if (name === "event") type = value;
    else if (name === "id" && !value.includes("\0") && value.length <= MAX_ID) id = value;
    else if (name === "retry" && /^\d{1,9}$/.test(value)) sink.onRetry?.(Number(value));
  };

  const endLine = (text: string) => {
    if (text === "") return size === 0 && !isTooLarge && id === dispatched ? undefined : dispatch();
    // What follows in an event that is left out is not kept either, but for its id.
    if (isTooLarge && !text.startsWith("id:")) return;
    // A comment, of which there may be any number, takes no room.
    if (text.startsWith(":")) return void (size -= text.length);
    const colon = text.indexOf(":");
    if (colon < 0) return field(text, "");
    field(text.slice(0, colon), text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1));
  };

  const keep = (part: string) => {
    size += part.length;
    if (size <= maxEvent) return void line.push(part);
    isTooLarge = true;
    // The line's beginning stays, so that it is not taken for an empty one, and an id is still read.
    line = [(line.join("") + part.slice(0, MAX_ID)).slice(0, MAX_ID)];
    data = [];
  };

  return {
    get lastEventId() {
      return dispatched;
    },
    push(bytes) {
      const text = decoder.decode(bytes, { stream: true });
      let from = 0;
      for (let at = 0; at < text.length; at += 1) {
        const code = text.charCodeAt(at);
        if (code !== LF && code !== CR) {
          isAfterCr = false;
          continue;
        }
        // The LF of a CRLF, also where the two came apart.
        if (code === LF && isAfterCr) {
          isAfterCr = false;
          from = at + 1;
          continue;
        }
        isAfterCr = code === CR;
        if (at > from) keep(text.slice(from, at));
        const whole = line.join("");
        line = [];
        endLine(whole);
        from = at + 1;
      }
      if (from < text.length) keep(text.slice(from));
    },
  };
}
