/** Staying on an event stream: over ends, faults, hidden pages and servers that say no. */
import { type JackfieldRequestError, refusal } from "../client.js";
import { createEventStreamReader, type StreamEvent } from "./event-stream.js";
import { browserPage, type PageChange, type PageSignals } from "./page.js";

/**
 * How it stands with a stream. `waiting`: it will be asked for again in a moment. `paused`: nobody looks at the page. `refused`: the
 * server says no, or knows no such stream; it is asked again, but rarely.
 */
export type StreamState = "connecting" | "open" | "waiting" | "paused" | "refused";

/** A stream to stay on. */
export interface FollowedStream {
  /** Asks for the stream from behind `after` (the last id; from now if empty). */
  open(after: string, signal: AbortSignal): Promise<Response>;
  onEvent(event: StreamEvent): void;
  /** A stream has begun; `isResumed` if it goes on behind the last id, so that nothing is missed. */
  onOpen(isResumed: boolean): unknown;
  /** Something was missed: the server no longer has it, or it was too large. */
  onMissed(): void;
  /** Of `refused`, with what the server says. */
  onState?(state: StreamState, refusal?: JackfieldRequestError): void;
}

/** Times in milliseconds. */
export interface FollowLimits {
  /** To the headers of the answer. */
  readonly connect: number;
  /** Without a byte; the server sends some every 15 s. */
  readonly silence: number;
  /** How long a page may be hidden before its stream is closed. */
  readonly hidden: number;
  /** How long a stream has to last to be none that fails at once. */
  readonly steady: number;
  /** After a fault, doubled at each further one. */
  readonly firstDelay: number;
  readonly longestDelay: number;
  /** After 401 and 403, doubled likewise: a token may be renewed, a right be given. */
  readonly denied: number;
  readonly longestDenied: number;
  /** After 404 and other answers that are no stream, doubled likewise: the server may be upgraded. */
  readonly unknown: number;
  readonly longestUnknown: number;
}

const MINUTE = 60_000;

/** What pages keep to. */
export const LIMITS: FollowLimits = {
  connect: 15_000,
  silence: 45_000,
  hidden: MINUTE,
  steady: 10_000,
  firstDelay: 1_000,
  longestDelay: 30_000,
  denied: MINUTE / 2,
  longestDenied: 10 * MINUTE,
  unknown: 10 * MINUTE,
  longestUnknown: 60 * MINUTE,
};

/** Where time, chance and the page come from; tests give their own. */
export interface FollowEnvironment {
  readonly limits: FollowLimits;
  readonly page: PageSignals;
  /** From 0 to 1, without 1. */
  random(): number;
}

/** The browser's. */
export const browserEnvironment = (): FollowEnvironment => ({ limits: LIMITS, page: browserPage(), random: Math.random });

/** Why a connection is over. */
type Outcome =
  | { readonly kind: "ended" | "failed" | "closed" | "left" | "outdated" }
  | { readonly kind: "denied" | "unknown"; readonly error: JackfieldRequestError }
  | { readonly kind: "busy"; readonly seconds: number };

/** A stream that is being followed. */
export interface Following {
  /** Ends it for good. */
  stop(): void;
  /** Ends the connection there is and asks anew, from behind the last id: what is asked for has changed. */
  reopen(): void;
}

const LONGEST_RETRY_AFTER_S = 300;
const RETRY_RANGE_MS = [200, MINUTE] as const;

