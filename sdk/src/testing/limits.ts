/** What one call of a handler may use up. */

/** How many of each a call has left. */
export interface Used {
  /** Counts one more. @throws Error once there were as many as a call may make. */
  count(what: keyof typeof MOST): void;
}

const MOST = {
  "operations of storage": 1000,
  "requests to other servers": 64,
  "operations of connections": 64,
  events: 100,
};

/** The bounds of one call. */
export function boundsOfOneCall(): Used {
  const made = new Map<string, number>();
  return {
    count(what) {
      const soFar = made.get(what) ?? 0;
      if (soFar >= MOST[what]) throw new Error(`one call of a handler may make at most ${MOST[what]} ${what}`);
      made.set(what, soFar + 1);
    },
  };
}

/** Without bounds: for what a test does by itself. */
export const UNBOUNDED: Used = { count: () => undefined };
