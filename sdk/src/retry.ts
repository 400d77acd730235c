/** Repeating what failed for a moment: exponential backoff with jitter, under one deadline. */

/** How often, and how long in all. */
export interface RetryLimits {
  /** Further attempts after the first. */
  readonly retries: number;
  /** Milliseconds for all attempts together. */
  readonly timeout: number;
}

/** Where time and chance come from; tests give their own. */
export interface RetryClock {
  random(): number;
  sleep(milliseconds: number): Promise<void>;
}

/** Raised when the deadline passes before an attempt succeeds. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 5_000;

const pageClock: RetryClock = {
  random: Math.random,
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

/**
 * Runs `attempt(n)`, n = 0, 1, …, until it succeeds, fails for good (`again` says no), the attempts are
 * used up, or the deadline passes. `signal` aborts when the deadline does.
 *
 * @throws the last failure, or DeadlineError.
 */
export async function withRetries<T>(
  attempt: (n: number, signal: AbortSignal) => Promise<T>,
  again: (failure: unknown) => boolean,
  limits: RetryLimits,
  clock: RetryClock = pageClock,
): Promise<T> {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const late = new DeadlineError(`no success within ${limits.timeout} ms`);
      abort.abort(late);
      reject(late);
    }, limits.timeout);
  });
  const work = async (): Promise<T> => {
    for (let n = 0; ; n += 1) {
      try {
        return await attempt(n, abort.signal);
      } catch (failure) {
        if (n >= limits.retries || abort.signal.aborted || !again(failure)) throw failure;
        await clock.sleep(backoff(n, clock.random()));
      }
    }
  };
  try {
    return await Promise.race([work(), deadline]);
  } finally {
    clearTimeout(timer);
    // Stops a loop that lost the race from trying again.
    if (!abort.signal.aborted) abort.abort(new DeadlineError("finished"));
  }
}

/** Milliseconds before attempt `n + 1`: half fixed, half by chance (`random` in [0, 1)). */
export function backoff(n: number, random: number): number {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** n);
  return ceiling / 2 + (ceiling / 2) * random;
}
