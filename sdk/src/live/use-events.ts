"use client";
/** The tenant's events in a component. */
import { useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";
import type { EventName, EventOf } from "../event-types.js";
import { useJackfield } from "../provider.js";
import { ScopeContext } from "../scope.js";
import type { StreamState } from "./follow.js";

/** What `useEvents` may be told. */
export interface UseEventsOptions {
  /** How many of the last events to hold: 50 if not given, at most 1,000. */
  keep?: number;
  /** False for a component that wants none for now. */
  enabled?: boolean;
}

/** What `useEvents` gives. */
export interface EventFeed<Event> {
  /** The last events since the component is there, oldest first. */
  readonly events: readonly Event[];
  readonly last: Event | undefined;
  /** `open` while events come in as they happen. */
  readonly status: StreamState;
  /** Why the server gives none, while `status` is `refused`. */
  readonly error: Error | null;
  /** How often some were lost: whoever counts on having all of them reads what they told of anew when it changes. */
  readonly missed: number;
  /** Forgets the events that are held. */
  clear(): void;
}

interface Held {
  readonly events: readonly unknown[];
  readonly status: StreamState;
  readonly error: Error | null;
  readonly missed: number;
}

const KEEP = 50;
const MOST = 1_000;
const NOTHING: Held = { events: [], status: "paused", error: null, missed: 0 };

/**
 * Follows the tenant's events of some types (`"order.created"`), or of all that begin alike (`"order.*"`): holds the last ones, and
 * calls `handler` once for each, in their order. In a plugin's component the manifest's `listens` must have them; what the signed-in
 * user may not see does not come. All components of a page share one stream.
 *
 * @throws Error outside of `<JackfieldProvider>`.
 */
export function useEvents<const Pattern extends EventName>(
  types: Pattern | readonly Pattern[],
  handler?: (event: EventOf<Pattern>) => void,
  { keep = KEEP, enabled = true }: UseEventsOptions = {},
): EventFeed<EventOf<Pattern>> {
  const { events: hub, tenantId: ownTenant } = useJackfield();
  const tenantId = useContext(ScopeContext)?.sdk.tenantId ?? ownTenant;
  const [held, setHeld] = useState(NOTHING);
  const latest = useRef({ handler, keep });
  useEffect(() => {
    latest.current = { handler, keep };
  });
  // An array is usually new at each render.
  const wanted = JSON.stringify(typeof types === "string" ? [types] : [...new Set(types)].sort());

  useEffect(() => {
    const patterns = JSON.parse(wanted) as string[];
    setHeld(NOTHING);
    if (!enabled || patterns.length === 0) return;
    return hub.subscribe(tenantId, patterns, {
      onEvent(event) {
        const most = Math.min(Math.max(Math.trunc(latest.current.keep), 0), MOST);
        setHeld((now) => ({ ...now, events: most === 0 ? [] : [...now.events, event].slice(-most) }));
        latest.current.handler?.(event as EventOf<Pattern>);
      },
      onMissed: () => setHeld((now) => ({ ...now, missed: now.missed + 1 })),
      onState: (status, error = undefined) => setHeld((now) => ({ ...now, status, error: error ?? null })),
    });
  }, [hub, tenantId, wanted, enabled]);

  const clear = useCallback(() => setHeld((now) => ({ ...now, events: [] })), []);
  return useMemo(() => {
    const events = held.events as readonly EventOf<Pattern>[];
    return { ...held, events, last: events.at(-1), clear };
  }, [held, clear]);
}
