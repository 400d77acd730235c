/** The tenants' events in a page: one stream for each tenant, for all that its components want. */
import type { JackfieldClient } from "../client.js";
import type { CloudEvent } from "../event-types.js";
import type { StreamEvent } from "./event-stream.js";
import { browserEnvironment, follow, type FollowEnvironment, type Following, type StreamState } from "./follow.js";
import { isOf } from "./pattern.js";

/** Who wants events. */
export interface EventListener {
  onEvent(event: CloudEvent<string, unknown>): void;
  /** Some events are lost: the page was away for longer than the server keeps them. */
  onMissed?(): void;
  /** How it stands with the stream; of `refused` with what the server says. */
  onState?(state: StreamState, error?: Error): void;
}

/** The events of a page. */
export interface EventHub {
  /**
   * Gives `listener` the tenant's events of `types` from now on (`order.created`, `order.*`, `*`), each once and in their order, until
   * the result is called. The first may be a little older, where the stream was there already.
   */
  subscribe(tenantId: string, types: readonly string[], listener: EventListener): () => void;
}

interface Subscriber {
  readonly types: readonly string[];
  readonly listener: EventListener;
}

/** How many events are known again when they come twice, as they may after a break. */
const REMEMBERED = 1_000;
/** The most types that the server takes; a page that wants more asks for all that it may have, and leaves out the rest here. */
const MAX_TYPES = 50;
/** Components of one page come and go together. */
const GATHER_MS = 30;
const LINGER_MS = 2_000;

/** Makes a hub that has no streams yet. */
export function createEventHub(
  client: Pick<JackfieldClient, "openEventStream">,
  environment: () => FollowEnvironment = browserEnvironment,
): EventHub {
  const tenants = new Map<string, TenantEvents>();
  return {
    subscribe(tenantId, types, listener) {
      let events = tenants.get(tenantId);
      if (events === undefined) {
        const open: Open = (wanted, after, signal) => client.openEventStream(tenantId, wanted, after, signal);
        events = new TenantEvents(open, environment, () => tenants.delete(tenantId));
        tenants.set(tenantId, events);
      }
      return events.subscribe({ types, listener });
    },
  };
}

type Open = (types: readonly string[], after: string, signal: AbortSignal) => Promise<Response>;

/** One tenant's stream and who wants what of it. */
class TenantEvents {
  readonly #open: Open;
  readonly #environment: () => FollowEnvironment;
  readonly #onEnd: () => void;
  readonly #subscribers = new Set<Subscriber>();
  readonly #seen = new Set<string>();
  #asked: readonly string[] = [];
  #following: Following | undefined;
  #isFresh = true;
  #state: StreamState = "connecting";
  #error: Error | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(open: Open, environment: () => FollowEnvironment, onEnd: () => void) {
    this.#open = open;
    this.#environment = environment;
    this.#onEnd = onEnd;
  }

  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    call(() => subscriber.listener.onState?.(this.#state, this.#error));
    this.#plan(GATHER_MS);
    return () => {
      if (!this.#subscribers.delete(subscriber)) return;
      if (this.#subscribers.size === 0) this.#plan(LINGER_MS);
    };
  }

  #plan(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#settle(), milliseconds);
  }

  /** Has the stream carry what is wanted. What nobody wants any more is left in it until it is asked for anew. */
  #settle(): void {
    if (this.#subscribers.size === 0) {
      this.#following?.stop();
      return this.#onEnd();
    }
    const all = [...new Set([...this.#subscribers].flatMap(({ types }) => types))].sort();
    const wanted = all.length > MAX_TYPES ? ["*"] : all;
    if (wanted.every((type) => this.#asked.includes(type)) || this.#asked[0] === "*") return;
    this.#asked = wanted;
    if (this.#following === undefined) this.#following = this.#follow();
    else this.#following.reopen();
  }

  #follow(): Following {
    const missed = () => this.#tell(({ listener }) => listener.onMissed?.());
    return follow(
      {
        open: (after, signal) => this.#open(this.#asked, after, signal),
        onEvent: (event) => this.#receive(event),
        onMissed: missed,
        onOpen: (isResumed) => {
          // The first stream begins now; a later one that does, does so because its place is lost.
          if (!isResumed && !this.#isFresh) missed();
          this.#isFresh = false;
        },
        onState: (state, error) => {
          this.#state = state;
          this.#error = error;
          this.#tell(({ listener }) => listener.onState?.(state, error));
        },
      },
      this.#environment(),
    );
  }

  #receive({ data }: StreamEvent): void {
    const event = cloudEvent(data);
    if (event === undefined) return;
    const key = JSON.stringify([event.source, event.id]);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= REMEMBERED) break;
      this.#seen.delete(oldest);
    }
    this.#tell(({ types, listener }) => types.some((type) => isOf(type, event.type)) && listener.onEvent(event));
  }

  #tell(what: (subscriber: Subscriber) => unknown): void {
    for (const subscriber of [...this.#subscribers]) call(() => what(subscriber));
  }
}

function cloudEvent(text: string): CloudEvent<string, unknown> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { id, source, type } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof id !== "string" || typeof source !== "string" || typeof type !== "string") return undefined;
  const event = value as CloudEvent<string, unknown>;
  return event.data === undefined ? { ...event, data: null } : event;
}

/** What one listener throws is the page's to hear of, and nobody else's trouble. */
function call(listener: () => unknown): void {
  try {
    listener();
  } catch (error) {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  }
}
