import { describe, expect, it } from "vitest";
import { createEventStreamReader, type StreamEvent } from "../src/live/event-stream.js";

const bytes = (text: string) => new TextEncoder().encode(text);

/** What is read of a stream that comes in these pieces. */
function read(pieces: readonly (string | Uint8Array)[], { from = "", max = 1000 } = {}) {
  const events: StreamEvent[] = [];
  const tooLarge: string[] = [];
  const retries: number[] = [];
  const sink = { onEvent: (e: StreamEvent) => void events.push(e), onTooLarge: (id: string) => void tooLarge.push(id), onRetry: (ms: number) => void retries.push(ms) };
  const reader = createEventStreamReader(sink, from, max);
  for (const piece of pieces) reader.push(typeof piece === "string" ? bytes(piece) : piece);
  return { events, tooLarge, retries, last: reader.lastEventId };
}

const dataOf = (text: string) => read([text]).events.map(({ data }) => data);

describe("an event stream", () => {
  // The examples of the HTML standard.
  it("is read as the standard's examples say", () => {
    expect(dataOf("data: YHOO\ndata: +2\ndata: 10\n\n")).toEqual(["YHOO\n+2\n10"]);
    const { events, last } = read([": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"]);
    expect(events).toEqual([
      { type: "message", data: "first event", id: "1" },
      { type: "message", data: "second event", id: "" },
      { type: "message", data: " third event", id: "" },
    ]);
    expect(last).toBe("");
    // The last block is not whole.
    expect(dataOf("data\n\ndata\ndata\n\ndata:")).toEqual(["", "\n"]);
    expect(dataOf("data:test\n\ndata: test\n\n")).toEqual(["test", "test"]);
  });

  it.each([["LF", "\n"], ["CR", "\r"], ["CRLF", "\r\n"]])("has lines that end in %s, wherever it is cut", (_, end) => {
    const text = ["\uFEFFid: 7", "event: reset", "data: ä€😀", "", ": ping", "", "data: two", "data: lines", "", ""].join(end);
    const whole = read([text]).events;
    expect(whole).toEqual([{ type: "reset", data: "ä€😀", id: "7" }, { type: "message", data: "two\nlines", id: "7" }]);
    const all = bytes(text);
    for (let at = 0; at <= all.length; at += 1) expect(read([all.slice(0, at), all.slice(at)]).events, `cut at ${at}`).toEqual(whole);
    expect(read(Array.from(all, (byte) => Uint8Array.of(byte))).events).toEqual(whole);
  });

  it("may mix the ends of its lines", () => {
    expect(dataOf("data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\r")).toEqual(["a\nb\nc", "d"]);
  });

  it("loses one byte order mark at its beginning and no other", () => {
    expect(dataOf("\uFEFFdata: a\n\n\uFEFFdata: b\n\ndata: \uFEFFc\n\n")).toEqual(["a", "\uFEFFc"]);
  });

  it("leaves out what is no field, and ids that cannot be one", () => {
    const { events, retries } = read(["id: 3\ndata: a\nnonsense: x\nDATA: y\n\nid: 4\0\ndata: b\nretry: 250\nretry: soon\nretry: -1\n\n"]);
    expect(events.map(({ data, id }) => [data, id])).toEqual([["a", "3"], ["b", "3"]]);
    expect(retries).toEqual([250]);
  });

  it("tells how far it has come, also where an id comes alone, and never farther than its last whole event", () => {
    expect(read([], { from: "9" }).last).toBe("9");
    expect(read(["id: 10\n\n"], { from: "9" }).last).toBe("10");
    expect(read(["id: 10\n\nid: 11\ndata: half"], { from: "9" }).last).toBe("10");
    expect(read(["data: a\n\n"], { from: "9" }).events).toEqual([{ type: "message", data: "a", id: "9" }]);
  });

  it("leaves out an event that is too large, and reads on", () => {
    const huge = "x".repeat(5000);
    for (const large of [`data: ${huge}\nid: 2\n\n`, `id: 2\n${"data: x\n".repeat(200)}\n`, `${huge}\nid: 2\n\n`, `id: 2\n${huge}\rdata: y\r\r`]) {
      const pieces = `id: 1\ndata: a\n\n${large}data: c\nid: 3\n\n`.match(/[^]{1,64}/g) ?? [];
      const { events, tooLarge, last } = read(pieces);
      expect(events.map(({ data, id }) => [data, id])).toEqual([["a", "1"], ["c", "3"]]);
      expect([tooLarge, last]).toEqual([["2"], "3"]);
    }
  });

  it("takes any number of comments", () => {
    const { events, tooLarge } = read(["id: 1\ndata: a\n", ...Array.from({ length: 500 }, () => ": still here\n"), "\n"]);
    expect([events.length, tooLarge]).toEqual([1, []]);
  });

  it("bears bytes that are no UTF-8", () => {
    expect(read([bytes("data: a"), Uint8Array.of(0xff, 0xc3), bytes("\n\n")]).events[0]?.data).toBe("a\uFFFD\uFFFD");
  });
});
