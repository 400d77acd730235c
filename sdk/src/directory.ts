/** What is enabled at each extension point of a page, asked once and shared by its components. */
import type { JackfieldClient } from "./client.js";
import { createChangeFollower } from "./live/changes.js";
import type { FollowEnvironment } from "./live/follow.js";
import type { EnabledPlugin } from "./types.js";

/** The state of one list. `stale` holds what was last known while the server does not answer. */
export type Listing =
  | { readonly status: "loading" }
  | { readonly status: "ready"; readonly plugins: readonly EnabledPlugin[] }
  | { readonly status: "failed"; readonly error: unknown; readonly stale: readonly EnabledPlugin[] };

/** A store of lists, in the shape that `useSyncExternalStore` reads. */
export interface Directory {
  subscribe(listener: () => void): () => void;
  read(tenantId: string, extensionPoint: string): Listing;
  /** Asks the server unless it was asked before. */
  want(tenantId: string, extensionPoint: string): void;
  /** Asks again for all lists of a tenant; what is shown stays until the answers are here. */
  reload(tenantId: string): Promise<void>;
  /**
   * Has the lists of a tenant read anew whenever the server tells that its plugins change, until the result is called. However many
   * follow, there is one stream.
   */
  follow(tenantId: string): () => void;
}

/** What a directory may be told. */
export interface DirectoryOptions {
  /** Whether `follow` opens streams; true if not given. */
  readonly live?: boolean;
  /** Of the streams; the browser's if not given. */
  readonly environment?: () => FollowEnvironment;
}

/** The state before the first answer. */
export const LOADING: Listing = { status: "loading" };

interface Entry {
  tenantId: string;
  extensionPoint: string;
  listing: Listing;
  request: number;
}

/** Makes an empty store. It grows with the pairs of tenant and extension point that a page shows. */
export function createDirectory(client: JackfieldClient, { live = true, environment }: DirectoryOptions = {}): Directory {
  const entries = new Map<string, Entry>();
  const listeners = new Set<() => void>();
  // What was asked before a change does not answer for what is asked after it.
  let round = 0;

  /** Whether the server has answered. `isQuiet`: nobody waits for it, so that a list that there is stays if it does not. */
  const ask = async (entry: Entry, isQuiet = false): Promise<boolean> => {
    const request = ++entry.request;
    let listing: Listing;
    try {
      const plugins = await client.listEnabled(entry.tenantId, entry.extensionPoint, round);
      listing = { status: "ready", plugins: unchanged(known(entry.listing), plugins) };
    } catch (error) {
      listing = { status: "failed", error, stale: known(entry.listing) };
    }
    const isAnswered = listing.status === "ready";
    if (request !== entry.request) return isAnswered; // a later request answers for this one
    const isKept = entry.listing.status === "ready" && (listing.status === "ready" ? listing.plugins === entry.listing.plugins : isQuiet);
    if (isKept) return isAnswered;
    entry.listing = listing;
    for (const listener of listeners) listener();
    return isAnswered;
  };

  const askAll = async (tenantId: string, isQuiet: boolean): Promise<boolean> => {
    round += 1;
    const asked = [...entries.values()].filter((entry) => entry.tenantId === tenantId).map((entry) => ask(entry, isQuiet));
    return (await Promise.all(asked)).every(Boolean);
  };

  const follow = createChangeFollower(
    { open: client.openPluginStream, refresh: (tenantId) => askAll(tenantId, true) },
    environment,
  );

  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    read: (tenantId, extensionPoint) => entries.get(keyOf(tenantId, extensionPoint))?.listing ?? LOADING,
    want(tenantId, extensionPoint) {
      const key = keyOf(tenantId, extensionPoint);
      if (entries.has(key)) return;
      const entry = { tenantId, extensionPoint, listing: LOADING, request: 0 };
      entries.set(key, entry);
      void ask(entry);
    },
    async reload(tenantId) {
      await askAll(tenantId, false);
    },
    follow: live ? follow : () => () => undefined,
  };
}

/** The plugins of a list, or those last known. */
export function known(listing: Listing): readonly EnabledPlugin[] {
  if (listing.status === "ready") return listing.plugins;
  return listing.status === "failed" ? listing.stale : [];
}

/** `after`, with the objects of `before` wherever nothing is new, so that only what has changed is rendered again. */
function unchanged(before: readonly EnabledPlugin[], after: readonly EnabledPlugin[]): readonly EnabledPlugin[] {
  const old = new Map(before.map((plugin) => [plugin.id, plugin]));
  const kept = after.map((plugin) => {
    const same = old.get(plugin.id);
    return same !== undefined && JSON.stringify(same) === JSON.stringify(plugin) ? same : plugin;
  });
  return kept.length === before.length && kept.every((plugin, at) => plugin === before[at]) ? before : kept;
}

function keyOf(tenantId: string, extensionPoint: string): string {
  return JSON.stringify([tenantId, extensionPoint]);
}
