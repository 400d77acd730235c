/** Loading a plugin's bundle into the page. */
import { type ComponentType, lazy, type LazyExoticComponent } from "react";
import { takeRegistered } from "./define.js";
import { preloadModule, UnsupportedError } from "./preload.js";
import { DeadlineError, type RetryClock, withRetries } from "./retry.js";
import type { ExtensionPointComponent, PluginDefinition } from "./types.js";

/** How to load a bundle. */
export interface LoadOptions {
  /** Subresource integrity (`sha256-…`, `sha384-…`, `sha512-…`); the bundle runs only if it matches. */
  integrity?: string;
  /** Further attempts when the bundle cannot be fetched; 2 if not given. A bundle that throws is not tried again. */
  retries?: number;
  /** Milliseconds for all attempts together; 15,000 if not given. */
  timeout?: number;
}

/** Loads a bundle and gives the plugin that it exports by default. */
export type PluginLoader = (bundleUrl: string, options?: LoadOptions) => Promise<PluginDefinition>;

/** Why a bundle could not be used. */
export type LoadFailure = "bad_address" | "fetch" | "timeout" | "unsupported" | "evaluate" | "not_a_plugin" | "no_such_point";

/** Raised when a bundle cannot be used; `cause` holds the browser's own error where there is one. */
export class PluginLoadError extends Error {
  override readonly name = "PluginLoadError";
  constructor(
    readonly code: LoadFailure,
    readonly bundleUrl: string,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** What loading needs of the browser; tests give their own. */
export interface LoadEnvironment {
  importModule(url: string): Promise<unknown>;
  preloadModule(url: string, integrity: string, signal: AbortSignal): Promise<void>;
  clock?: RetryClock;
}

const RETRIES = 2;
const TIMEOUT_MS = 15_000;

/** Makes a loader with its own memory of what it has loaded. */
export function createLoader(environment: LoadEnvironment): PluginLoader {
  // As large as the set of bundles this page has shown; the browser's module map holds the same for ever.
  const loaded = new Map<string, Promise<PluginDefinition>>();
  const attempts = new Map<string, number>();
  // A browser remembers a failed address, so no address is used twice, not by a later call either.
  const nextAddress = (url: string): string => {
    const n = attempts.get(url) ?? 0;
    attempts.set(url, n + 1);
    return n === 0 ? url : withAttempt(url, n);
  };
  return (bundleUrl, options = {}) => {
    const key = `${bundleUrl} ${options.integrity ?? ""}`;
    const known = loaded.get(key);
    if (known !== undefined) return known;
    const loading = load(environment, bundleUrl, options, nextAddress);
    loaded.set(key, loading);
    loading.catch(() => loaded.delete(key));
    return loading;
  };
}

/**
 * Loads a bundle by `import()` and gives its default export. A browser remembers a failed import, so further
 * attempts add `?r=1`, `?r=2`, … to the address. One bundle is loaded once in a page.
 *
 * @throws PluginLoadError
 */
export const loadPlugin: PluginLoader = createLoader({
  importModule: (url) => import(/* @vite-ignore */ /* webpackIgnore: true */ /* turbopackIgnore: true */ url),
  preloadModule,
});

/**
 * A lazy component for one extension point of one bundle. Call it once per bundle, outside of rendering, and
 * render the result under `Suspense` and an error boundary; `<ExtensionPoint>` does all of that.
 */
export function createPluginComponent<Props = Record<string, unknown>>(
  bundleUrl: string,
  extensionPoint: string,
  options: LoadOptions & { loader?: PluginLoader } = {},
): LazyExoticComponent<ComponentType<Props>> {
  const { loader = loadPlugin, ...rest } = options;
  return lazy(async () => {
    const plugin = await loader(bundleUrl, rest);
    return { default: componentAt(plugin, extensionPoint, bundleUrl) as ComponentType<Props> };
  });
}

function componentAt(plugin: PluginDefinition, point: string, bundleUrl: string): ExtensionPointComponent {
  const component = Object.hasOwn(plugin.extensionPoints, point) ? plugin.extensionPoints[point] : undefined;
  if (component !== undefined) return component;
  const has = Object.keys(plugin.extensionPoints).join(", ") || "none";
  throw new PluginLoadError("no_such_point", bundleUrl, `the bundle has no extension point "${point}"; it has: ${has}`);
}

async function load(
  environment: LoadEnvironment,
  bundleUrl: string,
  options: LoadOptions,
  nextAddress: (url: string) => string,
): Promise<PluginDefinition> {
  const url = absolute(bundleUrl);
  const limits = { retries: options.retries ?? RETRIES, timeout: options.timeout ?? TIMEOUT_MS };
  const attempt = async (_: number, signal: AbortSignal): Promise<unknown> => {
    const address = nextAddress(url);
    if (options.integrity !== undefined) {
      await environment.preloadModule(address, options.integrity, signal).catch((cause: unknown) => {
        throw asFetchFailure(url, cause);
      });
    }
    try {
      return await environment.importModule(address);
    } catch (cause) {
      throw importFailure(url, cause);
    } finally {
      // Whatever was registered and not taken by definePlugin must not reach the next bundle.
      takeRegistered();
    }
  };
  const again = (failure: unknown) => failure instanceof PluginLoadError && failure.code === "fetch";
  try {
    return requirePlugin(url, await withRetries(attempt, again, limits, environment.clock));
  } catch (failure) {
    if (!(failure instanceof DeadlineError)) throw failure;
    throw new PluginLoadError("timeout", url, `the bundle did not load within ${limits.timeout} ms`, failure);
  }
}

// import() would resolve a relative address against this module, not against the page.
function absolute(bundleUrl: string): string {
  const base = typeof document === "undefined" ? undefined : document.baseURI;
  const url = URL.canParse(bundleUrl, base) ? new URL(bundleUrl, base) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol)) return url.href;
  throw new PluginLoadError("bad_address", bundleUrl, "a bundle must have an http or https address");
}

function withAttempt(url: string, n: number): string {
  const [address = "", fragment] = url.split("#", 2);
  const next = `${address}${address.includes("?") ? "&" : "?"}r=${n}`;
  return fragment === undefined ? next : `${next}#${fragment}`;
}

function asFetchFailure(url: string, cause: unknown): unknown {
  if (cause instanceof DeadlineError) return cause;
  if (cause instanceof UnsupportedError) return new PluginLoadError("unsupported", url, cause.message, cause);
  return new PluginLoadError("fetch", url, "the bundle could not be fetched, or is not what its integrity says", cause);
}

// The specification gives a failed fetch no name of its own; these are the sentences of Chromium, Firefox and Safari.
const FETCH_FAILED = /dynamically imported module|importing a module script failed/i;

function importFailure(url: string, cause: unknown): PluginLoadError {
  if (cause instanceof TypeError && FETCH_FAILED.test(cause.message)) {
    return new PluginLoadError("fetch", url, "the bundle, or a module that it imports, could not be fetched", cause);
  }
  const said = cause instanceof Error ? cause.message : String(cause);
  return new PluginLoadError("evaluate", url, `the bundle failed while starting: ${said}`, cause);
}

function requirePlugin(url: string, module: unknown): PluginDefinition {
  const plugin = (module as { default?: unknown } | null)?.default;
  const points = (plugin as { extensionPoints?: unknown } | null | undefined)?.extensionPoints;
  if (typeof points === "object" && points !== null) return plugin as PluginDefinition;
  throw new PluginLoadError("not_a_plugin", url, "the bundle must export definePlugin({ … }) by default");
}
