/** What streams need to know of the page: whether somebody looks at it, and whether the network has come back. */

/** What happens to a page: it is looked at or not, it is left (perhaps to come back as it was), or the network is there again. */
export type PageChange = "shown" | "hidden" | "left" | "online";

/** A page, as far as streams depend on it. */
export interface PageSignals {
  isShown(): boolean;
  /** Calls `listener` at each change until the result is called. */
  listen(listener: (change: PageChange) => void): () => void;
}

/** The document and window at hand; where there are none, a page that is always shown. */
export function browserPage(): PageSignals {
  if (typeof document === "undefined" || typeof window === "undefined") {
    return { isShown: () => true, listen: () => () => undefined };
  }
  return {
    isShown: () => document.visibilityState !== "hidden",
    listen(listener) {
      const left = new AbortController();
      const { signal } = left;
      const seen = () => listener(document.visibilityState === "hidden" ? "hidden" : "shown");
      document.addEventListener("visibilitychange", seen, { signal });
      // A page with a connection would not be kept for the way back.
      window.addEventListener("pagehide", () => listener("left"), { signal });
      window.addEventListener("pageshow", seen, { signal });
      window.addEventListener("online", () => listener("online"), { signal });
      return () => left.abort();
    },
  };
}
