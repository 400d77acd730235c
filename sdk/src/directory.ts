/** What is enabled at each extension point of a page, asked once and shared by its components. */
import type { JackfieldClient } from "./client.js";
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
export function createDirectory(client: JackfieldClient): Directory {
  const entries = new Map<string, Entry>();
  const listeners = new Set<() => void>();

  const ask = async (entry: Entry): Promise<void> => {
    const request = ++entry.request;
    let listing: Listing;
    try {
      listing = { status: "ready", plugins: await client.listEnabled(entry.tenantId, entry.extensionPoint) };
    } catch (error) {
      listing = { status: "failed", error, stale: known(entry.listing) };
    }
    if (request !== entry.request) return; // a later request answers for this one
    entry.listing = listing;
    for (const listener of listeners) listener();
  };

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
      await Promise.all([...entries.values()].filter((entry) => entry.tenantId === tenantId).map(ask));
    },
  };
}

/** The plugins of a list, or those last known. */
export function known(listing: Listing): readonly EnabledPlugin[] {
  if (listing.status === "ready") return listing.plugins;
  return listing.status === "failed" ? listing.stale : [];
}

function keyOf(tenantId: string, extensionPoint: string): string {
  return JSON.stringify([tenantId, extensionPoint]);
}