/** Follows a stream until it is stopped. Calls none of `stream`'s functions before it has returned, nor after `stop`. */
export function follow(stream: FollowedStream, environment: FollowEnvironment = browserEnvironment()): Following {
  const { limits, page, random } = environment;
  const stopped = new AbortController();
  let reopened = new AbortController();
  let after = "";
  let faults = 0;
  // After a stream has ended as it should; the stream itself may say how long.
  let pause = limits.firstDelay;

  const state = (next: StreamState, error?: JackfieldRequestError) => {
    if (!stopped.signal.aborted) stream.onState?.(next, error);
  };

  const read = async (body: ReadableStream<Uint8Array>, alive: () => void): Promise<void> => {
    const isCurrent = () => !stopped.signal.aborted;
    const reader = createEventStreamReader(
      {
        onEvent(event) {
          if (!isCurrent()) return;
          if (event.type === "reset") stream.onMissed();
          else stream.onEvent(event);
        },
        onTooLarge: () => isCurrent() && stream.onMissed(),
        onRetry: (ms) => (pause = Math.min(Math.max(ms, RETRY_RANGE_MS[0]), RETRY_RANGE_MS[1])),
      },
      after,
    );
    const chunks = body.getReader();
    try {
      for (;;) {
        const { done, value } = await chunks.read();
        if (done) return;
        alive();
        reader.push(value);
        after = reader.lastEventId;
      }
    } finally {
      void chunks.cancel().catch(() => undefined);
    }
  };

  const connect = async (): Promise<Outcome> => {
    const ended = new AbortController();
    const watch = watchPage(page, limits.hidden, () => ended.abort());
    const signal = AbortSignal.any([ended.signal, stopped.signal, reopened.signal]);
    const within = deadline(() => ended.abort());
    let began: number | undefined;
    state("connecting");
    try {
      within(limits.connect);
      const from = after;
      const answer = await stream.open(from, signal);
      const refused = await refusedBy(answer, from);
      if (refused !== undefined) return refused;
      within(limits.silence);
      began = performance.now();
      state("open");
      if (!stopped.signal.aborted) stream.onOpen(from !== "");
      await read(answer.body as ReadableStream<Uint8Array>, () => within(limits.silence));
      return { kind: lasted(began) ? "ended" : "failed" };
    } catch {
      // The network has failed, the stream was cut, or its end is our own doing.
      if (watch.hasLeft()) return { kind: "left" };
      return { kind: watch.isHidden() || reopened.signal.aborted ? "closed" : "failed" };
    } finally {
      if (lasted(began)) faults = 0;
      within(0);
      watch.end();
      ended.abort();
    }
  };

  const lasted = (began: number | undefined) => began !== undefined && performance.now() - began >= limits.steady;

  const run = async (): Promise<void> => {
    // What has called `follow` is done first.
    await Promise.resolve();
    let hasLeft = false;
    while (!stopped.signal.aborted) {
      if (hasLeft || !page.isShown()) {
        state("paused");
        await until(page, ["shown"], undefined, stopped.signal);
        hasLeft = false;
        continue;
      }
      if (reopened.signal.aborted) reopened = new AbortController();
      const outcome = await connect();
      if (stopped.signal.aborted) return;
      hasLeft = outcome.kind === "left";
      if (hasLeft || outcome.kind === "closed") continue;
      if (outcome.kind === "outdated") after = "";
      const isRefused = outcome.kind === "denied" || outcome.kind === "unknown";
      if (isRefused) state("refused", outcome.error);
      else state("waiting");
      const ms = delay(outcome);
      if (outcome.kind !== "ended") faults += 1;
      await until(page, isRefused ? [] : ["online"], ms, AbortSignal.any([stopped.signal, reopened.signal]));
    }
  };

  const delay = (outcome: Outcome): number => {
    const doubled = (first: number, longest: number) => Math.min(longest, first * 2 ** Math.min(faults, 20));
    const spread = (ms: number) => ms / 2 + (ms / 2) * random();
    if (outcome.kind === "ended") return spread(pause);
    if (outcome.kind === "denied") return spread(doubled(limits.denied, limits.longestDenied));
    if (outcome.kind === "unknown") return spread(doubled(limits.unknown, limits.longestUnknown));
    const own = spread(doubled(limits.firstDelay, limits.longestDelay));
    // Not before the server wants it, and not all at the same moment.
    return outcome.kind === "busy" ? outcome.seconds * 1000 + own : own;
  };

  void run();
  return { stop: () => stopped.abort(), reopen: () => reopened.abort() };
}

/** What an answer is, if it is no stream. */
async function refusedBy(answer: Response, after: string): Promise<Outcome | undefined> {
  const { status } = answer;
  const isStream = /^text\/event-stream\s*(?:;|$)/i.test(answer.headers.get("content-type") ?? "");
  if (status === 200 && isStream && answer.body !== null) return undefined;
  const error = await refusal(answer);
  if (after !== "" && (status === 410 || status === 400)) return { kind: "outdated" };
  if (status === 429 || status === 503) return { kind: "busy", seconds: retryAfter(answer) };
  if (status === 401 || status === 403) return { kind: "denied", error };
  // 408 and 425: the request was fine, and came at a bad moment.
  const mayPass = status === 408 || status === 425 || (status >= 500 && status !== 501);
  return mayPass ? { kind: "failed" } : { kind: "unknown", error };
}

function retryAfter(answer: Response): number {
  const seconds = Number(answer.headers.get("retry-after") ?? 0);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), LONGEST_RETRY_AFTER_S) : 0;
}

/** A deadline that may be moved: 0 takes it away. */
function deadline(end: () => void): (milliseconds: number) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (milliseconds) => {
    clearTimeout(timer);
    if (milliseconds > 0) timer = setTimeout(end, milliseconds);
  };
}

/** Calls `end` once the page is left, or was hidden for `longest` milliseconds. */
function watchPage(page: PageSignals, longest: number, end: () => void) {
  let isHidden = false;
  let hasLeft = false;
  const within = deadline(() => {
    isHidden = true;
    end();
  });
  const unlisten = page.listen((change) => {
    if (change === "hidden") within(longest);
    if (change === "shown") within(0);
    if (change !== "left") return;
    hasLeft = true;
    end();
  });
  return {
    isHidden: () => isHidden,
    hasLeft: () => hasLeft,
    end: () => {
      within(0);
      unlisten();
    },
  };
}

/** Resolves at one of `changes` of the page, after `milliseconds` if given, or when `signal` aborts. */
function until(page: PageSignals, changes: readonly PageChange[], milliseconds: number | undefined, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      unlisten();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = milliseconds === undefined ? undefined : setTimeout(end, milliseconds);
    const unlisten = page.listen((change) => changes.includes(change) && end());
    signal.addEventListener("abort", end);
  });
}
