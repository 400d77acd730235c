/** Reading the lists of plugins anew when the server tells that something has changed. */
import { backoff } from "../retry.js";
import { browserEnvironment, follow, type FollowEnvironment, type Following } from "./follow.js";

/** What is needed of the rest. */
export interface ChangeSource {
  /** Asks for the stream of a tenant's installations from behind `after`. */
  open(tenantId: string, after: string, signal: AbortSignal): Promise<Response>;
  /** Reads all lists of a tenant anew; whether that went well. */
  refresh(tenantId: string): Promise<boolean>;
}

interface Followed {
  watchers: number;
  readonly following: Following;
  /** When what is to be read is read at the latest, however many changes come; undefined if nothing is to be read. */
  due: number | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
  isReading: boolean;
  faults: number;
  isOver: boolean;
}

/** Several changes come together when an administrator works; and not all pages of a tenant ask at the same moment. */
const QUIET_MS = 60;
const SPREAD_MS = 140;
const LATEST_MS = 1_000;
/** How long a stream stays that nobody needs: another page of the host may need it in a moment. */
const LINGER_MS = 2_000;

/** One stream for each tenant, as long as somebody watches: the result stops watching. */
export function createChangeFollower(
  source: ChangeSource,
  environment: () => FollowEnvironment = browserEnvironment,
): (tenantId: string) => () => void {
  const tenants = new Map<string, Followed>();

  const read = async (tenantId: string, followed: Followed): Promise<void> => {
    followed.due = undefined;
    followed.isReading = true;
    const isRead = await source.refresh(tenantId);
    followed.isReading = false;
    if (followed.isOver) return;
    followed.faults = isRead ? 0 : followed.faults + 1;
    // The change has been told, and nobody tells it again.
    if (!isRead) plan(tenantId, followed, 5 * backoff(followed.faults, Math.random()));
    else if (followed.due !== undefined) plan(tenantId, followed);
  };

  const plan = (tenantId: string, followed: Followed, wait = QUIET_MS + SPREAD_MS * Math.random()): void => {
    const now = performance.now();
    followed.due ??= now + Math.max(LATEST_MS, wait);
    // What changes while a list is on its way may be in it or not.
    if (followed.isReading || followed.isOver) return;
    clearTimeout(followed.timer);
    followed.timer = setTimeout(() => void read(tenantId, followed), Math.min(wait, Math.max(followed.due - now, 0)));
  };

  const start = (tenantId: string): Followed => {
    const changed = () => plan(tenantId, followed);
    const following = follow(
      {
        open: (after, signal) => source.open(tenantId, after, signal),
        onEvent: changed,
        onMissed: changed,
        // Between the first lists and the stream, or while it was away, something may have happened.
        onOpen: (isResumed) => isResumed || changed(),
      },
      environment(),
    );
    const followed: Followed = { watchers: 0, following, due: undefined, timer: undefined, isReading: false, faults: 0, isOver: false };
    tenants.set(tenantId, followed);
    return followed;
  };

  return (tenantId) => {
    const followed = tenants.get(tenantId) ?? start(tenantId);
    followed.watchers += 1;
    let isWatching = true;
    return () => {
      if (!isWatching) return;
      isWatching = false;
      followed.watchers -= 1;
      setTimeout(() => {
        if (followed.watchers > 0 || followed.isOver) return;
        followed.isOver = true;
        clearTimeout(followed.timer);
        followed.following.stop();
        tenants.delete(tenantId);
      }, LINGER_MS);
    };
  };
}
