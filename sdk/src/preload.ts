/**
 * Integrity for `import()`, which itself takes none.
 *
 * `<link rel="modulepreload" integrity>` puts the module into the document's module map only if its bytes match
 * (HTML, "Fetching modulepreload"); `import()` of the same address then runs that very entry. So the checked
 * bytes are the bytes that run, and relative chunks keep their base address. Fetching, hashing and importing
 * apart would check one response and may run another; a blob: address would break relative chunks.
 */

/**
 * Fetches a module into the document's module map, checked against `integrity`.
 *
 * @throws Error if the module cannot be fetched or does not match (a browser does not tell which), or if the
 * browser has no module preloading (before Chrome 66, Safari 17, Firefox 115).
 */
export async function preloadModule(url: string, integrity: string, signal: AbortSignal): Promise<void> {
  const link = document.createElement("link");
  if (!link.relList.supports("modulepreload")) {
    throw new UnsupportedError("this browser cannot check the integrity of a module; it has no modulepreload");
  }
  link.rel = "modulepreload";
  link.integrity = integrity;
  // Same credentials mode as import(); another one would fetch a second, unchecked copy.
  link.crossOrigin = "anonymous";
  link.href = url;
  try {
    await new Promise<void>((resolve, reject) => {
      const stop = () => reject(signal.reason as Error);
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      link.addEventListener("load", () => resolve(), { once: true });
      link.addEventListener("error", () => reject(new Error("not fetched, or not what integrity says")), { once: true });
      document.head.append(link);
    });
  } finally {
    link.remove();
  }
}

/** Raised where a browser lacks what a check needs; trying again does not help. */
export class UnsupportedError extends Error {
  override readonly name = "UnsupportedError";
}
