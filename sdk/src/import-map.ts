/** Import maps: integrity for plain `import()`, and modules for bundles with bare imports. */

/** A document's import map (HTML, "Import maps"). */
export interface ImportMap {
  imports: Record<string, string>;
  integrity: Record<string, string>;
}

/** A module whose bytes are known. */
export interface MappedBundle {
  bundleUrl: string;
  integrity?: string | null | undefined;
}

/** What else goes into the map. */
export interface ImportMapOptions {
  /** Base for relative bundle addresses; otherwise they stay as they are. */
  server?: string;
  /**
   * Where the page has the modules that bundles import by bare names, such as
   * `{ react: "/vendor/react.js" }`. Not needed for the usual bundles, which have no bare imports.
   */
  imports?: Record<string, string>;
}

/**
 * Builds an import map for a list of plugins, to be written into the page as
 * `<script type="importmap">` before the first module script. The browser then refuses any listed bundle whose
 * bytes do not match, whoever imports it (Chrome 127, Safari 18, Firefox 138).
 *
 * @throws Error if one address is listed with two integrities.
 */
export function importMap(plugins: Iterable<MappedBundle>, options: ImportMapOptions = {}): ImportMap {
  const integrity: Record<string, string> = {};
  for (const { bundleUrl, integrity: expected } of plugins) {
    if (expected === undefined || expected === null || expected === "") continue;
    const address = options.server === undefined ? bundleUrl : new URL(bundleUrl, options.server).href;
    if (integrity[address] !== undefined && integrity[address] !== expected) {
      throw new Error(`two integrities are given for ${address}; a published bundle never changes`);
    }
    integrity[address] = expected;
  }
  return { imports: { ...options.imports }, integrity };
}

/**
 * An import map as text that is safe inside `<script type="importmap">`: `<` is escaped, so no value can end
 * the element.
 */
export function importMapText(map: ImportMap): string {
  return JSON.stringify(map).replaceAll("<", "\\u003c");
}
