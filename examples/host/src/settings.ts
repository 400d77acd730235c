/** Where the page's server and tenant come from: the query first, then the build. */

const query = new URLSearchParams(location.search);

/** Address of the Jackfield server. */
export const server = loopback(query.get("server")) ?? import.meta.env["VITE_JACKFIELD_URL"] ?? "http://127.0.0.1:4000";

/** The tenant whose plugins are shown. */
export const tenant = query.get("tenant") ?? "demo";

/**
 * The token of the user who is signed in. This shop has no users; where something else on the page signs them in, it gives their tokens by
 * `jackfieldToken`, and renews them when they end.
 */
export const getToken = async (): Promise<string | null> => (await globalThis.jackfieldToken?.()) ?? null;

declare global {
  var jackfieldToken: (() => Promise<string>) | undefined;
}

/** Language of the page; plugins get it too. */
export const locale = query.get("locale") ?? navigator.language;

// Plugins run with the rights of this page, so a link must not choose a server elsewhere.
function loopback(address: string | null): string | undefined {
  if (address === null || !URL.canParse(address)) return undefined;
  return ["127.0.0.1", "localhost", "[::1]"].includes(new URL(address).hostname) ? address : undefined;
}
