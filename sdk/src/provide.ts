/** The host's side: offering this page's React to plugin bundles. */

/** A module namespace, as `import * as React from "react"` gives it. */
export type ModuleNamespace = object;

/** The modules that bundles take from the page. */
export interface HostModules {
  /** `import * as React from "react"`, version 18 or newer. */
  react: ModuleNamespace;
  /** `import * as ReactDOM from "react-dom"`. */
  reactDom: ModuleNamespace;
  /** `import * as ReactDOMClient from "react-dom/client"`; only for plugins that make roots of their own. */
  reactDomClient?: ModuleNamespace;
  /** `import * as jsxRuntime from "react/jsx-runtime"`. */
  jsxRuntime: ModuleNamespace;
  /** `import * as jsxDevRuntime from "react/jsx-dev-runtime"`; without it, made from `jsxRuntime`. */
  jsxDevRuntime?: ModuleNamespace;
  /** `import * as sdk from "@jackfield/plugin-sdk"`. */
  sdk: ModuleNamespace;
}

/** What bundles read at `globalThis[HOST_SYMBOL]`. */
export interface HostRegistration {
  readonly version: 1;
  readonly modules: Readonly<Record<string, ModuleNamespace>>;
}

/** The key under which a page offers its modules: `Symbol.for("jackfield.host.v1")`. */
export const HOST_SYMBOL: unique symbol = Symbol.for("jackfield.host.v1");

const OLDEST_REACT = 18;

/**
 * Offers the page's React, react-dom and SDK to every bundle loaded afterwards. Call it once, before the
 * first plugin loads; a second call with the same React changes nothing.
 *
 * @throws Error if React is too old, a module is missing what bundles need, or the page already offers
 * another React (two Reacts in one page break hooks and context).
 */
export function provideHost(modules: HostModules): HostRegistration {
  requireExports(modules.react, "react", ["createElement", "useState", "version"]);
  requireExports(modules.reactDom, "reactDom", ["createPortal"]);
  requireExports(modules.jsxRuntime, "jsxRuntime", ["jsx", "jsxs", "Fragment"]);
  requireExports(modules.sdk, "sdk", ["definePlugin", "usePlatformSDK"]);
  const version = String(read(modules.react, "version"));
  if (Number.parseInt(version, 10) < OLDEST_REACT) {
    throw new Error(`plugins need React ${OLDEST_REACT} or newer, but this page gave ${version}`);
  }
  const scope = globalThis as { [HOST_SYMBOL]?: HostRegistration };
  const before = scope[HOST_SYMBOL];
  if (before !== undefined) return keep(before, modules, version);
  const registration: HostRegistration = Object.freeze({ version: 1, modules: Object.freeze(byName(modules)) });
  Object.defineProperty(scope, HOST_SYMBOL, { value: registration, configurable: true });
  return registration;
}

function keep(before: HostRegistration, modules: HostModules, version: string): HostRegistration {
  const old = before.modules["react"];
  // Two namespace objects may wrap one React, so compare what hooks depend on.
  if (old !== undefined && read(old, "useState") === read(modules.react, "useState")) return before;
  const oldVersion = old === undefined ? "none" : String(read(old, "version"));
  throw new Error(
    `this page already gave plugins another React (${oldVersion}; now ${version}): hooks and context work with one ` +
      "React only. Call provideHost once, and see that the page bundles a single copy of react",
  );
}

function byName(modules: HostModules): Record<string, ModuleNamespace> {
  return {
    react: modules.react,
    "react-dom": modules.reactDom,
    ...(modules.reactDomClient === undefined ? {} : { "react-dom/client": modules.reactDomClient }),
    "react/jsx-runtime": modules.jsxRuntime,
    "react/jsx-dev-runtime": usable(modules.jsxDevRuntime) ?? devRuntime(modules.jsxRuntime),
    "@jackfield/plugin-sdk": modules.sdk,
  };
}

// In a production build `react/jsx-dev-runtime` exports `jsxDEV` as undefined.
function usable(runtime: ModuleNamespace | undefined): ModuleNamespace | undefined {
  return runtime !== undefined && typeof read(runtime, "jsxDEV") === "function" ? runtime : undefined;
}

type Jsx = (type: unknown, props: unknown, key?: unknown) => unknown;

function devRuntime(runtime: ModuleNamespace): ModuleNamespace {
  const jsx = read(runtime, "jsx") as Jsx;
  const jsxs = read(runtime, "jsxs") as Jsx;
  return {
    Fragment: read(runtime, "Fragment"),
    jsxDEV: (type: unknown, props: unknown, key: unknown, staticChildren: boolean) =>
      (staticChildren ? jsxs : jsx)(type, props, key),
  };
}

function requireExports(namespace: ModuleNamespace | undefined, option: string, names: string[]): void {
  for (const name of names) {
    if (namespace === undefined || read(namespace, name) === undefined) {
      throw new Error(`provideHost needs the whole module as ${option}: import * as it; "${name}" is missing`);
    }
  }
}

function read(namespace: ModuleNamespace, name: string): unknown {
  return (namespace as Record<string, unknown>)[name];
}
